//go:build stack

package reports

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"os"
	"sync"
	"testing"

	"cmu-gateway/internal/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// unitCounter asks the table for the units of each call, and adds them up.
type unitCounter struct {
	aws.HTTPClient
	mu           sync.Mutex
	reads, write float64
}

func (c *unitCounter) Do(r *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	text = append([]byte(`{"ReturnConsumedCapacity":"TOTAL",`), bytes.TrimPrefix(text, []byte("{"))...)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	res, err := c.HTTPClient.Do(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	res.Body = io.NopCloser(bytes.NewReader(body))
	var told struct {
		ConsumedCapacity json.RawMessage
	}
	type capacity struct{ CapacityUnits float64 }
	var all []capacity
	var one capacity
	if json.Unmarshal(body, &told) == nil && json.Unmarshal(told.ConsumedCapacity, &all) != nil {
		_ = json.Unmarshal(told.ConsumedCapacity, &one)
		all = append(all, one)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range all {
		if bytes.Contains(text, []byte(`"ConsistentRead":`)) {
			u.CapacityUnits = max(u.CapacityUnits, 0.5) // DynamoDB Local gives empty answers for nothing, AWS does not
			if bytes.Contains(text, []byte(`"ConsistentRead":true`)) {
				u.CapacityUnits = max(u.CapacityUnits, 1)
			}
		}
		if r.Header.Get("X-Amz-Target") == "DynamoDB_20120810.Query" {
			c.reads += u.CapacityUnits
		} else {
			c.write += u.CapacityUnits
		}
	}
	return res, err
}

// What docs/cost.md reckons with is what the table says.
func TestUnits(t *testing.T) {
	r := newRig(t)
	client, _ := tableClient(t)
	counter := &unitCounter{HTTPClient: tableConfig(os.Getenv("CMU_TEST_DYNAMODB")).HTTPClient}
	cfg := tableConfig(os.Getenv("CMU_TEST_DYNAMODB"))
	cfg.HTTPClient = counter
	r.store = store.NewDynamoDB(dynamodb.NewFromConfig(cfg), newTable(t, client), r.clock.Now, r.log.Logger)
	r.restart()
	r.prove()
	got := map[string]float64{}
	count := func(name string, do func()) {
		counter.mu.Lock()
		counter.reads, counter.write = 0, 0
		counter.mu.Unlock()
		do()
		r.after()
		counter.mu.Lock()
		defer counter.mu.Unlock()
		got[name+"_read_units"], got[name+"_write_units"] = counter.reads, counter.write
	}
	const year = "tenant/year/month/day/mvpd?start=2025-07-01&end=2026-07-01"
	count("notes", func() {
		if _, err := r.store.Notes(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	count("miss", func() { r.get(daily) })
	count("miss_year", func() { r.get(year) })
	count("memory_hit", func() { r.get(daily) })
	r.restart()
	count("store_hit", func() { r.get(daily) })
	r.restart()
	count("store_hit_year", func() { r.get(year) })

	text, err := os.ReadFile("../../test/cost/measured.json")
	if err != nil {
		t.Fatal(err)
	}
	var reckoned map[string]any
	if err := json.Unmarshal(text, &reckoned); err != nil {
		t.Fatal(err)
	}
	for name, units := range got {
		want, _ := reckoned[name].(float64)
		if math.Abs(units-want) > 0.1*want+0.5 {
			t.Errorf("%s: %v, reckoned with %v", name, units, reckoned[name])
		}
	}
	t.Log(got)
}
