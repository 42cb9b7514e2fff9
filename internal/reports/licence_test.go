package reports

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

// twoLicences is a rig whose tokens are of ACME until use says otherwise.
func twoLicences(t *testing.T) (r *rig, use func(tenant string)) {
	r = newRig(t)
	tokens := map[string]cmu.Secret{"ACME": r.adobe.Token.Value, "GLOBEX": r.adobe.TokenOf("GLOBEX").Value}
	use = func(tenant string) {
		r.current.Store(&upstream.Token{Value: tokens[tenant], Licence: tenant})
		r.adobe.Token.Value = tokens[tenant] // who asks Adobe directly is of the same licence
	}
	use("ACME")
	return r, use
}

// rowsOf checks whose rows an answer has.
func (r *rig) rowsOf(tenant, ask string) (tag string, source Source) {
	r.t.Helper()
	a, source, err := r.Get(r.t.Context(), request(r.t, ask), Directives{})
	if err != nil {
		r.t.Fatal(err)
	}
	if got, want := rowsOf(r.t, a), r.direct(ask); !sameRows(got, want) || !strings.Contains(got[0], " tenant="+tenant+" ") {
		r.t.Fatalf("%s gets %d rows like %s, Adobe has %d like %s", tenant, len(got), got[0], len(want), want[0])
	}
	return a.Tag, source
}

// What belongs to a licence is kept under it: in memory, in the store, and what is known of the calendar. Switching back finds it.
func TestTwoLicencesByTurns(t *testing.T) {
	for name, again := range map[string]func(*rig){"in memory": func(*rig) {}, "another process": func(r *rig) { r.restart() }} {
		t.Run(name, func(t *testing.T) {
			r, use := twoLicences(t)
			r.byTurns(use, again)
		})
	}
}

// byTurns asks for two licences by turns, before which again is called.
func (r *rig) byTurns(use func(tenant string), again func(*rig)) {
	t := r.t
	tags := map[string]bool{}
	for _, tenant := range []string{"ACME", "GLOBEX"} {
		again(r)
		use(tenant)
		before := r.calls()
		tag, source := r.rowsOf(tenant, daily)
		if tags[tag] = true; source != FromAdobe || r.calls() != before+2 { // the test's own beside
			t.Errorf("%s, new: from %v, %d calls", tenant, source, r.calls()-before-1)
		}
		if r.after(); !r.book().verdict().Proven {
			t.Errorf("%s: the calendar is not proven", tenant)
		}
	}
	if len(tags) != 2 {
		t.Error("one tag for the reports of two licences")
	}
	for _, tenant := range []string{"ACME", "GLOBEX", "ACME", "GLOBEX"} {
		again(r)
		use(tenant)
		before := r.calls()
		if _, source := r.rowsOf(tenant, daily); source == FromAdobe || r.calls() != before+1 {
			t.Errorf("%s, again: from %v, %d calls", tenant, source, r.calls()-before-1)
		}
		if r.after(); !r.book().verdict().Proven {
			t.Errorf("%s, again: the calendar is not proven", tenant)
		}
	}
	// A part of what is known is known, too, and of the right licence.
	r.rowsOf("GLOBEX", "tenant/year/month/day?start=2026-05-15&end=2026-06-10")
}

// An equal report of two licences has two tags, also where no row differs.
func TestTagsOfTwoLicences(t *testing.T) {
	r, use := twoLicences(t)
	const none = "tenant/year/month/day?start=2026-05-10&end=2026-06-01&tenant=NOBODY"
	tags := map[string]bool{}
	for _, tenant := range []string{"ACME", "GLOBEX"} {
		use(tenant)
		a, _, err := r.Get(t.Context(), request(t, none), Directives{})
		if err != nil || a.Rows != 0 {
			t.Fatal(a, err)
		}
		tags[a.Tag] = true
	}
	if len(tags) != 2 {
		t.Error("one tag for two licences")
	}
}

// A fetch of several calls during which another licence comes into use yields rows of neither under the other's name: what came before is
// the old licence's, and the caller gets the new one's.
func TestLicenceChangesDuringAFetch(t *testing.T) {
	r, use := twoLicences(t)
	r.prove()
	r.behave(func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = 500, "clamp" })
	const wide = "tenant/year/month/day/mvpd?start=2026-01-01&end=2026-07-01"
	var left atomic.Int32
	left.Store(3)
	carry := r.carry
	r.carry = carrier(func(q *http.Request) (*http.Response, error) {
		resp, err := carry.RoundTrip(q)
		if left.Add(-1) == 0 {
			use("GLOBEX")
		}
		return resp, err
	})
	check := func(tenant string) {
		t.Helper()
		use(tenant)
		a, _, err := r.Get(t.Context(), request(t, wide), Directives{})
		if err != nil {
			t.Fatal(err)
		}
		got := rowsOf(t, a)
		want, err := r.whole(wide)
		if err != nil || !sameRows(got, want) {
			t.Errorf("%s: %d rows, Adobe has %d, %v%s", tenant, len(got), len(want), err, firstDifference(got, want))
		}
		for _, row := range got {
			if !strings.Contains(row, " tenant="+tenant+" ") {
				t.Fatalf("%s gets %s", tenant, row)
			}
		}
	}
	a, source, err := r.Get(t.Context(), request(t, wide), Directives{})
	if err != nil || source != FromAdobe || r.tenant() != "GLOBEX" {
		t.Fatal(source, err, r.tenant())
	}
	for _, row := range rowsOf(t, a) {
		if !strings.Contains(row, " tenant=GLOBEX ") {
			t.Fatalf("the caller gets %s", row)
		}
	}
	r.carry = carry
	for range 2 {
		r.restart()
		check("ACME")
		check("GLOBEX")
	}
}

