package archive

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	testrig "cmu-gateway/internal/rig"

	"cmu-gateway/internal/awsconfig"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// newBucket returns a place in a stand-in for S3.
func newBucket(t testing.TB) Place {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("reports"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	cfg, err := awsconfig.FromEnv([]string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"AWS_ENDPOINT_URL_S3=" + server.URL, "AWS_MAX_ATTEMPTS=1"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Bucket(cfg, "s3://reports/of/acme/")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func places(t *testing.T, test func(t *testing.T, p Place)) {
	t.Run("folder", func(t *testing.T) { test(t, Folder(filepath.Join(t.TempDir(), "new"), time.Now)) })
	t.Run("bucket", func(t *testing.T) { test(t, newBucket(t)) })
}

func put(p Place, t *testing.T, key, text, version string) error {
	return p.Put(t.Context(), key, strings.NewReader(text), version)
}

func get(t *testing.T, p Place, key string) (text, version string) {
	t.Helper()
	o, err := p.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	all, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size))
	if err != nil || int64(len(all)) != o.Size {
		t.Fatalf("%d bytes of %d, %v", len(all), o.Size, err)
	}
	return string(all), o.Version
}

// What a Place promises.
func TestPlaces(t *testing.T) {
	places(t, func(t *testing.T, p Place) {
		const key = "v1/report=a/year=2026/month=7/rows.parquet"
		if keys, err := p.Keys(t.Context(), "v1/report=a/"); len(keys) > 0 || err != nil {
			t.Fatalf("at first: %v, %v", keys, err)
		}
		if _, err := p.Open(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("at first: %v", err)
		}
		if err := put(p, t, key, "other", "1-1"); !errors.Is(err, ErrChanged) {
			t.Fatalf("replacing nothing: %v", err)
		}
		long := strings.Repeat("0123456789", 20_000) // longer than the tail
		if err := put(p, t, key, long, ""); err != nil {
			t.Fatal(err)
		}
		text, first := get(t, p, key)
		if text != long || first == "" {
			t.Fatalf("%d bytes, version %q", len(text), first)
		}
		if err := put(p, t, key, "twice", ""); !errors.Is(err, ErrChanged) {
			t.Fatalf("a second first: %v", err)
		}
		if err := put(p, t, key, "second", first); err != nil {
			t.Fatal(err)
		}
		if err := put(p, t, key, "late", first); !errors.Is(err, ErrChanged) {
			t.Fatalf("of an old version: %v", err)
		}
		if text, second := get(t, p, key); text != "second" || second == first {
			t.Fatalf("%q, version %q after %q", text, second, first)
		}
		for _, more := range []string{"v1/report=a/_athena.sql", "v1/report=ab/year=2026/month=7/rows.parquet", "v1/report=a/year=2025/month=12/rows.parquet"} {
			if err := put(p, t, more, "x", ""); err != nil {
				t.Fatal(err)
			}
		}
		keys, err := p.Keys(t.Context(), "v1/report=a/")
		slices.Sort(keys)
		if want := []string{"v1/report=a/_athena.sql", "v1/report=a/year=2025/month=12/rows.parquet", key}; !slices.Equal(keys, want) || err != nil {
			t.Errorf("%v, %v", keys, err)
		}
	})
}

// Of several writers of one version one gets through, and what is there is what that one wrote.
func TestWritersAtOnce(t *testing.T) {
	places(t, func(t *testing.T, p Place) {
		version := ""
		for round := range 5 {
			var mu sync.Mutex
			var all sync.WaitGroup
			var won []string
			for i := range 8 {
				text := strings.Repeat(string(rune('a'+i)), 1000+round)
				all.Go(func() {
					err := put(p, t, "v1/x", text, version)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						won = append(won, text)
					} else if !errors.Is(err, ErrChanged) {
						t.Error(err)
					}
				})
			}
			all.Wait()
			var text string
			if text, version = get(t, p, "v1/x"); len(won) != 1 || won[0] != text {
				t.Fatalf("round %d: %d writers won, and %.3s… is there", round, len(won), text)
			}
		}
	})
}

// A process that is killed in mid-write leaves what was there, and does not lock others out for ever.
func TestKilledInMidWrite(t *testing.T) {
	dir, c := t.TempDir(), &testrig.Clock{}
	p := Folder(dir, c.Now)
	if err := put(p, t, "v1/x", "first", ""); err != nil {
		t.Fatal(err)
	}
	_, version := get(t, p, "v1/x")
	left := filepath.Join(dir, "v1", ".x.partial")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(left, c.Now(), c.Now()); err != nil {
		t.Fatal(err)
	}
	if keys, err := p.Keys(t.Context(), ""); !slices.Equal(keys, []string{"v1/x"}) || err != nil {
		t.Errorf("%v, %v", keys, err)
	}
	if err := put(p, t, "v1/x", "second", version); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), left) {
		t.Errorf("while another may write: %v", err)
	}
	c.Add(writeTime + time.Second)
	if err := put(p, t, "v1/x", "second", version); err != nil {
		t.Fatal(err)
	}
	if text, _ := get(t, p, "v1/x"); text != "second" {
		t.Errorf("%s is there", text)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// A body that cannot be read to its end changes nothing.
func TestBodyFails(t *testing.T) {
	places(t, func(t *testing.T, p Place) {
		if err := put(p, t, "v1/x", "first", ""); err != nil {
			t.Fatal(err)
		}
		_, version := get(t, p, "v1/x")
		if err := p.Put(t.Context(), "v1/x", broken{bytes.NewReader([]byte("secon"))}, version); err == nil {
			t.Error("no error")
		}
		if text, now := get(t, p, "v1/x"); text != "first" || now != version {
			t.Errorf("%s is there", text)
		}
		if err := put(p, t, "v1/x", "second", version); err != nil {
			t.Error(err)
		}
	})
}

type broken struct{ *bytes.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = errors.New("the disk is broken")
	}
	return n, err
}

// WriteTo and ReadAt would go round the fault.
func (b broken) WriteTo(io.Writer) (int64, error) { return 0, errors.New("the disk is broken") }

func TestBucketNames(t *testing.T) {
	for text, want := range map[string]string{
		"s3://b": "b|", "s3://b/": "b|", "S3://b/c": "b|c/", "s3://b/c/d//": "b|c/d/", "s3:///c": "", "s3://": "", "s3://u@b/c": "", "s3://b/c?x=1": "", "s3://b:80/": "",
	} {
		name, prefix, err := splitBucket(text)
		if got := name + "|" + prefix; (err != nil) != (want == "") || err == nil && got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	if !InBucket("S3://b") || InBucket("s3/b") || InBucket("/s3://b") {
		t.Error("a place is taken for another kind")
	}
}
