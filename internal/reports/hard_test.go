package reports

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store/storetest"
	"cmu-gateway/pkg/cmu"
)

func TestTooWideAndCutComesToAnEnd(t *testing.T) {
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

func TestStaleWhileAdobeRefusesForAWhile(t *testing.T) {
	for _, f := range []sandbox.Fault{{Kind: "status", Status: 429}, {Kind: "status", Status: 503}, {Kind: "status", Status: 401}} {
		r := newRig(t)
		r.prove()
		const ask = "tenant/year/month/day?start=2026-07-01"
		r.same(ask)
		r.clock.add(48 * time.Hour)
		r.behave(fault(f))
		_, source, err := r.Get(t.Context(), request(t, ask), Directives{})
		if err != nil || source != Stale {
			t.Errorf("%d: %v %v", f.Status, source, err)
		}
	}
}

func TestOneSlowCallStopsNoOther(t *testing.T) {
	r := newRig(t)
	r.prove()
	slow := true
	r.Service.adobe.client = &cmu.Client{ReportsURL: r.Client.ReportsURL, AuthURL: r.Client.AuthURL, Transport: rt(func(q *http.Request) (*http.Response, error) {
		if slow {
			r.clock.add(15 * time.Second)
		}
		return http.DefaultTransport.RoundTrip(q)
	})}
	get := func(ask string) error {
		_, _, err := r.Get(deadlineAt{t.Context(), r.clock.now().Add(28 * time.Second)}, request(t, ask), Directives{})
		return err
	}
	if err := get("tenant/year/month/day?start=2026-05-01&end=2026-06-01"); err != nil {
		t.Fatal(err)
	}
	slow = false
	for i := range 5 {
		r.clock.add(time.Hour)
		before := r.calls()
		if err := get("tenant/year/month/day?start=2026-03-01&end=2026-04-01"); err != nil {
			t.Errorf("%d: %v with %d calls", i, err, r.calls()-before)
		}
	}
}

type rt func(*http.Request) (*http.Response, error)

func (f rt) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOnlyIfCachedNeverCalls(t *testing.T) {
	r := newRig(t)
	r.prove()
	const ask = "tenant/year/month/day?start=2026-07-01"
	r.same(ask)
	r.clock.add(time.Hour)
	r.Service.After = func(func(context.Context)) bool { return false }
	before := r.calls()
	_, source, err := r.Get(t.Context(), request(t, ask), Directives{OnlyIfCached: true})
	if r.calls() != before {
		t.Errorf("%d calls, %v %v", r.calls()-before, source, err)
	}
}

func TestOpenEndedAnswersEndAtThePresent(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.get("tenant/year/month/day?start=2026-06-01&end=2026-07-01")
	a, _, err := r.Get(t.Context(), request(t, "tenant/year/month/day?start=2026-06-01"), Directives{})
	if err != nil {
		t.Fatal(err)
	}
	if a.Request.End.String() < "2026-07-21" {
		t.Errorf("end %v", a.Request.End)
	}
}

func TestPurgeIsSeenByProcessesThatAnswerFromBlocks(t *testing.T) {
	r := newRig(t)
	r.prove()
	other := r.process(r.Client, r.Store)
	if _, _, err := other.Get(t.Context(), request(t, "tenant/year/month/day?start=2026-05-01&end=2026-07-01"), Directives{}); err != nil {
		t.Fatal(err)
	}
	r.clock.add(time.Second)
	if _, err := r.Purge(t.Context(), cmu.Request{}); err != nil {
		t.Fatal(err)
	}
	for d := 2; d < 28; d++ {
		r.clock.add(10 * time.Minute)
		_, source, err := other.Get(t.Context(), request(t, fmt.Sprintf("tenant/year/month/day?start=2026-05-%02d&end=2026-06-%02d", d, d)), Directives{})
		r.after()
		if err != nil {
			t.Fatal(err)
		}
		if source != FromMemory {
			return
		}
	}
	t.Error("never seen")
}

func TestPurgeIsNotUndoneByAFetchUnderWay(t *testing.T) {
	r := newRig(t)
	r.prove()
	const ask = "tenant/year/month/day?start=2026-07-01"
	r.same(ask)
	r.behave(func(b *sandbox.Behaviour) { b.Restatements = []sandbox.Restatement{{Day: "2026-07-03", Version: 1}} })
	r.clock.add(time.Hour)
	r.get(ask) // stale
	token := r.token.Value
	r.Service.adobe.token = func(ctx context.Context) (cmu.Secret, error) {
		r.Service.adobe.token = func(ctx context.Context) (cmu.Secret, error) { return token, nil }
		if _, err := r.Purge(ctx, cmu.Request{}); err != nil {
			t.Fatal(err)
		}
		return token, nil
	}
	r.after()
	r.same(ask)
}

func TestFailuresAreSharedByThoseWhoWait(t *testing.T) {
	for _, c := range []string{"500", "404"} {
		r := newRig(t)
		r.prove()
		ask := "tenant/year/month/day?start=2026-05&end=2026-06"
		if c == "500" {
			r.behave(fault(sandbox.Fault{Kind: "status", Status: 500}))
		} else {
			ask = "tenant/nonsense?start=2026-05"
		}
		before := r.calls()
		gate := make(chan struct{})
		entered := atomic.Int32{}
		token := r.token.Value
		r.Service.adobe.token = func(ctx context.Context) (cmu.Secret, error) { <-gate; return token, nil }
		var w sync.WaitGroup
		for range 50 {
			w.Go(func() { entered.Add(1); r.Get(t.Context(), request(t, ask), Directives{}) })
		}
		for entered.Load() < 50 {
			runtime.Gosched()
		}
		close(gate)
		w.Wait()
		if n := r.calls() - before; n > 4 {
			t.Errorf("%s: %d calls for 50 callers at once", c, n)
		}
	}
}

func TestAPauseStopsCallsThatWaitForTheirTurn(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 429, Headers: map[string]string{"Retry-After": "90"}}))
	before := r.calls()
	gate := make(chan struct{})
	token := r.token.Value
	r.Service.adobe.token = func(ctx context.Context) (cmu.Secret, error) { <-gate; return token, nil }
	var w sync.WaitGroup
	for i := range 40 {
		w.Go(func() { r.Get(t.Context(), request(t, fmt.Sprintf("mvpd?limit=%d", i+1)), Directives{}) })
	}
	for len(r.Service.adobe.slots) < 4 {
		runtime.Gosched()
	}
	close(gate)
	w.Wait()
	if n := r.calls() - before; n > 4 {
		t.Errorf("%d calls, 4 slots", n)
	}
}