// A token that turns out to be another licence's leads to that one's rows; where it is another's each time, the caller is told to come again.
func TestTokenOfAnotherLicence(t *testing.T) {
	r, use := twoLicences(t)
	known := "ACME"
	r.restart(func(o *Options) {
		token := o.Token
		o.Token = func(ctx context.Context) (upstream.Token, error) {
			got, err := token(ctx)
			known = got.Licence // from then on
			return got, err
		}
		o.Licence = func(context.Context) (string, bool) { return known, known != "" }
	})
	use("GLOBEX")
	before := r.calls()
	if _, source := r.rowsOf("GLOBEX", daily); source != FromAdobe || r.calls() != before+2 {
		t.Errorf("from %v, %d calls", source, r.calls()-before-1)
	}
	known = "" // nothing tells but the token
	r.rowsOf("GLOBEX", daily)
	r.restart(func(o *Options) { o.Licence = func(context.Context) (string, bool) { return "ACME", true } })
	before = r.calls()
	_, _, err := r.Get(t.Context(), request(t, "tenant/year?start=2025"), Directives{})
	var later *UnavailableError
	if !errors.As(err, &later) || later.RetryAfter <= 0 || r.calls() != before {
		t.Errorf("%v, %d calls", err, r.calls()-before)
	}
}

// While nothing tells the licence and there is no token, nobody gets rows of whoever they may be.
func TestNoLicenceNoRows(t *testing.T) {
	r, _ := twoLicences(t)
	r.get(daily)
	r.restart(func(o *Options) {
		o.Licence = func(context.Context) (string, bool) { return "", false }
		o.Token = func(context.Context) (upstream.Token, error) {
			return upstream.Token{}, &upstream.PauseError{RetryAfter: 7 * time.Second, Reason: "there is no access"}
		}
	})
	_, _, err := r.Get(t.Context(), request(t, daily), Directives{})
	var later *UnavailableError
	if !errors.As(err, &later) || later.RetryAfter != 7*time.Second {
		t.Error(err)
	}
	if s, err := r.Status(t.Context()); err != nil || s.Calendar.Proven {
		t.Errorf("%+v, %v", s, err)
	}
}

// Another Adobe's rows are others, too, under the same licence and in the same table.
func TestTwoAdobes(t *testing.T) {
	r, _ := twoLicences(t)
	r.get(daily)
	r.restart(func(o *Options) { o.Adobe = "staging" })
	if _, source := r.rowsOf("ACME", daily); source != FromAdobe {
		t.Errorf("from %v", source)
	}
	r.restart()
	if _, source := r.rowsOf("ACME", daily); source != FromStore {
		t.Errorf("from %v", source)
	}
}

// A verdict that is withdrawn takes the blocks of its licence along, and no other's. A purge is of all, those included that a release
// left which knew no licences.
func TestForgettingOfTwoLicences(t *testing.T) {
	r, use := twoLicences(t)
	reports := func() (n map[string]int) {
		n = map[string]int{}
		if _, err := r.store.Purge(t.Context(), func(r store.Report) bool { n[string(r)]++; return false }, nil); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, tenant := range []string{"ACME", "GLOBEX"} {
		use(tenant)
		r.get(daily)
		r.after()
	}
	old := store.Report(request(t, daily).Report())
	if err := r.store.Put(t.Context(), old, store.Block{Name: "2026-05", Data: []byte("x"), Fetched: r.clock.Now()}); err != nil {
		t.Fatal(err)
	}
	if n := reports(); len(n) != 3 {
		t.Fatal(n)
	}
	r.log.Expect("calendar contradicted")
	r.under("GLOBEX").contradictedBy(t.Context(), &outsideError{report: "r", evidence: "seen"})
	if n := reports(); len(n) != 2 || n[string(scoped(string(old), r.under("ACME").scope))] == 0 {
		t.Errorf("left are %v", n)
	}
	if !r.under("ACME").notebook.verdict().Proven || r.under("GLOBEX").notebook.verdict().Proven {
		t.Error("the verdict of one licence is the other's")
	}
	if _, err := r.Purge(t.Context(), request(t, "tenant/year/month/day"), false); err != nil {
		t.Fatal(err)
	}
	if n := reports(); len(n) != 0 {
		t.Errorf("left are %v", n)
	}
}

// What two licences ask at once are two fetches: none waits for the other, nor gets its rows.
func TestTwoLicencesAtOnce(t *testing.T) {
	r := newRig(t)
	var leases []string
	for _, name := range []string{"ACME", "GLOBEX"} {
		for _, p := range newQuery(r.under(name).scope, request(t, daily), nature{}, policy, noon).pieces(true, false, nil) {
			leases = append(leases, p.lease)
		}
	}
	slices.Sort(leases)
	if n := len(leases); n < 2 || len(slices.Compact(leases)) != n {
		t.Errorf("leases %q", leases)
	}
}

// Licences past counting are forgotten, in memory alone.
func TestManyLicences(t *testing.T) {
	r, use := twoLicences(t)
	r.get(daily)
	for i := range 3 * maxLicences {
		r.under(strings.Repeat("x", i+1))
		if n := len(r.licences.all()); n > maxLicences {
			t.Fatalf("%d licences are held", n)
		}
	}
	use("ACME")
	if _, source := r.get(daily); source != FromStore {
		t.Errorf("from %v", source)
	}
}
