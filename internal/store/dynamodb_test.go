//go:build stack

package store_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"cmu-gateway/internal/awsconfig"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/store/storetest"
)

func TestDynamoDBContract(t *testing.T) {
	client := dynamoDB(t)
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return store.NewDynamoDB(client, newTable(t, client), now, slog.Default())
	})
}

// dynamoDB returns a client that sends its calls through the hooks, if any.
func dynamoDB(t *testing.T, hooks ...hook) *dynamodb.Client {
	t.Helper()
	endpoint := os.Getenv("CMU_TEST_DYNAMODB")
	if endpoint == "" {
		t.Fatal("CMU_TEST_DYNAMODB is not set: it names the endpoint of DynamoDB Local, such as http://127.0.0.1:8000")
	}
	cfg, err := awsconfig.FromEnv([]string{"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_ENDPOINT_URL=" + endpoint})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hooks {
		cfg.HTTPClient = h
	}
	return dynamodb.NewFromConfig(cfg)
}

func newTable(t *testing.T, client *dynamodb.Client) string {
	t.Helper()
	name := "cmu-test-" + rand.Text()
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:   &name,
		BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS},
		},
	})
	if err != nil {
		t.Fatalf("CreateTable: %v", err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			t.Errorf("DeleteTable: %v", err)
		}
	})
	return name
}

// TestDynamoDBDamage takes from the table what a block is made of: the block is absent, its neighbours are not.
func TestDynamoDBDamage(t *testing.T) {
	client := dynamoDB(t)
	big := make([]byte, 1_000_000)
	for what, damage := range map[string]func(item map[string]types.AttributeValue) bool{
		"a chunk is gone": func(item map[string]types.AttributeValue) bool { return strings.HasSuffix(sortKey(item), "#0002") },
		"a chunk is other": func(item map[string]types.AttributeValue) bool {
			if strings.HasSuffix(sortKey(item), "#0003") {
				item["data"] = &types.AttributeValueMemberB{Value: []byte("other")}
			}
			return false
		},
		"the length is nonsense": func(item map[string]types.AttributeValue) bool {
			if sortKey(item) == "b" {
				item["length"] = &types.AttributeValueMemberN{Value: "999999999999"}
			}
			return false
		},
		"the checksum is wrong": func(item map[string]types.AttributeValue) bool {
			if sortKey(item) == "b" {
				item["crc"] = &types.AttributeValueMemberN{Value: "1"}
			}
			return false
		},
	} {
		t.Run(what, func(t *testing.T) {
			table := newTable(t, client)
			s := store.NewDynamoDB(client, table, at(start), slog.Default())
			for _, name := range []string{"a", "b", "c"} {
				if err := s.Put(ctx, "r", block(name, big)); err != nil {
					t.Fatal(err)
				}
			}
			pages := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: &table})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					t.Fatal(err)
				}
				for _, item := range page.Items {
					if !strings.HasPrefix(sortKey(item), "b") {
						continue
					}
					if damage(item) {
						_, err = client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &table,
							Key: map[string]types.AttributeValue{"pk": item["pk"], "sk": item["sk"]}})
					} else {
						_, err = client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: item})
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			blocks, err := s.Blocks(ctx, "r", "a", "c")
			if err != nil || len(blocks) != 2 || blocks[0].Name != "a" || blocks[1].Name != "c" {
				t.Errorf("Blocks: %d, %v", len(blocks), err)
			}
		})
	}
}

func sortKey(item map[string]types.AttributeValue) string {
	return item["sk"].(*types.AttributeValueMemberS).Value
}

