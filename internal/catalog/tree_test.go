package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func paths(text string) (list [][]string) {
	for p := range strings.FieldsSeq(text) {
		list = append(list, strings.Split(p, "/"))
	}
	return list
}

func known() *Tree {
	var t Tree
	t.Learn(nil, nil, paths("tenant year mvpd"))
	t.Learn([]string{"tenant"}, nil, paths("tenant/year"))
	t.Learn([]string{"tenant", "year"}, nil, paths("tenant/year/month"))
	t.Learn([]string{"tenant", "year", "month"}, []string{"active-users"}, paths("tenant/year tenant/year/month/day tenant/year/month/mvpd"))
	t.Learn([]string{"year", "month", "mvpd"}, nil, nil)
	return &t
}

func TestTreeLearns(t *testing.T) {
	tree := known()
	if tree.Knows([]string{"mvpd"}) || !tree.Knows(nil) || !tree.Knows([]string{"tenant", "year", "month"}) {
		t.Error("what was asked is not what is known")
	}
	tree.Learn([]string{"tenant", "year", "month"}, nil, paths("tenant/year/month/day"))
	for _, r := range tree.Reports() {
		if slices.Equal(r.Path, []string{"tenant", "year", "month"}) && (!slices.Equal(r.LeadsTo, []string{"day"}) || !slices.Equal(r.Metrics, []string{"active-users"})) {
			t.Errorf("%+v", r)
		}
	}
	// It has a bound, whatever Adobe's links say.
	for i := range maxReports + 10 {
		tree.Learn([]string{fmt.Sprint("x", i)}, nil, nil)
	}
	if n := len(tree.Reports()); n != maxReports {
		t.Errorf("%d reports", n)
	}
}

func TestNearest(t *testing.T) {
	tree := known()
	for asked, want := range map[string]string{
		"tenant/year/month/dya": "tenant/year/month/day",
		"tenant/yaer/month":     "tenant/year/month",
		"mvpd/year/month":       "year/month/mvpd",
		"tenant/month/year":     "tenant/year/month",
		"tenant/year/zzzzzz":    "tenant/year tenant/year/month",
		"nothing":               "",
	} {
		var got []string
		for _, p := range tree.Nearest(strings.Split(asked, "/")) {
			got = append(got, strings.Join(p, "/"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", asked, got, want)
		}
	}
	if got := new(Tree).Nearest([]string{"tenant"}); got != nil {
		t.Errorf("%q of a tree that knows nothing", got)
	}
}

// What is learnt of one licence is not told of another, and there is a bound to them.
func TestTreesOfLicences(t *testing.T) {
	var trees Trees
	trees.Of("a").Learn([]string{"tenant"}, nil, nil)
	if len(trees.Of("a").Reports()) != 1 || len(trees.Of("b").Reports()) != 0 || len(trees.Of("").Reports()) != 0 {
		t.Error("they are mixed up")
	}
	for i := range 3 * maxTrees {
		trees.Of(fmt.Sprint(i)).Learn([]string{"tenant"}, nil, nil)
		if n := len(trees.made); n > maxTrees {
			t.Fatalf("%d trees", n)
		}
	}
}
