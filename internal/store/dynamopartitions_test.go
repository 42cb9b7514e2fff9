//go:build stack

package store_test

import (
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"cmu-gateway/internal/store"
)

// Leases and notes of access are in a partition of their own; those of an earlier release count until they are replaced.
func TestDynamoDBAccessPartition(t *testing.T) {
	client := dynamoDB(t)
	table := newTable(t, client)
	s := store.NewDynamoDB(client, table, time.Now, slog.Default())
	put := func(item map[string]types.AttributeValue) {
		t.Helper()
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	str := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	num := func(at time.Time) types.AttributeValue {
		return &types.AttributeValueMemberN{Value: strconv.FormatInt(at.UnixMilli(), 10)}
	}
	old := func(name, value string) {
		put(map[string]types.AttributeValue{"pk": str("v1#note"), "sk": str(name), "value": &types.AttributeValueMemberB{Value: []byte(value)}})
	}
	partitions := func() (found []string) {
		out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range out.Items {
			found = append(found, i["pk"].(*types.AttributeValueMemberS).Value+" "+i["sk"].(*types.AttributeValueMemberS).Value)
		}
		slices.Sort(found)
		return found
	}
	want := func(what string, want ...string) {
		t.Helper()
		if got := partitions(); !slices.Equal(got, want) {
			t.Errorf("%s: the table holds %q, want %q", what, got, want)
		}
	}
	noted := func(name, want string) {
		t.Helper()
		notes, err := s.Notes(t.Context())
		if got := string(notes[name].Value); err != nil || got != want {
			t.Errorf("the note %s is %q, %v; want %q", name, got, err, want)
		}
	}

	old("access.registrations", "old")
	old("calendar", "proven")
	noted("access.registrations", "old")
	if err := s.PutNote(t.Context(), "access.registrations", store.Note{Value: []byte("new")}); err != nil {
		t.Fatal(err)
	}
	noted("access.registrations", "new")
	noted("calendar", "proven")
	want("a note", "v1#access note#access.registrations", "v1#note access.registrations", "v1#note calendar")
	if err := s.DeleteNote(t.Context(), "access.registrations"); err != nil {
		t.Fatal(err)
	}
	noted("access.registrations", "")
	want("a note is deleted", "v1#note calendar")

	until := time.Now().Add(time.Minute)
	put(map[string]types.AttributeValue{"pk": str("v1#lease"), "sk": str("access.refresh"), "holder": str("old"), "until": num(until)})
	var held *store.HeldError
	if err := s.Acquire(t.Context(), "access.refresh", "new", until); !errors.As(err, &held) || held.Until.UnixMilli() != until.UnixMilli() {
		t.Errorf("a lease that an earlier release holds: %v", err)
	}
	put(map[string]types.AttributeValue{"pk": str("v1#lease"), "sk": str("access.refresh"), "holder": str("old"), "until": num(time.Now())})
	for _, lease := range []string{"access.refresh", "fetch"} {
		if err := s.Acquire(t.Context(), lease, "new", until); err != nil {
			t.Error(err)
		}
	}
	want("leases", "v1#access lease#access.refresh", "v1#lease access.refresh", "v1#lease fetch", "v1#note calendar")
	noted("access.refresh", "")
	for _, lease := range []string{"access.refresh", "fetch"} {
		if err := s.Release(t.Context(), lease, "new"); err != nil {
			t.Error(err)
		}
	}
	want("leases are released", "v1#lease access.refresh", "v1#note calendar")
}
