package clock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestSleep(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for _, test := range []struct {
		name    string
		ctx     context.Context
		limit   time.Duration // of ctx
		want    time.Duration
		wantErr error
	}{
		{"to its end", t.Context(), time.Hour, time.Minute, nil},
		{"cut short", t.Context(), time.Second, time.Second, context.DeadlineExceeded},
		{"not begun", ended, time.Hour, 0, context.Canceled},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(test.ctx, test.limit)
			defer cancel()
			start := time.Now()
			err := Sleep(ctx, time.Minute)
			if took := time.Since(start); took != test.want || !errors.Is(err, test.wantErr) {
				t.Errorf("%s: %v after %v, want %v after %v", test.name, err, took, test.wantErr, test.want)
			}
		})
	}
}

// A clock that goes on while the machine sleeps is the one of the day: what time.Now has beside it is left out.
func TestWallHasNoMonotonicClock(t *testing.T) {
	if now := Wall(); now != now.Round(0) || time.Since(now).Abs() > time.Hour {
		t.Error(now)
	}
}