func TestProofTriesAnotherPathWhenOneIsCut(t *testing.T) {
	r := newRig(t)
	n := len(r.direct("mvpd/year/month/day/hour?start=2026-07-17&end=2026-07-21"))
	r.nameLimit(n - 1)
	v, err := r.Prove(t.Context(), request(t, "mvpd/year/month/day?start=2026-07-01"))
	if err != nil || !v.Proven {
		t.Error(v, err)
	}
}

func TestAPauseMetByTheProofIsShared(t *testing.T) {
	r := newRig(t)
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 429, Headers: map[string]string{"Retry-After": "900"}}))
	r.Prove(t.Context(), request(t, "tenant/year/month/day?start=2026-07-01"))
	notes, _ := r.Store.Notes(t.Context())
	if _, ok := notes[noteCooldown]; !ok {
		t.Error("not noted; local:", r.Service.adobe.coolUntil())
	}
}

func TestLostWorkIsDoneLater(t *testing.T) {
	r := newRig(t)
	r.prove()
	const ask = "tenant/year/month/day?start=2026-07-01"
	r.same(ask)
	r.clock.add(time.Hour)
	r.get(ask)
	r.pending = nil // lost
	r.clock.add(afterTime)
	r.get(ask)
	r.after()
	if _, source := r.get(ask); source != FromMemory {
		t.Errorf("from %v", source)
	}
}

