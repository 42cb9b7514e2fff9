package store

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// catalogued is an entry of the catalog that this process wrote or found.
type catalogued struct {
	expires int64 // at least this, 0: never
	at      time.Time
}

// catalog sees to it that the report is known for longer than a block that expires then.
func (s *dynamo) catalog(ctx context.Context, report Report, blockExpires time.Time) error {
	key, now, needed := hashText(report), s.now(), expirySeconds(blockExpires)
	s.mu.Lock()
	known, ok := s.known[key]
	s.mu.Unlock()
	lasts := known.expires == 0 || needed != 0 && known.expires >= needed
	if ok && lasts && now.Sub(known.at) < catalogRenewal {
		return nil
	}

	entry := newItem(reportPartition, key, 0)
	entry["report"] = text(string(report))
	in := &dynamodb.PutItemInput{TableName: &s.table, Item: entry}
	known = catalogued{at: now}
	if needed != 0 {
		known.expires = blockExpires.Add(catalogMargin).Unix()
		entry["expires"] = number(known.expires)
		// An entry that lasts longer, or for ever, stays.
		in.ConditionExpression = aws.String("attribute_not_exists(pk) OR #expires < :expires")
		in.ExpressionAttributeNames = map[string]string{"#expires": "expires"}
		in.ExpressionAttributeValues = item{":expires": entry["expires"]}
	}
	_, err := s.client.PutItem(ctx, in)
	if refused := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &refused) {
		return fmt.Errorf("store: writing the catalog of reports: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= catalogKnown {
		clear(s.known)
	}
	s.known[key] = known
	return nil
}

// deleteAll deletes items by their keys.
func (s *dynamo) deleteAll(ctx context.Context, keys []item) error {
	for len(keys) > 0 {
		n := min(batchSize, len(keys))
		requests := make([]types.WriteRequest, n)
		for i, key := range keys[:n] {
			requests[i].DeleteRequest = &types.DeleteRequest{Key: key}
		}
		keys = keys[n:]
		for attempt := 0; len(requests) > 0; attempt++ {
			if attempt == batchAttempts {
				return fmt.Errorf("store: deleting: %d items were refused %d times", len(requests), attempt)
			}
			if attempt > 0 {
				pause := time.NewTimer(25*time.Millisecond<<attempt + mathrand.N(50*time.Millisecond))
				select {
				case <-pause.C:
				case <-ctx.Done():
					pause.Stop()
					return fmt.Errorf("store: deleting: %w", ctx.Err())
				}
			}
			out, err := s.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
				RequestItems: map[string][]types.WriteRequest{s.table: requests},
			})
			if err != nil {
				return fmt.Errorf("store: deleting: %w", err)
			}
			requests = out.UnprocessedItems[s.table]
		}
	}
	return nil
}

func (s *dynamo) Purge(ctx context.Context, match func(Report) bool, spare func(name string) bool) (int, error) {
	reports, err := s.reports(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, r := range reports {
		if !match(r) {
			continue
		}
		var keys []item
		blocks, spared := 0, map[string]bool{} // a name comes before its chunks
		err := s.query(ctx, &dynamodb.QueryInput{
			KeyConditionExpression:    aws.String("pk = :pk"),
			ExpressionAttributeValues: item{":pk": text(blockPartition + hashText(r))},
			ProjectionExpression:      aws.String("pk, sk"),
		}, func(i item) {
			name, _, chunk := strings.Cut(getText(i, "sk"), "#")
			if !chunk && spare != nil && spare(name) {
				spared[name] = true
			}
			if spared[name] {
				return
			}
			if keys = append(keys, i); !chunk {
				blocks++
			}
		})
		if err != nil {
			return n, fmt.Errorf("store: purging: %w", err)
		}
		if err := s.deleteAll(ctx, keys); err != nil {
			return n, err
		}
		n += blocks
	}
	return n, nil
}

func (s *dynamo) reports(ctx context.Context) ([]Report, error) {
	var reports []Report
	err := s.query(ctx, &dynamodb.QueryInput{
		KeyConditionExpression:    aws.String("pk = :pk"),
		ExpressionAttributeValues: item{":pk": text(reportPartition)},
	}, func(i item) { reports = append(reports, Report(getText(i, "report"))) })
	if err != nil {
		return nil, fmt.Errorf("store: reading the catalog of reports: %w", err)
	}
	return reports, nil
}
