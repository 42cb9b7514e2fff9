package fair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

const maxWaiting = 1000

// crowd is what waits, each as what its caller wants and has had; the name is its place.
func crowd(callers ...[2]int) (all []*waiter) {
	for _, c := range callers {
		w := &waiter{caller: &Caller{Wants: c[0]}, turn: make(chan error, 1)}
		w.caller.had.Store(int64(c[1]))
		all = append(all, w)
	}
	return all
}

func TestWhoseTurnItIs(t *testing.T) {
	for name, c := range map[string]struct {
		waiting   []*waiter
		next, old int // by the fair turns, by those of age
		last      int // to be given up
	}{
		"one":                                   {crowd([2]int{1, 0}), 0, 0, 0},
		"equals: the newest":                    {crowd([2]int{1, 0}, [2]int{1, 0}, [2]int{1, 0}), 2, 0, 2},
		"narrow before wide":                    {crowd([2]int{24, 0}, [2]int{1, 0}, [2]int{24, 0}), 1, 0, 2},
		"first call before the next":            {crowd([2]int{1, 5}, [2]int{1, 0}, [2]int{1, 3}), 1, 0, 0},
		"second of a narrow one, first of wide": {crowd([2]int{24, 0}, [2]int{1, 1}), 1, 0, 0},
		"had much, wants little":                {crowd([2]int{1, 40}, [2]int{24, 0}), 1, 0, 0},
	} {
		if got := [3]int{next(c.waiting, 0), next(c.waiting, 1), last(c.waiting)}; got != [3]int{c.next, c.old, c.last} {
			t.Errorf("%s: %v, want %d %d %d", name, got, c.next, c.old, c.last)
		}
	}
}

// Who is behind has a turn where nobody else waits, and is the first to be given up.
func TestBehind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		waiting := crowd(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [2]int {
			return [2]int{rapid.IntRange(1, 30).Draw(t, "wants"), rapid.IntRange(0, 9).Draw(t, "had")}
		}), 1, 20).Draw(t, "callers")...)
		var people []*waiter
		for _, w := range waiting {
			if rapid.Bool().Draw(t, "behind") {
				w.caller.Behind = func() bool { return true }
			} else {
				people = append(people, w)
			}
		}
		turn := rapid.IntRange(0, 1).Draw(t, "turn")
		has, gone := waiting[next(waiting, turn)], waiting[last(waiting)]
		if len(people) > 0 && has != people[next(people, turn)] {
			t.Error("who is behind changes whose turn it is")
		}
		if len(people) == 0 && has != waiting[0] {
			t.Error("the first of those behind does not come first")
		}
		if len(people) < len(waiting) && !gone.caller.IsBehind() || len(people) == len(waiting) && gone != people[last(people)] {
			t.Error("somebody is given up before who is behind")
		}
	})
}

// TestEveryTurnComes has callers of all kinds come for ever: who waits has its turn after as many turns as twice those before it, and a
// narrow one that is new within two.
func TestEveryTurnComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var waiting []*waiter
		for range rapid.IntRange(0, 300).Draw(t, "before") {
			waiting = append(waiting, crowd([2]int{rapid.IntRange(1, 30).Draw(t, "wants"), rapid.IntRange(0, 9).Draw(t, "made")})...)
		}
		before, turn := len(waiting), rapid.IntRange(0, 1).Draw(t, "turn")
		mine := crowd([2]int{30, 9})[0]
		waiting = append(waiting, mine)
		for n := 0; ; n++ {
			if n > 2*before+2 {
				t.Fatalf("no turn after %d of %d before it", n, before)
			}
			i := next(waiting, turn+n)
			if waiting[i] == mine {
				break
			}
			waiting = append(slices.Delete(waiting, i, i+1), crowd([2]int{1, 0})...)
		}
		fresh := crowd([2]int{1, 0})[0]
		waiting = append(waiting, fresh)
		first, second := next(waiting, turn), next(waiting, turn+1)
		if waiting[first] != fresh && waiting[second] != fresh {
			t.Fatal("a new and narrow one is not among the next two")
		}
	})
}

func TestTooManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(1, maxWaiting)
		if err := q.Enter(t.Context(), new(Caller)); err != nil {
			t.Fatal(err)
		}
		outcomes := make(chan string, 2*maxWaiting)
		enter := func(ctx context.Context, c *Caller, name string) {
			go func() {
				err := q.Enter(ctx, c)
				outcomes <- fmt.Sprint(name, err)
				if err == nil {
					q.Leave()
				}
			}()
			synctest.Wait()
		}
		for range maxWaiting {
			enter(t.Context(), &Caller{Wants: 24}, "wide")
		}
		enter(t.Context(), &Caller{Wants: 24}, "one more ")
		if got := <-outcomes; got != "one more "+ErrOverloaded.Error() {
			t.Errorf("past the bound: %s", got)
		}
		enter(t.Context(), &Caller{Wants: 1}, "narrow ")
		if got := <-outcomes; got != "wide"+ErrOverloaded.Error() {
			t.Errorf("a narrow one past the bound: %s", got)
		}
		gone := make(chan struct{})
		enter(t.Context(), &Caller{Gone: gone}, "gone ")
		<-outcomes // a wide one, for it
		close(gone)
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		enter(short, new(Caller), "late ")
		time.Sleep(2 * time.Second)
		for _, want := range []string{"gone " + ErrGone.Error(), "late " + context.DeadlineExceeded.Error()} {
			if got := <-outcomes; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		waiting := q.Waiting()
		q.Leave() // and so on
		synctest.Wait()
		for range waiting {
			if got := <-outcomes; got != "wide<nil>" && got != "narrow <nil>" {
				t.Errorf("%s", got)
			}
		}
		if q.free != 1 || q.Waiting() != 0 {
			t.Errorf("%d free, %d wait", q.free, q.Waiting())
		}
	})
}

// TestWhoLeavesAsTheTurnComesPassesItOn has callers go at the instant at which they are let in.
func TestWhoLeavesAsTheTurnComesPassesItOn(t *testing.T) {
	for range 200 {
		q := New(1, maxWaiting)
		_ = q.Enter(t.Context(), new(Caller))
		gone, done := make(chan struct{}), make(chan error)
		go func() { done <- q.Enter(t.Context(), &Caller{Gone: gone}) }()
		for q.Waiting() == 0 {
			time.Sleep(time.Microsecond)
		}
		go close(gone)
		q.Leave()
		if err := <-done; err == nil {
			q.Leave()
		} else if !errors.Is(err, ErrGone) {
			t.Fatal(err)
		}
		if q.free != 1 {
			t.Fatal("a turn was lost")
		}
	}
}
