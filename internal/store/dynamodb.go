package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"
)

// The items of the table, whose key is pk and sk (strings) and whose time to live is the attribute expires (seconds, absent: never):
//
//	v1#block#<report hash>  <name>                    head: version, fetched (ms), data, crc
//	                                                  or, of a big block: version, fetched, crc, length, chunks
//	                        <name>#<version>#<0001>   chunk: data
//	v1#report               <report hash>             report
//	v1#lease                <lease>                   holder, until (ms)
//	v1#note                 <note>                    value
//
// The first part of pk is the version of this schema. Time to live only cleans up: readers compare expires and until with their clock.
const (
	blockPartition  = "v1#block#"
	reportPartition = "v1#report"
	leasePartition  = "v1#lease"
	notePartition   = "v1#note"

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

	mu    sync.Mutex
	known map[string]catalogued // by report hash
}

// catalogued is an entry of the catalog that this process wrote or found.
type catalogued struct {
	expires int64 // at least this, 0: never
	at      time.Time
}

// NewDynamoDB returns the store in a table, which must exist: key pk and sk (strings), time to live in expires. It needs
// Query, PutItem, DeleteItem and BatchWriteItem on the table, and DescribeTable for Size. Close leaves the client alone.
//
// Purge leaves the entries of the catalog to their time to live, so that it need not exclude other processes: a report that one of
// them fills again stays known to the next Purge. An entry lives longer than any block of its report.
func NewDynamoDB(client *dynamodb.Client, table string, now func() time.Time) Store {
	return &dynamo{client: client, table: table, now: now, known: map[string]catalogued{}}
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

func hashText(r Report) string {
	h := hash(r)
	return base64.RawURLEncoding.EncodeToString(h[:])
}

func (s *dynamo) Blocks(ctx context.Context, report Report, first, last string) ([]Block, error) {
	if first > last || last == "" {
		return nil, ctx.Err()
	}
	pk := blockPartition + hashText(report)
	read, err := s.readRange(ctx, pk, first, last)
	if err != nil {
		return nil, err
	}
	var blocks []Block
	for _, head := range read.heads {
		if expired(getNumber(head, "expires"), s.now()) {
			continue
		}
		name := getText(head, "sk")
		block, err := read.assemble(head)
		for i := 1; err != nil && i < readsOfBlock; i++ {
			again, readErr := s.readRange(ctx, pk, name, name)
			if readErr != nil {
				return nil, readErr
			}
			if len(again.heads) == 0 || expired(getNumber(again.heads[0], "expires"), s.now()) {
				break
			}
			block, err = again.assemble(again.heads[0])
		}
		if err != nil {
			slog.WarnContext(ctx, "store: a block cannot be read and counts as absent", "block", name, "error", err)
			continue
		}
		blocks = append(blocks, block)
	}
	return blocks, nil
}

// blockItems are the items of a range of blocks.
type blockItems struct {
	heads  []item
	chunks map[string][]byte // by sort key
}

// readRange reads strongly consistent: who waited for another's fetch looks again and must see what it wrote.
func (s *dynamo) readRange(ctx context.Context, pk, first, last string) (blockItems, error) {
	read := blockItems{chunks: map[string][]byte{}}
	if first == "" {
		first = " " // no sort key is empty, and no name sorts before it
	}
	// After the last name come its chunks. A name that last begins with comes before it, yet its chunks come after them if
	// last goes on with a byte below '#': such a block is found incomplete and read again.
	end := last + "#~"
	err := s.query(ctx, &dynamodb.QueryInput{
		KeyConditionExpression:    aws.String("pk = :pk AND sk BETWEEN :first AND :last"),
		ExpressionAttributeValues: item{":pk": text(pk), ":first": text(first), ":last": text(end)},
	}, func(i item) {
		sk := getText(i, "sk")
		switch {
		case isChunk(sk):
			read.chunks[sk] = getData(i, "data")
		case sk <= last:
			read.heads = append(read.heads, i)
		}
	})
	if err != nil {
		return blockItems{}, fmt.Errorf("store: reading blocks: %w", err)
	}
	return read, nil
}

func isChunk(sk string) bool { return strings.Contains(sk, "#") }

func chunkKey(name, version string, number int) string {
	return fmt.Sprintf("%s#%s#%04d", name, version, number)
}

func (r blockItems) assemble(head item) (Block, error) {
	b := Block{
		Name:    getText(head, "sk"),
		Data:    getData(head, "data"),
		Fetched: time.UnixMilli(getNumber(head, "fetched")).UTC(),
		Expires: expiryTime(getNumber(head, "expires")),
	}
	if chunks := int(getNumber(head, "chunks")); chunks > 0 {
		length := getNumber(head, "length")
		if length < 0 || length > int64(chunks)*chunkSize {
			return Block{}, fmt.Errorf("%d bytes do not fit %d chunks", length, chunks)
		}
		b.Data = make([]byte, 0, length)
		for i := range chunks {
			part, ok := r.chunks[chunkKey(b.Name, getText(head, "version"), i+1)]
			if !ok {
				return Block{}, fmt.Errorf("chunk %d of %d is missing", i+1, chunks)
			}
			b.Data = append(b.Data, part...)
		}
	}
	if crc32.Checksum(b.Data, castagnoli) != uint32(getNumber(head, "crc")) {
		return Block{}, errors.New("the checksum is wrong")
	}
	return b, nil
}

// query calls each with the items of all pages.
func (s *dynamo) query(ctx context.Context, in *dynamodb.QueryInput, each func(item)) error {
	in.TableName = &s.table
	in.ConsistentRead = aws.Bool(true)
	for {
		out, err := s.client.Query(ctx, in)
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

func (s *dynamo) Put(ctx context.Context, report Report, b Block) error {
	if err := checkBlock(b); err != nil {
		return err
	}
	if err := s.catalog(ctx, report, b.Expires); err != nil {
		return err
	}
	var (
		pk      = blockPartition + hashText(report)
		version = rand.Text()
		expires = expirySeconds(b.Expires)
		head    = newItem(pk, b.Name, expires)
		chunks  = 0
	)
	head["version"] = text(version)
	head["fetched"] = number(b.Fetched.UnixMilli())
	head["crc"] = number(int64(crc32.Checksum(b.Data, castagnoli)))
	if len(b.Data) <= chunkSize {
		head["data"] = data(b.Data)
	} else {
		chunks = (len(b.Data) + chunkSize - 1) / chunkSize
		head["length"] = number(int64(len(b.Data)))
		head["chunks"] = number(int64(chunks))
		if err := s.putChunks(ctx, pk, b, version, expires); err != nil {
			s.deleteChunks(ctx, pk, b.Name, version, chunks)
			return err
		}
	}
	out, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:           &s.table,
		Item:                head,
		ConditionExpression: aws.String("attribute_not_exists(pk) OR #fetched < :fetched OR #expires <= :now"),
		ExpressionAttributeNames: map[string]string{
			"#fetched": "fetched",
			"#expires": "expires",
		},
		ExpressionAttributeValues:           item{":fetched": head["fetched"], ":now": number(s.now().Unix())},
		ReturnValues:                        types.ReturnValueAllOld,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if refused := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &refused) {
		if getText(refused.Item, "version") == version {
			return nil // the client's own retry met what the first attempt wrote
		}
		s.deleteChunks(ctx, pk, b.Name, version, chunks)
		return ErrNewer
	}
	if err != nil {
		// The head may be written, so its chunks stay; if it is not, time to live removes them.
		return fmt.Errorf("store: writing a block: %w", err)
	}
	s.deleteChunks(ctx, pk, b.Name, getText(out.Attributes, "version"), int(getNumber(out.Attributes, "chunks")))
	return nil
}

func (s *dynamo) putChunks(ctx context.Context, pk string, b Block, version string, expires int64) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(chunksAtOnce)
	for i := 0; i*chunkSize < len(b.Data); i++ {
		group.Go(func() error {
			chunk := newItem(pk, chunkKey(b.Name, version, i+1), expires)
			chunk["data"] = data(b.Data[i*chunkSize : min((i+1)*chunkSize, len(b.Data))])
			if _, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: chunk}); err != nil {
				return fmt.Errorf("store: writing a chunk of a block: %w", err)
			}
			return nil
		})
	}
	return group.Wait()
}