func TestWhatIsPassedThroughIsTheAnswerToTheCallersWindow(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.get("tenant/year/month/day?start=2026-05-01&end=2026-06-01")
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 200, Body: `{"window":"part"}`}))
	var asked string
	r.Service.adobe.client = &cmu.Client{ReportsURL: r.Client.ReportsURL, AuthURL: r.Client.AuthURL, Transport: rt(func(q *http.Request) (*http.Response, error) {
		asked = q.URL.RawQuery
		return http.DefaultTransport.RoundTrip(q)
	})}
	a, _, err := r.Get(t.Context(), request(t, "tenant/year/month/day?start=2026-05-01&end=2026-06-05"), Directives{})
	if err != nil || a.Raw == nil || !strings.HasPrefix(asked, "start=2026-05-01&end=2026-06-05") {
		t.Errorf("the raw answer is to %s: %v", asked, err)
	}
}

func TestStaleIfErrorNeedsNoMemory(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.Service = func() *Service {
		s := r.process(r.Client, r.Store)
		s.Memory = 4096
		s.Start()
		return s
	}()
	const ask = "tenant/year/month/day?start=2026-07-01"
	r.same(ask)
	r.clock.add(48 * time.Hour)
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 500}))
	_, source, err := r.Get(t.Context(), request(t, ask), Directives{})
	if err != nil {
		t.Error(source, err)
	}
}

func TestWhatCannotBeStoredIsStillKnown(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.Service.Store = &storetest.Faulty{Store: r.Store, Hook: func(op string) storetest.Fault {
		if op == "Put" {
			return storetest.Failed
		}
		return storetest.None
	}}
	const ask = "tenant/year/month/day?start=2026-07-01"
	r.same(ask)
	r.clock.add(time.Hour)
	if _, source := r.get(ask); source != Stale {
		t.Errorf("waited for Adobe: %v", source)
	}
}

func TestNoAccessIsNoRefusalOfTheReport(t *testing.T) {
	r := newRig(t)
	r.prove()
	bad := true
	token := r.token.Value
	r.Service.adobe.token = func(ctx context.Context) (cmu.Secret, error) {
		if bad {
			return "", &Unavailable{RetryAfter: time.Second, Reason: "no access", Cause: &cmu.Error{Op: "token", Status: 400, Code: "invalid_client"}}
		}
		return token, nil
	}
	const ask = "tenant/year/month/day?start=2026-07-01"
	if _, _, err := r.Get(t.Context(), request(t, ask), Directives{}); err == nil {
		t.Fatal()
	}
	bad = false
	r.clock.add(5 * time.Second)
	if _, _, err := r.Get(t.Context(), request(t, ask), Directives{}); err != nil {
		t.Errorf("access is back: %v", err)
	}
}

func TestTheLeaseLastsAsLongAsTheFetch(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.nameLimit(300)
	other := r.process(r.Client, r.Store)
	token := r.token.Value
	stolen := 0
	r.Service.adobe.token = func(context.Context) (cmu.Secret, error) {
		r.clock.add(5 * time.Second)
		j := other.Policy.periodsJob(request(t, "tenant/year/month/day/mvpd/platform/application-id"), span{0, 1})
		if err := other.Store.Acquire(t.Context(), j.leaseName(), other.holder, r.clock.now().Add(time.Millisecond)); err == nil {
			stolen++
		}
		return token, nil
	}
	r.get("tenant/year/month/day/mvpd/platform/application-id?start=2026-01-01&end=2026-07-01")
	if stolen > 0 {
		t.Errorf("another process had the lease %d times in one fetch", stolen)
	}
}

