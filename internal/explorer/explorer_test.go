package explorer_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cmu-gateway/internal/explorer"

	"github.com/klauspost/compress/gzip"
)

func plain(t *testing.T, path string) []byte {
	t.Helper()
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := explorer.Plain(packed)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return text
}

// What is embedded is what people wrote: make assets was run.
func TestPackedIsWhatWasWritten(t *testing.T) {
	sources, err := filepath.Glob("assets/*")
	if err != nil || len(sources) == 0 {
		t.Fatal(err)
	}
	packed := map[string]bool{"chart.js.gz": true}
	for _, source := range sources {
		if strings.HasSuffix(source, ".ts") {
			continue
		}
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(source) + ".gz"
		packed[name] = true
		if !bytes.Equal(text, plain(t, "packed/"+name)) {
			t.Errorf("%s is not as it was packed: make assets", source)
		}
		if n := bytes.Count(text, []byte("\n")); n > 400 {
			t.Errorf("%s has %d lines", source, n)
		}
	}
	all, err := filepath.Glob("packed/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if !packed[filepath.Base(path)] {
			t.Errorf("%s has no source", path)
		}
	}
}

// The library is the one of its release, as the registry has it.
func TestLibraryIsWhatItSays(t *testing.T) {
	text, err := os.ReadFile("library/library.json")
	if err != nil {
		t.Fatal(err)
	}
	var library struct{ Name, Version, License, SHA256 string }
	if err := json.Unmarshal(text, &library); err != nil {
		t.Fatal(err)
	}
	body := plain(t, "packed/chart.js.gz")
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != library.SHA256 {
		t.Errorf("the checksum is %x", sum)
	}
	if !bytes.Contains(body[:200], []byte("Chart.js v"+library.Version)) || library.License != "MIT" {
		t.Errorf("%+v, and it begins %.80s", library, body)
	}
	if license, err := os.ReadFile("library/LICENSE.md"); err != nil || !bytes.Contains(license, []byte("MIT License")) {
		t.Error("its licence is not beside it")
	}
}

// The file of an asset is one gzip member that any client reads.
func TestAssets(t *testing.T) {
	body, mediaType, ok := explorer.Asset("app.js")
	if !ok || mediaType != "text/javascript; charset=utf-8" {
		t.Fatal(mediaType)
	}
	if _, err := gzip.NewReader(bytes.NewReader(body)); err != nil {
		t.Error(err)
	}
	if len(explorer.Hash()) != 16 {
		t.Errorf("the hash is %q", explorer.Hash())
	}
}
