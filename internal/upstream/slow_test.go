package upstream

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/fair"
	"cmu-gateway/pkg/cmu"
)

func TestWhatBecomesOfACallThatIsSlow(t *testing.T) {
	for name, c := range map[string]struct {
		taken, usual    time.Duration
		waiting, beside int
		want            fate
	}{
		"nobody waits":                       {time.Minute, time.Millisecond, 0, 0, keepsTurn},
		"not slow yet":                       {slowTime - 1, time.Millisecond, 9, 0, keepsTurn},
		"others wait":                        {slowTime, time.Millisecond, 1, 3, givesTurn},
		"others wait, all calls are slow":    {slowTime, time.Minute, 1, 0, givesTurn},
		"as many are beside them":            {slowTime, time.Second, 1, 4, ends},
		"as many, but it is not much slower": {slowTime, 2 * time.Second, 1, 4, keepsTurn},
		"as many, and nothing is usual":      {time.Minute, 0, 1, 4, keepsTurn},
	} {
		if got := fateOf(c.taken, c.usual, c.waiting, c.beside, 4); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// hanging is an Adobe that takes a time for reports of channel "hang", and none for others.
type hanging time.Duration

func (h hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.RawQuery, "hang") {
		select {
		case <-time.After(time.Duration(h)):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(`{"report":[{"year":"2026"}]}`))}, nil
}

// Reports for which Adobe takes long keep others waiting for some seconds, however many they are, and their calls come to an end.
func TestReportsThatHangKeepNobodyWaitingForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &cmu.Client{ReportsURL: "https://adobe.example/cmu/v2", Transport: hanging(40 * time.Second), Timeout: time.Minute}
		token := func(context.Context) (Token, error) { return Token{Value: "token"}, nil }
		a := New(Options{Client: client, Token: token, Refused: func(ctx context.Context, _ cmu.Secret) (Token, error) { return token(ctx) },
			RowLimit: 10_000, Parallel: 4, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		report := func(channel string) error {
			_, err := a.Report(t.Context(), &fair.Caller{Wants: 1}, "", cmu.Request{Path: []string{"year"}, Filters: []cmu.Filter{{Dimension: "channel", Operator: cmu.Equal, Value: channel}}}, ignore)
			return err
		}
		if err := report("well"); err != nil {
			t.Fatal(err)
		}
		outcomes := make(chan error, 24)
		for range cap(outcomes) {
			go func() { outcomes <- report("hang") }()
			synctest.Wait()
		}
		for range 20 {
			time.Sleep(time.Second)
			began := time.Now()
			if err := report("well"); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > slowTime+slowEvery {
				t.Fatalf("a report waits %v behind those that hang", took)
			}
		}
		slow := 0
		for range cap(outcomes) {
			if err := <-outcomes; errors.Is(err, ErrSlow) && errors.Is(err, ErrTimeout) && !Ended(err) {
				slow++
			} else if err != nil {
				t.Error(err)
			}
		}
		if slow == 0 || slow == cap(outcomes) {
			t.Errorf("%d of %d are given up", slow, cap(outcomes))
		}
		if a.slow.beside != 0 || a.queue.Waiting() != 0 {
			t.Errorf("%d go on, %d wait", a.slow.beside, a.queue.Waiting())
		}
		for range 4 { // all turns are there
			if err := a.queue.Enter(t.Context(), new(fair.Caller)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A call that waits for who takes its rows is not slow.
func TestWhoIsBusyWithARowIsNotSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &cmu.Client{ReportsURL: "https://adobe.example/cmu/v2", Transport: hanging(0), Timeout: time.Hour}
		token := func(context.Context) (Token, error) { return Token{Value: "token"}, nil }
		a := New(Options{Client: client, Token: token, Refused: func(ctx context.Context, _ cmu.Secret) (Token, error) { return token(ctx) },
			RowLimit: 10_000, Parallel: 1, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		a.slow.note(time.Millisecond)
		busy := func(cmu.Row) error { time.Sleep(30 * time.Second); return nil }
		outcomes := make(chan error, 4)
		for range cap(outcomes) {
			go func() {
				_, err := a.Report(t.Context(), new(fair.Caller), "", cmu.Request{Path: []string{"year"}}, busy)
				outcomes <- err
			}()
		}
		for range cap(outcomes) {
			if err := <-outcomes; err != nil {
				t.Error(err)
			}
		}
	})
}