func TestSomeTimeIsLeftForTheAnswer(t *testing.T) {
	for left, want := range map[time.Duration]time.Duration{28 * time.Second: 26 * time.Second, time.Second: 750 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), left)
		s := Service{Now: time.Now}
		short, stop := s.leaveTime(ctx)
		deadline, _ := short.Deadline()
		if got := time.Until(deadline); got > want || got < want-500*time.Millisecond {
			t.Errorf("%v are left of %v, want %v", got, left, want)
		}
		stop()
		cancel()
	}
}

func TestAFailingRefreshIsTriedLessAndLessOften(t *testing.T) {
	r := newRig(t)
	r.prove()
	const ask = "tenant/year/month/day?start=2026-07-01"
	r.same(ask)
	r.clock.add(time.Hour)
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 500}))
	before := r.calls()
	for range 60 {
		r.clock.add(time.Second)
		r.get(ask)
		r.after()
	}
	if n := r.calls() - before; n > 14 || n < 4 {
		t.Errorf("%d calls in a minute of failures", n)
	}
}

func TestAContradictionHoldsThoughItCannotBeNoted(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.same(daily)
	fail := true
	r.Service.Store = &storetest.Faulty{Store: r.Store, Hook: func(op string) storetest.Fault {
		if op == "PutNote" && fail {
			return storetest.Failed
		}
		return storetest.None
	}}
	r.behave(func(b *sandbox.Behaviour) { b.WindowShiftHours = -30 })
	const ask = "tenant/year/month/day?start=2026-03-10&end=2026-05-01"
	r.same(ask)
	// the note that could not be written is taken over again, and the blocks cut under it are served
	got, _ := r.get(daily)
	want := r.direct(daily)
	if !sameRows(got, want) {
		t.Error("wrong rows after the contradiction")
	}
	if r.verdict(t.Context(), nil).Proven {
		t.Error("proven again")
	}
}

func TestEverythingAtOnce(t *testing.T) {
	r := newRig(t)
	r.prove()
	other := r.process(r.Client, r.Store)
	a := []*asker{newAsker(t, 1, r.clock.now), newAsker(t, 2, r.clock.now), newAsker(t, 3, r.clock.now), newAsker(t, 4, r.clock.now)}
	var w sync.WaitGroup
	for i, k := range a {
		w.Go(func() {
			for n := range 15 {
				s := []*Service{r.Service, other}[i%2]
				s.Get(context.Background(), request(t, k.ask()), Directives{NoCache: n%5 == 0})
				if n%7 == 0 {
					r.after()
				}
				r.clock.add(time.Minute)
				if n == 9 {
					s.Purge(context.Background(), request(t, "tenant"))
					s.Status(context.Background())
				}
			}
		})
	}
	w.Wait()
}

func TestAnAnswerThatWasCutIsCompletedAfterTheProof(t *testing.T) {
	r := newRig(t)
	r.nameLimit(300)
	const ask = "tenant/year/month/day/mvpd/platform/application-id?start=2026-05-01&end=2026-06-01"
	a, _, err := r.Get(t.Context(), request(t, ask), Directives{})
	if err != nil {
		t.Fatal(err)
	}
	if !a.Incomplete {
		t.Fatal("the first answer is not cut")
	}
	r.after()
	for range 2 {
		a, _, err := r.Get(t.Context(), request(t, ask), Directives{})
		if err != nil {
			t.Fatal(err)
		}
		r.after()
		if !a.Incomplete {
			return
		}
	}
	t.Errorf("still incomplete: verdict %+v", r.verdict(t.Context(), nil))
}

