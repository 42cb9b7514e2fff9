package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// askAdobe repeats a call to Adobe until end at the latest, which also ends the context that call gets.
func (k *Keeper) askAdobe(ctx context.Context, end time.Time, r retry, call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, end.Sub(k.now()))
	defer cancel()
	return k.repeatUntil(ctx, end, r, func() error { return call(ctx) })
}

// retryAdobe repeats calls to Adobe whose failure may pass, at the pace that Adobe asks for.
func retryAdobe(n int, err error) (time.Duration, bool) {
	var e *cmu.Error
	switch {
	case errors.As(err, new(*store.HeldError)) || errors.Is(err, context.Canceled):
		return 0, false
	case errors.Is(err, cmu.ErrNotAnswer): // who answers in Adobe's place goes on doing so
		return backOff(n), n < 2
	case !errors.As(err, &e):
		return backOff(n), true
	case errors.Is(err, cmu.ErrThrottled):
		return max(e.RetryAfter, backOff(n)), true
	case e.Status >= http.StatusInternalServerError || e.Status == http.StatusRequestTimeout:
		return backOff(n), true
	}
	return 0, false
}

// checkAddress adds the address that was asked, and the settings that choose it, to an error that a wrong address may explain.
func (k *Keeper) checkAddress(err error) error {
	var e *cmu.Error
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &e) && (e.Code != "" || e.Status >= http.StatusInternalServerError || errors.Is(err, cmu.ErrThrottled)):
		return err
	}
	if errors.Is(err, cmu.ErrNotAnswer) {
		err = fmt.Errorf("%w; perhaps it is the login page of a network, or a proxy's", err)
	}
	return fmt.Errorf("%w; %s was asked: check CMU_AUTH_URL and CMU_ENVIRONMENT", err, k.o.Client.AuthURL)
}
