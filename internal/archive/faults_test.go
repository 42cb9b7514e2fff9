package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	testrig "cmu-gateway/internal/rig"

	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/rows"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

// faulty is a Place whose Put fails as told.
type faulty struct {
	Place
	put func(key string) fault
}

type fault uint8

const (
	works fault = iota
	fails
	writtenAndFails // and its writer hears that another was faster: the client tried twice
)

func (f faulty) Put(ctx context.Context, key string, body io.ReadSeeker, version string) error {
	switch f.put(key) {
	case fails:
		return errors.New("the bucket is away")
	case writtenAndFails:
		if err := f.Place.Put(ctx, key, body, version); err != nil {
			return err
		}
		return ErrChanged
	}
	return f.Place.Put(ctx, key, body, version)
}

// A run that the place breaks off goes on where it stopped, wherever that was; and ends with all, as if nothing had been.
func TestCrashes(t *testing.T) {
	for _, kind := range []fault{fails, writtenAndFails} {
		r := newRig(t, newPlaceOf(newBucket(t)), "tenant/year/month")
		inner, puts, next := r.options.Place, 0, 1
		r.options.Place = faulty{inner, func(string) fault {
			if puts++; puts == next {
				puts, next = 0, next+1
				return kind
			}
			return works
		}}
		for runs := 0; ; runs++ {
			result, err := Run(t.Context(), r.options)
			if err == nil && result.Written == 0 && runs > 0 {
				break
			}
			if len(result.Problems) > 0 || runs > 30 || err != nil && !strings.Contains(err.Error(), "the bucket is away") {
				t.Fatalf("%+v, %v", result, err)
			}
			if kind == writtenAndFails && (err != nil || result.Written != 25) {
				t.Fatalf("%+v, %v", result, err)
			}
		}
		if got := r.months(); len(got) != 25 {
			t.Errorf("%v", got)
		}
		for _, name := range []string{athenaFile, duckFile} {
			if text, _ := get(t, inner, r.options.Reports[0].prefix()+name); !strings.Contains(text, "cmu_tenant_year_month") {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}

func newPlaceOf(p Place) func(*testrig.Clock) Place { return func(*testrig.Clock) Place { return p } }

// Two writers at once come to the same archive, each month written once.
func TestTwoWriters(t *testing.T) {
	p := newBucket(t)
	a, b := newRig(t, newPlaceOf(p), daily), newRig(t, newPlaceOf(p), daily)
	results := make(chan Result, 2)
	for _, r := range []*rig{a, b} {
		go func() {
			result, err := Run(t.Context(), r.options)
			if err != nil {
				t.Error(err)
			}
			results <- result
		}()
	}
	one, other := <-results, <-results
	if one.Written+other.Written < 25 || len(one.Problems)+len(other.Problems) > 0 {
		t.Errorf("%+v, %+v", one, other)
	}
	if months := a.months(); len(months) != 25 {
		t.Errorf("%v", months)
	}
	rows, sum := a.asked(daily+"?start=2025-03&end=2025-04", "started-sessions")
	if f := a.read("2025-03"); f.Rows != rows || f.sum("started_sessions") != sum {
		t.Errorf("%d rows, sum %d; want %d, %d", f.Rows, f.sum("started_sessions"), rows, sum)
	}
	if result := a.quiet(); result.Written != 0 {
		t.Errorf("again: %+v", result)
	}
}

// What Adobe restates is written anew within a week and a day, and what it restates later than that is not looked for.
func TestRestated(t *testing.T) {
	r := newRig(t, inFolder(t), daily)
	r.quiet()
	before, old := r.read("2026-06"), r.read("2025-11")
	r.adobe.Behave(func(b *sandbox.Behaviour) {
		b.Restatements = []sandbox.Restatement{{Day: "2026-06-10", Version: 1}, {Day: "2025-11-10", Version: 1}}
	})
	for range 8 {
		r.clock.Add(24 * time.Hour)
		r.quiet()
	}
	after := r.read("2026-06")
	if rows, sum := r.asked(daily+"?start=2026-06&end=2026-07", "started-sessions"); after.sum("started_sessions") != sum || len(after.values) != rows ||
		sum == before.sum("started_sessions") {
		t.Errorf("sum %d, want %d, before %d", after.sum("started_sessions"), sum, before.sum("started_sessions"))
	}
	if now := r.read("2025-11"); !now.Fetched.Equal(old.Fetched) {
		t.Error("a month was written anew that is long settled")
	}
}

// What is worse than what is kept is refused, aloud, and the rest goes on.
func TestRefused(t *testing.T) {
	r := newRig(t, inFolder(t), daily)
	r.quiet()
	kept := r.read("2026-06")
	adobe := r.options.Get
	for name, change := range map[string]func(*reports.Answer){
		"rows are missing": func(a *reports.Answer) { a.Incomplete = true },
		"no rows any more": func(a *reports.Answer) { a.Fragments, a.Rows = nil, 0 },
	} {
		r.clock.Add(9 * 24 * time.Hour)
		r.log.Expect("archive_refused")
		r.options.Get = func(ctx context.Context, q cmu.Request, d reports.Directives) (*reports.Answer, error) {
			a, err := adobe(ctx, q, d)
			if err == nil && q.Start.String() == "2026-06-01" {
				b := *a
				change(&b)
				a = &b
			}
			return a, err
		}
		result := r.run()
		if result.Refused != 1 || len(result.Problems) != 1 || !strings.Contains(result.Problems[0], "2026-06 of tenant_year_month_day_mvpd stays") ||
			!strings.Contains(result.Problems[0], name) || result.Written == 0 {
			t.Errorf("%s: %+v", name, result)
		}
		if now := r.read("2026-06"); now.Digest != kept.Digest {
			t.Errorf("%s: %+v replaced %+v", name, now.Label, kept.Label)
		}
	}
}

// What lies in the place of a month and is no file of the archive is left alone.
func TestForeignFile(t *testing.T) {
	r := newRig(t, inFolder(t), "tenant/year/month")
	r.log.Expect("archive_refused")
	key := "v1/report=tenant_year_month/year=2026/month=3/rows.parquet"
	if err := put(r.options.Place, t, key, "my holiday pictures", ""); err != nil {
		t.Fatal(err)
	}
	if result := r.run(); result.Refused != 1 || result.Written != 24 {
		t.Errorf("%+v", result)
	}
	if text, _ := get(t, r.options.Place, key); text != "my holiday pictures" {
		t.Error("it was overwritten")
	}
}

// A pause at Adobe ends the run: nothing else is asked.
func TestPause(t *testing.T) {
	r := newRig(t, inFolder(t), daily, "tenant/year/month")
	asks := 0
	r.options.Get = func(context.Context, cmu.Request, reports.Directives) (*reports.Answer, error) {
		asks++
		return nil, &upstream.PauseError{RetryAfter: time.Minute, Reason: "Adobe asks to wait"}
	}
	if result := r.run(); asks != 1 || result.Stopped != "Adobe asks to wait" || result.Left != 50 || len(result.Problems) > 0 {
		t.Errorf("%d asks, %+v", asks, result)
	}
}

// A deadline leaves the last seconds, and the next run goes on.
func TestDeadline(t *testing.T) {
	r := newRig(t, inFolder(t), "tenant/year/month")
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	deadline, _ := ctx.Deadline()
	asks, adobe := 0, r.options.Get
	r.options.Get = func(_ context.Context, q cmu.Request, d reports.Directives) (*reports.Answer, error) {
		if asks++; asks == 10 {
			r.options.Now = func() time.Time { return deadline.Add(-leaveTime / 2) }
		}
		return adobe(t.Context(), q, d)
	}
	now := r.clock.Now
	r.options.Now = func() time.Time {
		if asks >= 10 {
			return deadline.Add(-leaveTime / 2)
		}
		return now()
	}
	result, err := Run(ctx, r.options)
	if err != nil || result.Stopped != "the time is over" || result.Written == 0 || result.Left == 0 || result.Written+result.Left+result.Kept != 25 {
		t.Errorf("%+v, %v", result, err)
	}
}

// answer makes an answer of rows as Adobe writes them.
func answer(list ...string) *reports.Answer {
	w := rows.NewWriter()
	for _, row := range list {
		w.Add(cmu.Row(row))
	}
	return &reports.Answer{Fragments: []rows.Fragment{w.Fragment()}, Rows: len(list), Fetched: testrig.Tuesday}
}

// Values that Adobe has not written so far: the file holds them, or there is none.
func TestOddValues(t *testing.T) {
	report, err := ParseReport("tenant/year/month/day?policy&mvpd=x")
	if err != nil {
		t.Fatal(err)
	}
	write := func(list ...string) (file, error) {
		var out bytes.Buffer
		err := WriteReport(&out, report.Request, answer(list...))
		if err != nil {
			return file{}, err
		}
		return readFile(t, &Object{ReaderAt: bytes.NewReader(out.Bytes()), Size: int64(out.Len())}), nil
	}
	const begin = `{"tenant":"ACME","year":"2026","month":"6","day":"30","mvpd":"x"`
	f, err := write(begin+`,"active-users":12,"policy":null,"New-Metric":"7","new.metric":"x","8ball":1.5,"date":"later","users":"3.0"}`,
		begin+`,"active-users":null,"policy":"東京","New-Metric":"-9223372036854775808","new.metric":"1","8ball":2,"late":"9"}`)
	if err != nil {
		t.Fatal(err)
	}
	for column, want := range map[string]string{
		"date": "20634", "year": "2026", "month": "6", "day": "30", "mvpd": "x", "active_users": "12", "new_metric": "7", "new_metric_2": "x", "_8ball": "1.5",
		"date_2": "later", "users": "3",
	} {
		if f.values[0][column] != want {
			t.Errorf("%s is %q, want %q", column, f.values[0][column], want)
		}
	}
	if _, there := f.values[0]["policy"]; there || f.values[1]["policy"] != "東京" || f.values[1]["new_metric"] != "-9223372036854775808" || f.values[1]["late"] != "9" {
		t.Errorf("the second row is %v", f.values[1])
	}
	if at := len(f.names); strings.Join(f.names[at-5:], " ") != "_8ball new_metric date_2 late new_metric_2" {
		t.Errorf("the columns end with %v", f.names[at-5:])
	}
	for bad, why := range map[string]string{
		begin + `,"active-users":"many"}`:                                                "active-users",
		begin + `,"active-users":"1.5"}`:                                                 "active-users",
		begin + `,"active-users":"92233720368547758070"}`:                                "active-users",
		`{"tenant":"A","year":"2026","month":"13","day":"1"}`:                            "month",
		`{"tenant":"A","year":"2026","month":"2","day":"30"}`:                            "day 30",
		`{"tenant":"A","year":"2026","month":"2"}`:                                       "day",
		`{"tenant":"A","year":"` + strings.Repeat("9", 900) + `","month":"2","day":"1"}`: "year",
	} {
		if _, err := write(bad); err == nil || !strings.Contains(err.Error(), why) || len(err.Error()) > 1200 {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Different reports have different keys, and each key leads back to its month.
func TestKeys(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{"tenant/year/month", "tenant/year/month/day", "year/month/tenant", "tenant/year/month?mvpd=a", "tenant/year/month?mvpd=b",
		"tenant/year/month?metrics=a", "tenant/year/month/a/b", "tenant/year/month/a_b", "tenant/year/month/A"} {
		report, err := ParseReport(text)
		if err != nil {
			t.Fatal(err)
		}
		if other, again := seen[strings.ToLower(report.Name)]; again || strings.ContainsAny(report.Name, "/=%?") {
			t.Errorf("%s and %s are both %s", text, other, report.Name)
		}
		seen[strings.ToLower(report.Name)] = text
		month := cmu.CivilDate(2026, 10, 1, 0, 0)
		key := report.key(month)
		if got, ok := report.month(key); !ok || got != month {
			t.Errorf("%s: %v, %v", key, got, ok)
		}
		for _, other := range []string{report.prefix() + athenaFile, key + "x", strings.Replace(key, "month=10", "month=010", 1), strings.Replace(key, "month=10", "month=13", 1)} {
			if got, ok := report.month(other); ok {
				t.Errorf("%s is taken for %v", other, got)
			}
		}
	}
	for _, text := range []string{"tenant/year", "mvpd", "", "tenant/year/month?start=2026", "tenant/year/month?limit=5", "month/year/tenant", "tenant/year/month?start=x"} {
		if r, err := ParseReport(text); err == nil {
			t.Errorf("%s is archived as %s", text, r.Name)
		}
	}
}
