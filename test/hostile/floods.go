package main

import (
	"context"
	"fmt"
	"time"

	"cmu-gateway/internal/sandbox"
)

const narrow = "/cmu/v2/tenant/year/month/day?start=2026-05-01&end=2026-05-08"

// floodTrials have an Adobe whose answer has no end, each in another way. One call is made, little memory is taken, and the caller is
// told.
func floodTrials() (all []trial) {
	for _, shape := range sandbox.Floods() {
		all = append(all, trial{"flood: " + shape, func(ctx context.Context, b *bench) (string, error) {
			return flood(ctx, b, shape)
		}})
	}
	return append(all, trial{"endless error page", endlessError})
}

func flood(ctx context.Context, b *bench, shape string) (string, error) {
	most, settings := int64(1), []string(nil)
	if shape == "no end" {
		most, settings = 2, []string{"CMU_ADOBE_TIMEOUT=4s"} // what is slow may be another time
	}
	if err := b.start(ctx, settings...); err != nil {
		return "", err
	}
	if err := b.faults(sandbox.Fault{On: "report", Kind: "flood", Shape: shape}); err != nil {
		return "", err
	}
	before := b.adobe.Counts().Report
	a, err := b.get(ctx, narrow)
	if err != nil {
		return "", err
	}
	calls := b.adobe.Counts().Report - before
	seen := fmt.Sprintf("%d %s, %d calls of Adobe", a.status, a.code, calls)
	switch {
	case a.status < 500 || a.code == "":
		return seen, fmt.Errorf("the caller is not told")
	case calls > most:
		return seen, fmt.Errorf("asked again")
	case a.took > b.allow(30*time.Second):
		return seen, fmt.Errorf("it took %v", a.took)
	}
	if err := b.faults(); err != nil {
		return seen, err
	}
	if a, err = b.get(ctx, "/cmu/v2/tenant/year/month?start=2026-04&end=2026-05"); err != nil || a.status != 200 {
		return seen, fmt.Errorf("another report afterwards: %d, %w", a.status, err)
	}
	return seen, nil
}

func endlessError(ctx context.Context, b *bench) (string, error) {
	if err := b.start(ctx); err != nil {
		return "", err
	}
	page := make([]byte, 100<<20)
	for i := range page {
		page[i] = 'x'
	}
	if err := b.faults(sandbox.Fault{On: "report", Kind: "status", Status: 404, Body: string(page)}); err != nil {
		return "", err
	}
	a, err := b.get(ctx, narrow)
	if err != nil {
		return "", err
	}
	seen := fmt.Sprintf("%d %s, %d bytes", a.status, a.code, a.size)
	if a.status != 404 || a.size > 4<<10 {
		return seen, fmt.Errorf("want a short 404")
	}
	return seen, nil
}
