package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"
)

func (s *dynamo) Acquire(ctx context.Context, lease, holder string, until time.Time) error {
	if err := checkKey("lease", lease); err != nil {
		return err
	}
	if ofAccess(lease) {
		if err := s.heldBefore(ctx, lease, holder); err != nil {
			return err
		}
	}
	pk, sk := leaseKey(lease)
	i := newItem(pk, sk, leaseExpiry(until))
	i["holder"] = text(holder)
	i["until"] = number(until.UnixMilli())
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &s.table,
		Item:                                i,
		ConditionExpression:                 aws.String("attribute_not_exists(pk) OR #until <= :now OR #holder = :holder"),
		ExpressionAttributeNames:            map[string]string{"#until": "until", "#holder": "holder"},
		ExpressionAttributeValues:           item{":now": number(s.now().UnixMilli()), ":holder": i["holder"]},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if refused := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &refused) {
		return &HeldError{Lease: lease, Until: time.UnixMilli(getNumber(refused.Item, "until")).UTC()}
	}
	if err != nil {
		return fmt.Errorf("store: taking the lease %s: %w", lease, err)
	}
	return nil
}

// heldBefore returns a *HeldError where a process of an earlier release has a lease of access.
func (s *dynamo) heldBefore(ctx context.Context, lease, holder string) error {
	var until time.Time
	err := s.query(ctx, &dynamodb.QueryInput{
		KeyConditionExpression:    aws.String("pk = :pk AND sk = :sk"),
		ExpressionAttributeValues: item{":pk": text(leasePartition), ":sk": text(lease)},
	}, func(i item) {
		if getText(i, "holder") != holder {
			until = time.UnixMilli(getNumber(i, "until")).UTC()
		}
	})
	if err != nil {
		return fmt.Errorf("store: taking the lease %s: %w", lease, err)
	}
	if until.After(s.now()) {
		return &HeldError{Lease: lease, Until: until}
	}
	return nil
}

func (s *dynamo) Release(ctx context.Context, lease, holder string) error {
	if err := checkKey("lease", lease); err != nil {
		return err
	}
	pk, sk := leaseKey(lease)
	_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                 &s.table,
		Key:                       newItem(pk, sk, 0),
		ConditionExpression:       aws.String("#holder = :holder"),
		ExpressionAttributeNames:  map[string]string{"#holder": "holder"},
		ExpressionAttributeValues: item{":holder": text(holder)},
	})
	if refused := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &refused) {
		return fmt.Errorf("store: releasing the lease %s: %w", lease, err)
	}
	return nil
}

func (s *dynamo) Notes(ctx context.Context) (map[string]Note, error) {
	var notes, ofAccess map[string]Note
	var group errgroup.Group
	group.Go(func() (err error) {
		notes, err = s.notesOf(ctx, notePartition, "")
		return err
	})
	group.Go(func() (err error) {
		ofAccess, err = s.notesOf(ctx, accessPartition, "note#")
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("store: reading notes: %w", err)
	}
	maps.Copy(notes, ofAccess)
	return notes, nil
}

// notesOf returns the notes of a partition, whose sort keys begin with a prefix that is not of their names.
func (s *dynamo) notesOf(ctx context.Context, pk, prefix string) (map[string]Note, error) {
	notes, now := map[string]Note{}, s.now()
	in := &dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :pk"), ExpressionAttributeValues: item{":pk": text(pk)}}
	if prefix != "" {
		in.KeyConditionExpression = aws.String("pk = :pk AND begins_with(sk, :prefix)")
		in.ExpressionAttributeValues[":prefix"] = text(prefix)
	}
	err := s.query(ctx, in, func(i item) {
		if expires := getNumber(i, "expires"); !expired(expires, now) {
			notes[strings.TrimPrefix(getText(i, "sk"), prefix)] = Note{Value: getData(i, "value"), Expires: expiryTime(expires)}
		}
	})
	return notes, err
}

func (s *dynamo) PutNote(ctx context.Context, name string, n Note) error {
	if err := checkNote(name, n); err != nil {
		return err
	}
	pk, sk := noteKey(name)
	i := newItem(pk, sk, expirySeconds(n.Expires))
	i["value"] = data(n.Value)
	if _, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: i}); err != nil {
		return fmt.Errorf("store: writing the note %s: %w", name, err)
	}
	return nil
}

func (s *dynamo) DeleteNote(ctx context.Context, name string) error {
	if err := checkKey("note", name); err != nil {
		return err
	}
	pk, sk := noteKey(name)
	keys := []item{newItem(pk, sk, 0)}
	if ofAccess(name) {
		keys = append(keys, newItem(notePartition, name, 0)) // of an earlier release
	}
	for _, key := range keys {
		if _, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.table, Key: key}); err != nil {
			return fmt.Errorf("store: deleting the note %s: %w", name, err)
		}
	}
	return nil
}

// leaseExpiry is the first whole second at which the lease is surely over.
func leaseExpiry(until time.Time) int64 { return until.UnixMilli()/1000 + 1 }
