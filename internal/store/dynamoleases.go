package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func (s *dynamo) Acquire(ctx context.Context, lease, holder string, until time.Time) error {
	if err := checkKey("lease", lease); err != nil {
		return err
	}
	i := newItem(leasePartition, lease, leaseExpiry(until))
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

func (s *dynamo) Release(ctx context.Context, lease, holder string) error {
	if err := checkKey("lease", lease); err != nil {
		return err
	}
	_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                 &s.table,
		Key:                       newItem(leasePartition, lease, 0),
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
	notes := map[string]Note{}
	now := s.now()
	err := s.query(ctx, &dynamodb.QueryInput{
		KeyConditionExpression:    aws.String("pk = :pk"),
		ExpressionAttributeValues: item{":pk": text(notePartition)},
	}, func(i item) {
		if expires := getNumber(i, "expires"); !expired(expires, now) {
			notes[getText(i, "sk")] = Note{Value: getData(i, "value"), Expires: expiryTime(expires)}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("store: reading notes: %w", err)
	}
	return notes, nil
}

func (s *dynamo) PutNote(ctx context.Context, name string, n Note) error {
	if err := checkNote(name, n); err != nil {
		return err
	}
	i := newItem(notePartition, name, expirySeconds(n.Expires))
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
	_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.table, Key: newItem(notePartition, name, 0)})
	if err != nil {
		return fmt.Errorf("store: deleting the note %s: %w", name, err)
	}
	return nil
}

// leaseExpiry is the first whole second at which the lease is surely over.
func leaseExpiry(until time.Time) int64 { return until.UnixMilli()/1000 + 1 }