// TestDynamoDBLeavesNothing replaces, refuses and purges big blocks: no chunk stays.
func TestDynamoDBLeavesNothing(t *testing.T) {
	client := dynamoDB(t)
	table := newTable(t, client)
	s := store.NewDynamoDB(client, table, at(start), slog.Default())
	count := func(want int32) {
		t.Helper()
		out, err := client.Scan(ctx, &dynamodb.ScanInput{TableName: &table, Select: types.SelectCount})
		if err != nil || out.Count != want {
			t.Errorf("%d items, %v; want %d", out.Count, err, want)
		}
	}
	put := func(size int, fetched time.Time) error {
		b := block("a", make([]byte, size))
		b.Fetched = fetched
		return s.Put(ctx, "r", b)
	}
	const catalog = 1
	for i, size := range []int{800_000, 400_000, 10, 800_000} {
		if err := put(size, start.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(900_000, start); !errors.Is(err, store.ErrNewer) {
		t.Errorf("Put of an older block: %v", err)
	}
	count(catalog + 4)
	if n, err := s.Purge(ctx, func(store.Report) bool { return true }, nil); n != 1 || err != nil {
		t.Errorf("Purge: %d, %v", n, err)
	}
	count(catalog)
}

// TestDynamoDBCatalog has two processes fill one report, while one of them purges: what the other fills again is found.
func TestDynamoDBCatalog(t *testing.T) {
	client := dynamoDB(t)
	table := newTable(t, client)
	now := start
	clock := func() time.Time { return now }
	one, two := store.NewDynamoDB(client, table, clock, slog.Default()), store.NewDynamoDB(client, table, clock, slog.Default())
	put := func(s store.Store, name string, expires time.Time) {
		t.Helper()
		b := block(name, nil)
		b.Fetched, b.Expires = now, expires
		if err := s.Put(ctx, "r", b); err != nil {
			t.Fatal(err)
		}
	}
	purge := func(s store.Store, want int) {
		t.Helper()
		if n, err := s.Purge(ctx, func(store.Report) bool { return true }, nil); n != want || err != nil {
			t.Errorf("Purge: %d, %v; want %d", n, err, want)
		}
	}
	entry := func() string {
		t.Helper()
		out, err := client.Query(ctx, &dynamodb.QueryInput{TableName: &table, KeyConditionExpression: aws.String("pk = :pk"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: "v1#report"}}})
		if err != nil || len(out.Items) != 1 {
			t.Fatalf("%d entries, %v; want 1", len(out.Items), err)
		}
		if n, ok := out.Items[0]["expires"].(*types.AttributeValueMemberN); ok {
			return n.Value
		}
		return "never"
	}
	after := func(d time.Duration) string { return strconv.FormatInt(start.Add(d+30*24*time.Hour).Unix(), 10) }
	wantEntry := func(want string) {
		t.Helper()
		if got := entry(); got != want {
			t.Errorf("the entry expires at %s; want %s", got, want)
		}
	}

	put(one, "a", start.Add(48*time.Hour))
	put(two, "b", start.Add(24*time.Hour))
	wantEntry(after(48 * time.Hour))
	purge(one, 2)
	put(two, "a", start.Add(24*time.Hour))
	purge(one, 1)

	// Blocks that live longer than the entry make it last longer, and none makes it shorter.
	put(two, "c", start.Add(100*24*time.Hour))
	wantEntry(after(100 * 24 * time.Hour))
	put(one, "d", time.Time{})
	wantEntry("never")
	put(two, "e", start.Add(200*24*time.Hour))
	wantEntry("never")

	// Someone empties the table: the entry is back after an hour.
	_, err := client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &table, Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "v1#report"}, "sk": &types.AttributeValueMemberS{Value: reportKey(t, client, table)}}})
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	put(two, "f", now.Add(time.Hour))
	wantEntry(strconv.FormatInt(now.Add(time.Hour+30*24*time.Hour).Unix(), 10))
}

func reportKey(t *testing.T, client *dynamodb.Client, table string) string {
	t.Helper()
	out, err := client.Query(ctx, &dynamodb.QueryInput{TableName: &table, KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: "v1#report"}}})
	if err != nil || len(out.Items) != 1 {
		t.Fatalf("%d entries, %v", len(out.Items), err)
	}
	return sortKey(out.Items[0])
}

// TestDynamoDBNoTable names what is missing.
func TestDynamoDBNoTable(t *testing.T) {
	s := store.NewDynamoDB(dynamoDB(t), "cmu-test-none", at(start), slog.Default())
	if _, err := s.Blocks(ctx, "r", "a", "b"); err == nil || !strings.Contains(err.Error(), "reading blocks") {
		t.Errorf("Blocks without a table: %v", err)
	}
	if err := s.Put(ctx, "r", block("a", nil)); err == nil || errors.Is(err, store.ErrNewer) {
		t.Errorf("Put without a table: %v", err)
	}
}

// hook stands between the client and the table. It is given the operation, its body and the way to send it.
type hook func(op string, body []byte, send func() (*http.Response, error)) (*http.Response, error)

