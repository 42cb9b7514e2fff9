package reports

import (
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store/storetest"
)

func TestTheProofComesAfterTheAnswer(t *testing.T) {
	r := newRig(t)
	if _, source := r.get(daily); source != FromAdobe || r.calls() != 1 {
		t.Errorf("%v with %d calls", source, r.calls())
	}
	if v := r.book().verdict(); v.Proven || !v.At.IsZero() {
		t.Errorf("a verdict before the proof: %+v", v)
	}
	r.after()
	v := r.book().verdict()
	if !v.Proven || !v.At.Equal(r.clock.Now()) || !strings.Contains(v.Evidence, "2026-07-18: 24 rows") {
		t.Errorf("verdict %+v", v)
	}
	if v, err := r.process().Prove(t.Context(), request(t, daily)); err != nil || !v.Proven || r.calls() != 3 {
		t.Errorf("another process proves again: %+v, %v, %d calls", v, err, r.calls())
	}
	before := r.calls()
	r.clock.Add(verdictLife + time.Second)
	r.get(daily)
	r.after()
	if again := r.book().verdict(); !again.At.After(v.At) {
		t.Errorf("not renewed: %+v after %d calls", again, r.calls()-before)
	}
}

func TestNoProofIsNoVerdict(t *testing.T) {
	r := newRig(t)
	r.behave(func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = 20, "clamp" }) // a day has 24 hours
	for range 3 {
		r.get("tenant/year/month/day?start=2026-06-01&end=2026-06-11")
		r.after()
		r.clock.Add(time.Minute)
	}
	if v := r.book().verdict(); v.Proven || !v.At.IsZero() {
		t.Errorf("verdict %+v", v)
	}
	if n := r.calls(); n > 4 {
		t.Errorf("%d calls: a check that showed nothing is repeated at once", n)
	}
}

// TestContradiction changes Adobe's behaviour under a verdict that says otherwise.
func TestContradiction(t *testing.T) {
	for name, failing := range map[string]bool{"purge works": false, "purge fails": true} {
		r := newRig(t)
		r.log.Expect("event=calendar_contradicted")
		if failing {
			r.log.Expect("blocks sliced under the old verdict may still be stored")
		}
		failed := failing
		r.restart(r.faulty(func(op string) storetest.Fault {
			if op == "Purge" && failed {
				return storetest.Failed
			}
			return storetest.None
		}))
		r.prove()
		r.same(daily)
		r.behave(func(b *sandbox.Behaviour) { b.WindowShiftHours = -30 })
		r.same("tenant/year/month/day?start=2026-03-10&end=2026-05-01")
		v := r.book().verdict()
		if v.Proven || v.Unclean != failing || !strings.Contains(v.Evidence, "2026-03-") {
			t.Errorf("%s: verdict %+v", name, v)
		}
		// What was cut before is of no use any more.
		r.same(daily)
		failed = false
		r.clock.Add(verdictLife + time.Second)
		r.behave(func(b *sandbox.Behaviour) { b.WindowShiftHours = 0 })
		r.get(daily)
		r.after()
		if v := r.book().verdict(); !v.Proven || v.Unclean {
			t.Errorf("%s: after a week %+v", name, v)
		}
		r.same(daily)
	}
}

func TestAContradictionHoldsThoughItCannotBeNoted(t *testing.T) {
	r := newRig(t)
	r.log.Expect("event=calendar_contradicted")
	r.log.Expect("blocks sliced under the old verdict may still be stored")
	r.prove()
	r.same(daily)
	fail := true
	r.restart(r.faulty(func(op string) storetest.Fault {
		if op == "PutNote" && fail {
			return storetest.Failed
		}
		return storetest.None
	}))
	r.behave(func(b *sandbox.Behaviour) { b.WindowShiftHours = -30 })
	const ask = "tenant/year/month/day?start=2026-03-10&end=2026-05-01"
	r.same(ask)
	// the note that could not be written is taken over again, and the blocks cut under it are served
	got, _ := r.get(daily)
	want := r.direct(daily)
	if !sameRows(got, want) {
		t.Error("wrong rows after the contradiction")
	}
	if r.book().verdict().Proven {
		t.Error("proven again")
	}
}

func TestARowWithoutAPeriodTellsOfItsReportOnly(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.same(daily)
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 200, Count: 2, Headers: map[string]string{"Content-Type": "application/json"},
		Body: `{"_links":{},"report":[{"year":"2026","month":"3","day":"2","mvpd":"x"},{"year":"","month":"","day":"","mvpd":"y"}]}`}))
	a, _, err := r.Get(t.Context(), request(t, "mvpd/year/month/day?start=2026-03&end=2026-04"), Directives{})
	if err != nil || a.Rows != 2 || !r.book().verdict().Proven {
		t.Errorf("%+v, %v, verdict %+v", a, err, r.book().verdict())
	}
}

// TestAVerdictThatIsNotedIsNotNotedAgain uses the machine's clock: its instants hold more than a note can.
func TestAVerdictThatIsNotedIsNotNotedAgain(t *testing.T) {
	r := newRig(t)
	writes := 0
	r.restart(r.faulty(func(op string) storetest.Fault {
		if op == "PutNote" {
			writes++
		}
		return storetest.None
	}))
	if err := r.book().noteVerdict(t.Context(), Verdict{Proven: true, At: time.Now(), Evidence: "seen"}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := r.book().sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if v := r.book().verdict(); writes != 1 || !v.Proven {
		t.Errorf("%d writes of %+v", writes, v)
	}
}
