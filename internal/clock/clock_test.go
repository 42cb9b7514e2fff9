package clock

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A time with the monotonic clock in it tells so in its text.
func TestNowIsTheWallClocksAlone(t *testing.T) {
	if before, now := time.Now(), Now(); strings.Contains(now.String(), "m=") || now.Before(before.Round(0)) || now.Sub(before) > time.Minute {
		t.Errorf("%v, before it was %v", now, before)
	}
}

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
