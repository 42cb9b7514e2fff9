package reports

import (
	"context"
	"errors"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

func TestTooWideAndTruncatedComesToAnEnd(t *testing.T) {
	r := newRig(t)
	r.prove()
	const path = "mvpd/year/month/day/tenant"
	one := len(r.direct(path + "?start=2026-06-01&end=2026-06-02"))
	r.behave(func(b *sandbox.Behaviour) {
		b.MaxCells = int64(one) * 60
		b.MaxLimit, b.LimitMode = one*7+3, "clamp"
	})
	before := r.calls()
	r.compare(path + "?start=2026-03-01&end=2026-07-01")
	if n := r.calls() - before; n > 35 {
		t.Errorf("%d calls for 122 days of which Adobe gives 7 at once", n)
	}
}

// Who waits for a fetch in parts is told how far it is: block by block, and at last all.
func TestProgressIsTold(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.behave(func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = 70, "clamp" })
	var told [][2]int
	ctx := WithProgress(t.Context(), func(done, total int) { told = append(told, [2]int{done, total}) })
	for range 2 {
		if _, _, err := r.Get(ctx, request(t, "tenant/year/month/day?start=2025-01&end=2026-01"), Directives{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) < 4 || told[0] != [2]int{0, 12} || told[len(told)-1] != [2]int{12, 12} {
		t.Errorf("told %v", told)
	}
	for i := 1; i < len(told); i++ {
		if told[i][0] < told[i-1][0] || told[i][1] != 12 {
			t.Errorf("told %v", told)
		}
	}
}

func TestTooWideIsAskedInParts(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.behave(func(b *sandbox.Behaviour) { b.MaxCells = 300 })
	r.compare("tenant/year/month/day/mvpd/platform/application-id?start=2026-06-01&end=2026-06-08")
	if _, _, err := r.Get(t.Context(), request(t, "tenant/year/month/day?start=2026-06-01&end=2026-06-08&limit=5"), Directives{}); err != nil {
		t.Error(err)
	}
	r.behave(func(b *sandbox.Behaviour) { b.MaxCells = 10 })
	if _, _, err := r.Get(t.Context(), request(t, "tenant/year/month/day/mvpd/platform/application-id?start=2026-05-01&end=2026-05-08"), Directives{}); !errors.Is(err, cmu.ErrTooWide) {
		t.Errorf("a single day too wide: %v", err)
	}
}

func TestWhatCannotBeCompletedIsMarked(t *testing.T) {
	for _, c := range []struct {
		ask   string
		clamp int
		want  bool
	}{
		{"tenant/year/month/day/mvpd/platform/application-id?start=2026-06-01&end=2026-06-03", 50, true}, // one day has more rows than Adobe gives
		{"tenant/year/month/day?start=2026-04-01&end=2026-06-03", 50, false},
		{"mvpd", 3, true}, // nothing to split by
		{"mvpd", 50, false},
		{"tenant/year/month/day?start=2026-04-01&end=2026-06-03&limit=10", 50, true}, // as asked
		{"tenant/year/month/day?start=2026-04-01&end=2026-04-03&limit=40", 50, false},
	} {
		r := newRig(t)
		r.prove()
		r.behave(func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = c.clamp, "clamp" })
		for range 2 {
			if a, _, err := r.Get(t.Context(), request(t, c.ask), Directives{}); err != nil || a.Incomplete != c.want || a.Rows == 0 {
				t.Errorf("%s: %+v, %v", c.ask, a, err)
			}
		}
	}
}

// Where only slices can have all rows, the first caller waits for the proof.
func TestATruncatedFirstAnswerWaitsForTheProof(t *testing.T) {
	r := newRig(t, limit(300))
	const ask = "tenant/year/month/day/mvpd/platform/application-id?start=2026-05-01&end=2026-06-01"
	if a, source, err := r.Get(t.Context(), request(t, ask), Directives{}); err != nil || a.Incomplete || source != FromAdobe || !r.book().verdict().Proven {
		t.Fatalf("from %v, %v, verdict %+v", source, err, r.book().verdict())
	}
	r.compare(ask)
	// What shows nothing is not tried again by the next caller.
	r = newRig(t, limit(10))
	for range 3 {
		if a, _, err := r.Get(t.Context(), request(t, ask), Directives{}); err != nil || !a.Incomplete {
			t.Fatalf("%+v, %v", a, err)
		}
		r.after()
	}
	if n := r.calls(); n > 8 {
		t.Errorf("%d calls for three callers, of whom the first has the calendar checked", n)
	}
}

func TestWorkAfterTheAnswerMayBeginAtOnce(t *testing.T) {
	r := newRig(t)
	r.restart(limit(300), func(o *Options) {
		o.After = func(work func(context.Context)) bool {
			work(t.Context())
			return true
		}
	})
	const ask = "tenant/year/month/day/mvpd/platform/application-id?start=2026-05-01&end=2026-06-01"
	for i := range 3 {
		if a, source, err := r.Get(t.Context(), request(t, ask), Directives{}); err != nil || a.Incomplete {
			t.Errorf("answer %d: incomplete %v from %v, %v", i, a.Incomplete, source, err)
		}
	}
}

func TestAVeryWideWindowIsAskedWhole(t *testing.T) {
	r := newRig(t)
	r.prove()
	if a, _, err := r.Get(t.Context(), request(t, "year/month?start=1900&end=9999"), Directives{}); err != nil || a.Rows == 0 {
		t.Fatal(err)
	}
	if blocks, err := r.store.Blocks(t.Context(), "/year/month", "b", "c"); err != nil || len(blocks) != 0 {
		t.Errorf("%d blocks, %v", len(blocks), err)
	}
}

func TestDeadlineKeepsProgress(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.prove()
	r.restart(limit(300))
	const ask = "tenant/year/month/day/mvpd/platform/application-id?start=2026-01-01&end=2026-07-01" // about 60 calls
	// Each call takes two seconds of the clock.
	token := r.token
	r.token = func(ctx context.Context) (upstream.Token, error) {
		r.clock.Add(2 * time.Second)
		return token(ctx)
	}
	last := 0
	for try := range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		a, _, err := r.Get(deadlineAt{ctx, r.clock.Now().Add(20 * time.Second)}, request(t, ask), Directives{})
		cancel()
		if err == nil {
			if try < 3 || last == 0 || a.Rows == 0 {
				t.Errorf("done after %d tries, %d blocks seen", try, last)
			}
			r.compare(ask)
			return
		}
		var u *UnavailableError
		if !errors.As(err, &u) || u.Total != 6 || u.Done < last || u.RetryAfter <= 0 {
			t.Fatalf("try %d: %v", try, err)
		}
		last = u.Done
	}
	t.Fatal("no progress")
}

// deadlineAt has a deadline by the tests' clock.
type deadlineAt struct {
	context.Context
	at time.Time
}

func (d deadlineAt) Deadline() (time.Time, bool) { return d.at, true }
