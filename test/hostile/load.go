package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"cmu-gateway/internal/sandbox"
)

// wide is a report of some 68 MB of JSON, one of many.
func wide(i int) string {
	return fmt.Sprintf("/cmu/v2/tenant/year/month/day/hour/mvpd/platform/application-id/application.json?start=2026-04-01&end=2026-05-24&mvpd!=nobody-%d", i)
}

// heavy is a report of some 9 MB of JSON.
const heavy = "/cmu/v2/tenant/year/month/day/hour/mvpd/platform/application-id/application?start=2026-05-01&end=2026-05-08"

func loadTrials() []trial {
	return []trial{
		{"8 wide reports at once", eightWide},
		{"50 readers of 69 MB", manyRead},
		{"200 that do not read", nobodyReads},
		{"HEAD of a wide CSV", heads},
		{"a narrow one beside 200 wide", fairness},
		{"a herd of 500", herd},
		{"2000 idle, 1000 slow headers", idle},
		{"5000 that leave", leaving},
		{"600 that wait for one report", waiting},
		{"reports that fail without end", failing},
	}
}

func eightWide(ctx context.Context, b *bench) (string, error) {
	if err := b.start(ctx, "CMU_ROW_LIMIT=1000000"); err != nil {
		return "", err
	}
	if a, err := b.get(ctx, narrow); err != nil || a.status != 200 {
		return "", fmt.Errorf("%d, %w", a.status, err)
	}
	var all sync.WaitGroup
	var size atomic.Int64
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() {
			a, err := b.get(ctx, wide(i))
			for tries := 0; err == nil && a.status == 503 && tries < 5; tries++ { // a busy machine needs over the two minutes of one fetch
				a, err = b.get(ctx, wide(i))
			}
			if size.Store(a.size); err == nil && a.status != 200 {
				err = fmt.Errorf("status %d: %s", a.status, a.body)
			}
			errs[i] = err
		})
	}
	all.Wait()
	return fmt.Sprintf("%d MB each", size.Load()/1e6), errors.Join(errs...)
}

// manyRead has many callers of one wide report, uncompressed, at once.
func manyRead(ctx context.Context, b *bench) (string, error) {
	if err := b.start(ctx, "CMU_ROW_LIMIT=1000000"); err != nil {
		return "", err
	}
	first, err := b.get(ctx, wide(0))
	if err != nil || first.status != 200 {
		return "", fmt.Errorf("%d %s, %w", first.status, first.body, err)
	}
	var all sync.WaitGroup
	errs := make([]error, 50)
	for i := range errs {
		all.Go(func() {
			if a, err := b.get(ctx, wide(0)); err != nil || a.status != 200 || a.size != first.size {
				errs[i] = fmt.Errorf("status %d, %d bytes, want %d: %w", a.status, a.size, first.size, err)
			}
		})
	}
	all.Wait()
	return fmt.Sprintf("%d MB each, all alike", first.size/1e6), errors.Join(errs...)
}

// nobodyReads has callers that ask and never read, in each way in which a body is made.
func nobodyReads(ctx context.Context, b *bench) (string, error) {
	b.bound = 400 << 20
	if err := b.start(ctx); err != nil {
		return "", err
	}
	if a, err := b.get(ctx, heavy); err != nil || a.status != 200 {
		return "", fmt.Errorf("%d, %w", a.status, err)
	}
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	ways := []string{"text/csv", "text/csv\r\nAccept-Encoding: gzip", "application/json", "application/xml", "application/xml\r\nAccept-Encoding: gzip", "application/x-ndjson"}
	for i := range 200 {
		c, err := b.connect(ctx, fmt.Sprintf("GET %s&metrics=active-users HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n\r\n", heavy, ways[i%len(ways)]))
		if err != nil {
			return "", err
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(4 << 10)
		}
		open = append(open, c)
	}
	if err := wait(ctx, 15*time.Second); err != nil {
		return "", err
	}
	a, err := b.get(ctx, narrow)
	if err != nil || a.status != 200 || a.took > b.allow(2*time.Second) {
		return "", fmt.Errorf("another caller: %d after %v, %w", a.status, a.took, err)
	}
	return fmt.Sprintf("another caller waits %v", a.took.Round(time.Millisecond)), nil
}