func (h hook) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return h(op, body, func() (*http.Response, error) { return http.DefaultClient.Do(r) })
}

// TestDynamoDBLostAnswer loses the answer to a write that was done: the client's own retry is no newer block.
func TestDynamoDBLostAnswer(t *testing.T) {
	for _, size := range []int{10, 900_000} {
		lost := 0
		client := dynamoDB(t, func(op string, body []byte, send func() (*http.Response, error)) (*http.Response, error) {
			answer, err := send()
			if err == nil && op == "PutItem" && bytes.Contains(body, []byte("#fetched")) && lost == 0 {
				lost++
				answer.Body.Close()
				return nil, errors.New("connection reset")
			}
			return answer, err
		})
		s := store.NewDynamoDB(client, newTable(t, client), at(start), slog.Default())
		if err := s.Put(ctx, "r", block("a", make([]byte, size))); err != nil || lost != 1 {
			t.Errorf("Put of %d bytes: %v (%d answers lost)", size, err, lost)
		}
		blocks, err := s.Blocks(ctx, "r", "a", "a")
		if err != nil || len(blocks) != 1 || len(blocks[0].Data) != size {
			t.Errorf("Blocks of %d bytes: %d, %v", size, len(blocks), err)
		}
	}
}

// TestDynamoDBReplacedWhileRead replaces a big block between two pages of a read: the reader has the new one.
func TestDynamoDBReplacedWhileRead(t *testing.T) {
	plain := dynamoDB(t)
	table := newTable(t, plain)
	writer := store.NewDynamoDB(plain, table, at(start), slog.Default())
	put := func(fill byte, fetched time.Time) {
		b := block("a", bytes.Repeat([]byte{fill}, 1_500_000))
		b.Fetched = fetched
		if err := writer.Put(ctx, "r", b); err != nil {
			t.Fatal(err)
		}
	}
	put('1', start)
	queries := 0
	reader := store.NewDynamoDB(dynamoDB(t, func(op string, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		answer, err := send()
		if queries++; op == "Query" && queries == 1 {
			put('2', start.Add(time.Second))
		}
		return answer, err
	}), table, at(start), slog.Default())
	blocks, err := reader.Blocks(ctx, "r", "a", "a")
	if err != nil || len(blocks) != 1 || blocks[0].Data[0] != '2' {
		t.Errorf("Blocks: %d, %v", len(blocks), err)
	}
}

// TestDynamoDBOneRoundTrip reads a megabyte in one call.
func TestDynamoDBOneRoundTrip(t *testing.T) {
	calls := 0
	client := dynamoDB(t, func(_ string, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		calls++
		return send()
	})
	s := store.NewDynamoDB(client, newTable(t, client), at(start), slog.Default())
	for i := range 30 {
		if err := s.Put(ctx, "r", block(fmt.Sprintf("%02d", i), make([]byte, 34_000))); err != nil {
			t.Fatal(err)
		}
	}
	calls = 0
	if blocks, err := s.Blocks(ctx, "r", "00", "29"); err != nil || len(blocks) != 30 || calls != 1 {
		t.Errorf("Blocks: %d in %d calls, %v", len(blocks), calls, err)
	}
}

// TestDynamoDBRefusesSomeOfABatch leaves deletions undone, as a table does under load: Purge goes on until they are done.
func TestDynamoDBRefusesSomeOfABatch(t *testing.T) {
	refused := 0
	client := dynamoDB(t, func(op string, body []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if op == "BatchWriteItem" && refused < 2 {
			refused++
			answer := bytes.Replace(body, []byte("RequestItems"), []byte("UnprocessedItems"), 1)
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(answer))}, nil
		}
		return send()
	})
	s := store.NewDynamoDB(client, newTable(t, client), at(start), slog.Default())
	for i := range 30 {
		if err := s.Put(ctx, "r", block(fmt.Sprint(i), nil)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Purge(ctx, func(store.Report) bool { return true }, nil); n != 30 || err != nil || refused != 2 {
		t.Errorf("Purge: %d, %v (%d refused)", n, err, refused)
	}
	if blocks, err := s.Blocks(ctx, "r", "", "~"); err != nil || len(blocks) != 0 {
		t.Errorf("%d blocks stay, %v", len(blocks), err)
	}
}