func TestTimeToComeIsNotStored(t *testing.T) {
	r := newRig(t)
	r.prove()
	var stored atomic.Int64
	r.Service.Store = &storetest.Faulty{Store: r.Store, Hook: func(op string) storetest.Fault {
		if op == "Put" {
			stored.Add(1)
		}
		return storetest.None
	}}
	r.behave(func(b *sandbox.Behaviour) { b.InstantRecompute = true })
	const ask = "tenant/year/month/day/hour/minute?start=2026-07-21T12:00"
	a, _, err := r.Get(t.Context(), request(t, ask), Directives{})
	if err != nil {
		t.Fatal(err)
	}
	if puts := stored.Swap(0); a.Rows == 0 || puts > 2 {
		t.Errorf("%d rows, %d blocks stored", a.Rows, puts)
	}
	r.clock.add(20 * time.Second)
	r.get(ask)
	r.after()
	if puts := stored.Load(); puts > 2 {
		t.Errorf("a refresh stored %d blocks", puts)
	}
	if source := r.same(ask); source != FromMemory {
		t.Errorf("after the refresh from %v", source)
	}
}

func TestARowWithoutAPeriodTellsOfItsReportOnly(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.same(daily)
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 200, Count: 2, Headers: map[string]string{"Content-Type": "application/json"},
		Body: `{"_links":{},"report":[{"year":"2026","month":"3","day":"2","mvpd":"x"},{"year":"","month":"","day":"","mvpd":"y"}]}`}))
	a, _, err := r.Get(t.Context(), request(t, "mvpd/year/month/day?start=2026-03&end=2026-04"), Directives{})
	if err != nil || a.Rows != 2 || !r.verdict(t.Context(), nil).Proven {
		t.Errorf("%+v, %v, verdict %+v", a, err, r.verdict(t.Context(), nil))
	}
}

func TestACallerDoesNotWaitWhereTheQueueIsFull(t *testing.T) {
	r := newRig(t)
	r.prove()
	var mu sync.Mutex
	n := 0
	after := r.Service.After
	r.Service.After = func(w func(context.Context)) bool {
		mu.Lock()
		n++
		full := n > 2
		mu.Unlock()
		return !full && after(w)
	}
	asks := []string{"tenant/year/month/day?start=2026-07-01", "year/month/day/mvpd?start=2026-07-01", "mvpd/year/month/day?start=2026-07-01"}
	for _, a := range asks {
		r.get(a)
	}
	r.clock.add(time.Hour)
	for _, a := range asks {
		if _, source := r.get(a); source != Stale {
			t.Errorf("%s: waited for Adobe, %v", a, source)
		}
	}
}

func TestRowsAreInOrder(t *testing.T) {
	r := newRig(t)
	r.prove()
	for _, ask := range []string{
		"year/duration/occurrences/activity-level/mvpd/tenant/month?start=2026-02-04&end=2026-06-01",
		"tenant/year/month/day/mvpd/hour?start=2026-06-04T05:30&end=2026-06-04T09:00",
		"mvpd/year/month/day?start=2026-04-20T05:30&end=2026-06-04T09:00",
	} {
		a, _, err := r.Get(t.Context(), request(t, ask), Directives{})
		if _, refused := refusal(err); refused {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		r.inOrder(ask, a)
	}
}

func TestAVeryWideWindowIsAskedWhole(t *testing.T) {
	r := newRig(t)
	r.prove()
	if a, _, err := r.Get(t.Context(), request(t, "year/month?start=1900&end=9999"), Directives{}); err != nil || a.Rows == 0 {
		t.Fatal(err)
	}
	if blocks, err := r.Store.Blocks(t.Context(), "/year/month", "b", "c"); err != nil || len(blocks) != 0 {
		t.Errorf("%d blocks, %v", len(blocks), err)
	}
}

func TestWorkAfterTheAnswerMayBeginAtOnce(t *testing.T) {
	r := newRig(t)
	r.nameLimit(300)
	r.Service.After = func(work func(context.Context)) bool {
		work(t.Context())
		return true
	}
	const ask = "tenant/year/month/day/mvpd/platform/application-id?start=2026-05-01&end=2026-06-01"
	for i, incomplete := range []bool{true, false, false} {
		if a, source, err := r.Get(t.Context(), request(t, ask), Directives{}); err != nil || a.Incomplete != incomplete {
			t.Errorf("answer %d: incomplete %v from %v, %v", i, a.Incomplete, source, err)
		}
	}
}
