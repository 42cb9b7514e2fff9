package reports

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cmu-gateway/internal/fair"
	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/rows"
	"cmu-gateway/pkg/cmu"
)

// errNoProof is returned when the reports asked showed nothing either way.
var errNoProof = errors.New("no report has a settled day with rows from its first to its last hour")

// check asks for a settled day at hour grain, alone and inside a wider window.
func (s *licence) check(ctx context.Context, like cmu.Request) (Verdict, error) {
	last := cmu.Day.Floor(s.policy.Civil(s.now()).Add(-72 * time.Hour))
	for _, path := range proofPaths(like.Path) {
		for _, day := range []cmu.Civil{last, cmu.Day.Step(last, -7)} {
			narrow, err := s.hours(ctx, path, plan.Span{From: day, To: cmu.Day.Step(day, 1)})
			if _, refused := refusal(err); refused || errors.Is(err, errNoProof) {
				break
			}
			if err != nil {
				return Verdict{}, err
			}
			wide, err := s.hours(ctx, path, plan.Span{From: cmu.Day.Step(day, -1), To: cmu.Day.Step(day, 3)})
			if errors.Is(err, errNoProof) {
				break
			}
			if err != nil {
				return Verdict{}, err
			}
			if v, ok := judgeDay(day, narrow, wide); ok {
				v.At = s.now()
				v.Evidence = fmt.Sprintf("/%s on %s: %s", strings.Join(path, "/"), day, v.Evidence)
				return v, nil
			}
		}
	}
	return Verdict{}, errNoProof
}

// proofPaths returns paths at hour grain to try, the likest first: not every licence has every one.
func proofPaths(like []string) [][]string {
	var paths [][]string
	for _, before := range [][]string{like[:max(0, slices.Index(like, "year"))], {}, {"tenant"}} {
		path := slices.Concat(before, []string{"year", "month", "day", "hour"})
		if !slices.ContainsFunc(paths, func(p []string) bool { return slices.Equal(p, path) }) {
			paths = append(paths, path)
		}
	}
	return paths
}

// hourRow is one row of a check: which hour it claims to be of, and its fields in an order that does not depend on Adobe's.
type hourRow struct {
	hour   cmu.Civil
	bad    error // the hour is no hour of the calendar
	fields string
}

func (s *licence) hours(ctx context.Context, path []string, w plan.Span) ([]hourRow, error) {
	r := cmu.Request{Path: path, Start: cmu.BoundAt(w.From), End: cmu.BoundAt(w.To)}
	o := rows.NewOrder(r, cmu.Hour, cmu.Day)
	var list []hourRow
	var k rows.Key
	out, err := s.adobe.Report(ctx, new(fair.Caller), s.name, r, func(row cmu.Row) error {
		bad := o.Read(row, &k)
		var fields []string
		row.Each(func(name, value []byte) bool {
			fields = append(fields, fmt.Sprintf("%q:%q", name, value))
			return true
		})
		slices.Sort(fields)
		list = append(list, hourRow{k.Period, bad, strings.Join(fields, ",")})
		return nil
	})
	if err == nil && out.Truncated {
		err = fmt.Errorf("%w: the answer is truncated", errNoProof)
	}
	return list, err
}

// judgeDay compares the rows of a day asked alone with those of a window around it. It is not ok when they show nothing.
func judgeDay(day cmu.Civil, narrow, wide []hourRow) (v Verdict, ok bool) {
	refuted := func(format string, args ...any) (Verdict, bool) {
		return Verdict{Evidence: fmt.Sprintf(format, args...)}, true
	}
	asked := plan.Span{From: day, To: cmu.Day.Step(day, 1)}
	count := map[string]int{}
	first, last, next := false, false, false
	for _, r := range narrow {
		if r.bad != nil {
			return refuted("%v", r.bad)
		}
		if !asked.Holds(r.hour) && r.hour != asked.To {
			return refuted("asked for the day alone, a row is of %s", r.hour)
		}
		first = first || r.hour == asked.From
		last = last || r.hour == cmu.Hour.Step(asked.To, -1)
		next = next || r.hour == asked.To
		count[r.fields]++
	}
	inside, after := 0, false
	for _, r := range wide {
		if r.bad != nil {
			return refuted("%v", r.bad)
		}
		if asked.Holds(r.hour) || next && r.hour == asked.To {
			if count[r.fields]--; count[r.fields] < 0 {
				return refuted("a row of %s depends on the window around it", r.hour)
			}
			inside++
		}
		after = after || r.hour == asked.To
	}
	if inside != len(narrow) {
		return refuted("asked for the day alone there are %d rows, inside a wider window %d", len(narrow), inside)
	}
	if !first || !last || !after {
		return Verdict{}, false
	}
	v = Verdict{Proven: true, Inclusive: next, Evidence: fmt.Sprintf("%d rows, the same alone and in a wider window", len(narrow))}
	return v, true
}
