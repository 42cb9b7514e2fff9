package upstream

import (
	"fmt"
	"testing"
	"time"

	"cmu-gateway/internal/rig"
	"cmu-gateway/pkg/cmu"
)

// answer is what one call named as its limit and got.
type answer struct {
	named, rows int
	self        int // limit in the self link; 0: none
	truncated   bool
}

func (a answer) reply() Reply {
	out := Reply{Rows: a.rows, Truncated: a.truncated}
	if a.self > 0 {
		out.Links.Self = fmt.Sprintf("/cmu/v2/year?limit=%d", a.self)
	}
	return out
}

func TestMetLimit(t *testing.T) {
	for name, c := range map[string]struct {
		seen []int // rows of answers before it
		answer
	}{
		"fewer than named":                 {nil, answer{10_000, 9_999, 0, false}},
		"as many as named":                 {nil, answer{10_000, 10_000, 0, true}},
		"more than named":                  {nil, answer{10, 11, 0, true}},
		"as many as Adobe says":            {nil, answer{10_000, 42, 42, true}},
		"fewer than Adobe says":            {nil, answer{10_000, 42, 43, false}},
		"Adobe says more than was named":   {nil, answer{40, 40, 43, true}},
		"none named, as many as Adobe had": {nil, answer{0, 300, 300, true}},
		"none named, nothing told":         {nil, answer{0, 301, 0, false}},
		"a round number":                   {nil, answer{10_000, 1500, 0, true}},
		"a round number, more was seen":    {[]int{1501}, answer{10_000, 1500, 0, false}},
		"a round number, as many was seen": {[]int{1500}, answer{10_000, 1500, 0, true}},
		"no rows":                          {nil, answer{10_000, 0, 0, false}},
	} {
		l := &limits{own: 10_000, now: (&rig.Clock{}).Now}
		for _, rows := range c.seen {
			l.learn(10_000, Reply{Rows: rows})
		}
		if got := l.met(c.named, c.reply()); got != c.truncated {
			t.Errorf("%s: %v, want %v", name, got, c.truncated)
		}
	}
}

// What one licence is given says nothing of another.
func TestLimitsOfTwoLicences(t *testing.T) {
	l := &limits{own: 10_000, now: (&rig.Clock{}).Now}
	l.of("a")
	l.learn(10_000, Reply{Rows: 2000, Truncated: true})
	l.learn(10_000, Reply{Rows: 1600})
	l.note(limitRefused)
	l.of("a")
	if l.capacity() != 2000 || l.toName() != 0 || l.met(10_000, Reply{Rows: 1500}) {
		t.Errorf("capacity %d, to name %d", l.capacity(), l.toName())
	}
	l.of("b")
	if l.capacity() != 10_000 || l.toName() != 10_000 || !l.met(10_000, Reply{Rows: 1500}) {
		t.Errorf("of another licence: capacity %d, to name %d", l.capacity(), l.toName())
	}
}

func TestCapacityIsLearntAndForgotten(t *testing.T) {
	clock := &rig.Clock{}
	l := &limits{own: 10_000, now: clock.Now}
	for i, c := range []struct {
		answer
		after time.Duration
		want  int
	}{
		{answer{10_000, 4000, 0, false}, 0, 10_000},
		{answer{10_000, 2000, 0, true}, 0, 2000},    // clamped
		{answer{10_000, 1200, 0, false}, 0, 2000},   // which a smaller answer does not change
		{answer{10_000, 2600, 0, false}, 0, 10_000}, // a larger one does
		{answer{10_000, 2000, 0, true}, 0, 2000},
		{answer{10_000, 10, 0, false}, learntFor + time.Second, 10_000},
		{answer{0, 700, 0, true}, 0, 700}, // Adobe's own default
	} {
		clock.Add(c.after)
		l.learn(c.named, c.reply())
		if got := l.capacity(); got != c.want {
			t.Errorf("%d: %d rows, want %d", i, got, c.want)
		}
	}
	l.note(limitRefused)
	if n := l.toName(); n != 0 {
		t.Errorf("a limit that is refused is named: %d", n)
	}
	clock.Add(learntFor + time.Second)
	if n := l.toName(); n != 10_000 || l.heeded() != limitUnknown {
		t.Errorf("the refusal is not forgotten: %d", n)
	}
}

func TestMayRefuseLimit(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{&cmu.Error{Op: "report", Status: 400}, true},
		{&cmu.Error{Op: "report", Status: 404}, false},
		{&cmu.Error{Op: "report", Status: 500}, false},
		{fmt.Errorf("wrapped: %w", &cmu.Error{Op: "report", Status: 400}), true},
	} {
		if got := mayRefuseLimit(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}