// deleteChunks frees the space of a version that no head names. Readers never see it, so a failure is only logged.
func (s *dynamo) deleteChunks(ctx context.Context, pk, name, version string, chunks int) {
	var keys []item
	for i := range chunks {
		keys = append(keys, newItem(pk, chunkKey(name, version, i+1), 0))
	}
	if err := s.deleteAll(ctx, keys); err != nil {
		slog.WarnContext(ctx, "store: chunks of a replaced block stay until their time to live", "block", name, "error", err)
	}
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

func (s *dynamo) Purge(ctx context.Context, match func(Report) bool) (int, error) {
	reports, err := s.Reports(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, r := range reports {
		if !match(r) {
			continue
		}
		var keys []item
		blocks := 0
		err := s.query(ctx, &dynamodb.QueryInput{
			KeyConditionExpression:    aws.String("pk = :pk"),
			ExpressionAttributeValues: item{":pk": text(blockPartition + hashText(r))},
			ProjectionExpression:      aws.String("pk, sk"),
		}, func(i item) {
			keys = append(keys, i)
			if !isChunk(getText(i, "sk")) {
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

func (s *dynamo) Reports(ctx context.Context) ([]Report, error) {
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

// Size tells what the table knew at most some six hours ago.
func (s *dynamo) Size(ctx context.Context) (Size, error) {
	out, err := s.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &s.table})
	if err != nil {
		return Size{}, fmt.Errorf("store: describing the table: %w", err)
	}
	return Size{Items: aws.ToInt64(out.Table.ItemCount), Bytes: aws.ToInt64(out.Table.TableSizeBytes), Approximate: true}, nil
}

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

func (s *dynamo) Close() error { return nil }
