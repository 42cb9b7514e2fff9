package store

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The items of the table, whose key is pk and sk (strings) and whose time to live is the attribute expires (seconds, absent: never):
//
//	v1#block#<report hash>  <name>                    head: version, fetched (ms), data, crc
//	                                                  or, of a big block: version, fetched, crc, length, chunks
//	                        <name>#<version>#<0001>   chunk: data
//	v1#report               <report hash>             report
//	v1#lease                <lease>                   holder, until (ms)
//	v1#note                 <note>                    value
//	v1#access               lease#<lease>, note#<note>  those whose name begins with access.
//
// Roles are told apart by partition: who answers reports writes no lease or note of access. Releases up to v0.1 kept those under
// v1#lease and v1#note; they are read there, and deleted, and v1.0 will do without.
//
// The first part of pk is the version of this schema. Time to live only cleans up: readers compare expires and until with their clock.
const (
	blockPartition  = "v1#block#"
	reportPartition = "v1#report"
	leasePartition  = "v1#lease"
	notePartition   = "v1#note"
	accessPartition = "v1#access"
	accessPrefix    = "access." // of names

	// An item has at most 400 kB: this leaves room for the key and the names.
	chunkSize     = 390_000
	chunksAtOnce  = 4
	readsOfBlock  = 3 // of a block that is replaced while it is read
	batchSize     = 25
	batchAttempts = 8

	// An entry of the catalog outlives the blocks of its report, and is written again at times in case someone emptied the table.
	catalogMargin  = 30 * 24 * time.Hour
	catalogRenewal = time.Hour
	catalogKnown   = 10_000
)

// dynamo is a Store in one DynamoDB table.
type dynamo struct {
	client *dynamodb.Client
	table  string
	now    func() time.Time
	log    *slog.Logger

	mu    sync.Mutex
	known map[string]catalogued // by report hash
}

// NewDynamoDB returns the store in a table, which must exist: key pk and sk (strings), time to live in expires. It needs
// Query, PutItem, DeleteItem and BatchWriteItem on the table, and DescribeTable for Size. Close leaves the client alone.
//
// Purge leaves the entries of the catalog to their time to live, so that it need not exclude other processes: a report that one of
// them fills again stays known to the next Purge. An entry lives longer than any block of its report.
func NewDynamoDB(client *dynamodb.Client, table string, now func() time.Time, log *slog.Logger) Store {
	return &dynamo{client: client, table: table, now: now, log: log, known: map[string]catalogued{}}
}

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func data(b []byte) types.AttributeValue {
	if b == nil {
		b = []byte{} // nil would be no value at all, which DynamoDB refuses
	}
	return &types.AttributeValueMemberB{Value: b}
}

func getText(i item, name string) string {
	if v, ok := i[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

func getData(i item, name string) []byte {
	if v, ok := i[name].(*types.AttributeValueMemberB); ok {
		return v.Value
	}
	return nil
}

func getNumber(i item, name string) int64 {
	if v, ok := i[name].(*types.AttributeValueMemberN); ok {
		n, _ := strconv.ParseInt(v.Value, 10, 64)
		return n
	}
	return 0
}

func newItem(pk, sk string, expires int64) item {
	i := item{"pk": text(pk), "sk": text(sk)}
	if expires != 0 {
		i["expires"] = number(expires)
	}
	return i
}

// leaseKey and noteKey are the keys of a lease and a note.
func leaseKey(name string) (pk, sk string) {
	if ofAccess(name) {
		return accessPartition, "lease#" + name
	}
	return leasePartition, name
}

func noteKey(name string) (pk, sk string) {
	if ofAccess(name) {
		return accessPartition, "note#" + name
	}
	return notePartition, name
}

func ofAccess(name string) bool { return strings.HasPrefix(name, accessPrefix) }

func hashText(r Report) string {
	h := hash(r)
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// throttles knows the errors of a table that is asked for too much.
var throttles = retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}

// query reads strongly consistent, unless in says otherwise. It calls each with the items of all pages.
func (s *dynamo) query(ctx context.Context, in *dynamodb.QueryInput, each func(item)) error {
	in.TableName, in.ConsistentRead = &s.table, aws.Bool(in.ConsistentRead == nil)
	for {
		out, err := s.client.Query(ctx, in)
		if throttles.IsErrorThrottle(err).Bool() {
			return fmt.Errorf("%w: %w", ErrBusy, err)
		}
		if err != nil {
			return err
		}
		for _, i := range out.Items {
			each(i)
		}
		if len(out.LastEvaluatedKey) == 0 {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// Size tells what the table knew at most some six hours ago.
func (s *dynamo) Size(ctx context.Context) (Size, error) {
	out, err := s.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &s.table})
	if err != nil {
		return Size{}, fmt.Errorf("store: describing the table: %w", err)
	}
	return Size{Items: aws.ToInt64(out.Table.ItemCount), Bytes: aws.ToInt64(out.Table.TableSizeBytes), Approximate: true}, nil
}

func (s *dynamo) Close() error { return nil }
