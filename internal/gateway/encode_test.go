package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/reports"
	testrig "cmu-gateway/internal/rig"
	"cmu-gateway/pkg/cmu"
)

// Encode writes what GET sends, byte for byte.
func TestEncodeWritesWhatGETSends(t *testing.T) {
	r := newRig(t)
	path, query, _ := strings.Cut(strings.TrimPrefix(days, reportsPath), "?")
	compare := func(more string, wantSource reports.Source) {
		t.Helper()
		asked, err := cmu.Parse(path, query+more)
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range formatNames {
			want := r.ok(days + more + "&format=" + format)
			a, source, err := r.service.Get(t.Context(), asked, reports.Directives{})
			if err != nil || source != wantSource {
				t.Fatalf("%s%s: %v, %v", more, format, source, err)
			}
			var out bytes.Buffer
			if err := Encode(t.Context(), &out, a, source, asked, format); err != nil || out.String() != want.body {
				t.Errorf("%s%s: %v\n%.300s\nwant\n%.300s", more, format, err, out.String(), want.body)
			}
		}
	}
	for _, more := range []string{"", "&limit=1", "&mvpd=a%20%26b", "&mvpd=nobody-at-all"} {
		compare(more, reports.FromMemory)
	}
	r.clock.Add(testrig.Policy.Settled + time.Hour)
	compare("", reports.Stale)
}

func TestEncodeFails(t *testing.T) {
	r := newRig(t)
	asked, _ := cmu.Parse("/year/month/day/mvpd", "start=2026-01&end=2026-07")
	a, source, err := r.service.Get(t.Context(), asked, reports.Directives{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Encode(t.Context(), io.Discard, a, source, asked, "pdf"); err == nil || err.Error() != `there is no format "pdf"` {
		t.Error(err)
	}
	full := errors.New("no space left")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, format := range formatNames {
		if err := Encode(t.Context(), broken{full}, a, source, asked, format); !errors.Is(err, full) {
			t.Errorf("%s: %v", format, err)
		}
		if err := Encode(gone, io.Discard, a, source, asked, format); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

type broken struct{ error }

func (b broken) Write([]byte) (int, error) { return 0, b.error }