// heads asks for the headers of a wide CSV.
func heads(ctx context.Context, b *bench) (string, error) {
	if err := b.start(ctx); err != nil {
		return "", err
	}
	csv := heavy + "&format=csv"
	if a, err := b.get(ctx, heavy); err != nil || a.status != 200 {
		return "", fmt.Errorf("%d, %w", a.status, err)
	}
	before := b.busy()
	const n = 200
	for range n {
		if a, err := b.ask(ctx, http.MethodHead, csv); err != nil || a.status != 200 {
			return "", fmt.Errorf("%d, %w", a.status, err)
		}
	}
	each := (b.busy() - before) / n
	if each > 10*time.Millisecond {
		return "", fmt.Errorf("%v of CPU each", each)
	}
	return fmt.Sprintf("%v of CPU each", each), nil
}

// fairness asks for a narrow report while many wide ones are fetched. The time that such a one takes alone, on this machine as it is, is
// what Adobe's latency comes to here.
func fairness(ctx context.Context, b *bench) (string, error) {
	const latency = 500 * time.Millisecond
	b.bound = 512 << 20
	if err := b.start(ctx); err != nil {
		return "", err
	}
	if err := b.proven(ctx); err != nil {
		return "", err
	}
	if err := b.adobe.Change(func(a *sandbox.Behaviour) { a.LatencyMS = latency.Milliseconds() }); err != nil {
		return "", err
	}
	alone, err := b.newNarrow(ctx, 0, 3)
	if err != nil {
		return "", err
	}
	leaving, leave := context.WithCancel(ctx)
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() { _, _ = b.get(leaving, wide(i)) })
	}
	defer all.Wait()
	defer leave()
	if err := wait(ctx, 3*time.Second); err != nil {
		return "", err
	}
	beside, err := b.newNarrow(ctx, 3, 12)
	if err != nil {
		return "", err
	}
	seen := fmt.Sprintf("median %v, at most %v; alone %v", middle(beside), slices.Max(beside).Round(time.Millisecond), middle(alone))
	switch {
	case middle(beside) > time.Duration(3*min(b.slow, mostSlow)*float64(middle(alone))): // by itself the machine is not slow
		return seen, errors.New("over 3 latencies")
	case slices.Max(beside) > b.allow(6*middle(alone)):
		return seen, errors.New("one of them over 6 latencies")
	}
	return seen, nil
}

// newNarrow asks for narrow reports that are not known, one after the other, and returns how long each took.
func (b *bench) newNarrow(ctx context.Context, from, to int) (took []time.Duration, err error) {
	for i := from; i < to; i++ {
		soon, cancel := context.WithTimeout(ctx, 20*time.Second)
		a, err := b.get(soon, fmt.Sprintf("/cmu/v2/tenant/year/month/day/mvpd?start=2026-0%d-01&end=2026-0%d-02&mvpd!=x%d", i%5+1, i%5+1, i))
		cancel()
		if err != nil || a.status != 200 {
			return nil, fmt.Errorf("%d %s after %v, %w", a.status, a.body, a.took, err)
		}
		took = append(took, a.took)
	}
	return took, nil
}

func middle(took []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(took))[len(took)/2].Round(time.Millisecond)
}

func herd(ctx context.Context, b *bench) (string, error) {
	if err := b.start(ctx); err != nil {
		return "", err
	}
	if err := b.proven(ctx); err != nil {
		return "", err
	}
	if err := b.adobe.Change(func(a *sandbox.Behaviour) { a.LatencyMS = 300 }); err != nil {
		return "", err
	}
	before := b.adobe.Counts().Report
	var all sync.WaitGroup
	var wrong atomic.Int64
	for range 500 {
		all.Go(func() {
			if a, err := b.get(ctx, narrow+"&mvpd!=nobody"); err != nil || a.status != 200 {
				wrong.Add(1)
			}
		})
	}
	all.Wait()
	calls := b.adobe.Counts().Report - before
	seen := fmt.Sprintf("%d calls, %d of 500 failed", calls, wrong.Load())
	if wrong.Load() > 0 || calls != 1 {
		return seen, errors.New("want one call and 500 answers")
	}
	return seen, nil
}

