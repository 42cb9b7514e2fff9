package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"
)

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
			s.log.WarnContext(ctx, "store: a block cannot be read and counts as absent", "block", name, "error", err)
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

// readRange reads strongly consistent unless ctx is relaxed: who waited for another's fetch looks again and must see what it wrote.
func (s *dynamo) readRange(ctx context.Context, pk, first, last string) (blockItems, error) {
	read := blockItems{chunks: map[string][]byte{}}
	if first == "" {
		first = " " // no sort key is empty, and no name sorts before it
	}
	// After the last name come its chunks. A name that last begins with comes before it, yet its chunks come after them if
	// last goes on with a byte below '#': such a block is found incomplete and read again.
	end := last + "#~"
	in := &dynamodb.QueryInput{
		KeyConditionExpression:    aws.String("pk = :pk AND sk BETWEEN :first AND :last"),
		ExpressionAttributeValues: item{":pk": text(pk), ":first": text(first), ":last": text(end)},
	}
	if IsRelaxed(ctx) {
		in.ConsistentRead = aws.Bool(false)
	}
	err := s.query(ctx, in, func(i item) {
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
	if crc32.Checksum(b.Data, castagnoli()) != uint32(getNumber(head, "crc")) {
		return Block{}, errors.New("the checksum is wrong")
	}
	return b, nil
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
	head["crc"] = number(int64(crc32.Checksum(b.Data, castagnoli())))
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
		ConditionExpression: aws.String("attribute_not_exists(pk) OR #fetched < :fetched OR #fetched > :ahead OR #expires <= :now"),
		ExpressionAttributeNames: map[string]string{
			"#fetched": "fetched",
			"#expires": "expires",
		},
		ExpressionAttributeValues: item{
			":fetched": head["fetched"], ":now": number(s.now().Unix()), ":ahead": number(s.now().Add(maxAhead).UnixMilli()),
		},
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
		s.log.WarnContext(ctx, "store: chunks of a replaced block stay until their time to live", "block", name, "error", err)
	}
}