func idle(ctx context.Context, b *bench) (string, error) {
	if err := b.start(ctx); err != nil {
		return "", err
	}
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for i := range 3000 {
		text := ""
		if i < 1000 {
			text = "GET / HTTP/1.1\r\nHost: loc"
		}
		c, err := b.connect(ctx, text)
		if err != nil {
			return "", err
		}
		open = append(open, c)
	}
	a, err := b.get(ctx, narrow)
	if err != nil || a.status != 200 || a.took > b.allow(2*time.Second) {
		return "", fmt.Errorf("another caller: %d after %v, %w", a.status, a.took, err)
	}
	return fmt.Sprintf("another caller waits %v", a.took.Round(time.Millisecond)), nil
}

// leaving has callers that go away in mid-answer.
func leaving(ctx context.Context, b *bench) (string, error) {
	if err := b.start(ctx); err != nil {
		return "", err
	}
	if a, err := b.get(ctx, heavy); err != nil || a.status != 200 {
		return "", fmt.Errorf("%d, %w", a.status, err)
	}
	before := b.files()
	work := make(chan int)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range work {
				c, err := b.connect(ctx, "GET "+heavy+" HTTP/1.1\r\nHost: localhost\r\nAccept: text/csv\r\n\r\n")
				if err != nil {
					continue
				}
				_ = c.SetReadDeadline(time.Now().Add(time.Second))
				_, _ = c.Read(make([]byte, 100)) // the answer has begun
				c.Close()
			}
		})
	}
	for i := range 5000 {
		work <- i
	}
	close(work)
	all.Wait()
	a, err := b.get(ctx, narrow)
	if err != nil || a.status != 200 || a.took > b.allow(2*time.Second) {
		return "", fmt.Errorf("another caller: %d after %v, %w", a.status, a.took, err)
	}
	left := b.files() - before
	for range 100 { // it sees only in writing that they have gone
		if left = b.files() - before; left <= 5 {
			break
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return "", err
		}
	}
	seen := fmt.Sprintf("another caller waits %v; %d connections are left", a.took.Round(time.Millisecond), max(left, 0))
	if left > 5 { // such as those to Adobe
		return seen, errors.New("connections leak")
	}
	return seen, nil
}

// waiting has more callers of one report than may be answered at once, which Adobe takes its time for. What is kept is answered beside them.
func waiting(ctx context.Context, b *bench) (string, error) {
	if err := b.start(ctx); err != nil {
		return "", err
	}
	if err := b.proven(ctx); err != nil {
		return "", err
	}
	if err := b.faults(sandbox.Fault{On: "report", Kind: "hang"}); err != nil {
		return "", err
	}
	gone, leave := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer leave()
	for range 600 {
		all.Go(func() { _, _ = b.get(gone, narrow+"&mvpd!=nobody") })
	}
	if err := wait(ctx, 2*time.Second); err != nil {
		return "", err
	}
	var longest time.Duration
	for _, path := range []string{narrow, "/status", "/", narrow + "&format=csv"} {
		a, err := b.get(ctx, path)
		if err != nil || a.status != 200 || a.took > b.allow(2*time.Second) {
			return "", fmt.Errorf("%s: %d after %v, %w", path, a.status, a.took, err)
		}
		longest = max(longest, a.took)
	}
	return fmt.Sprintf("/status and a report that is kept after %v at most", longest.Round(time.Millisecond)), nil
}

// failing has callers who ask without end for reports that Adobe fails for, always new ones. New reports of another caller are answered.
func failing(ctx context.Context, b *bench) (string, error) {
	if err := b.start(ctx); err != nil {
		return "", err
	}
	if err := b.proven(ctx); err != nil {
		return "", err
	}
	if err := b.faults(sandbox.Fault{On: "report", Kind: "status", Status: 500, Of: "bad"}); err != nil {
		return "", err
	}
	gone, leave := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer leave()
	for i := range 3 {
		all.Go(func() {
			for n := 0; gone.Err() == nil; n++ {
				_, _ = b.get(gone, fmt.Sprintf("%s&mvpd!=bad-%d-%d", narrow, i, n))
			}
		})
	}
	if err := wait(ctx, 2*time.Second); err != nil {
		return "", err
	}
	took, err := b.newNarrow(ctx, 0, 40)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("all of 40 new reports are answered, median %v", middle(took)), nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
