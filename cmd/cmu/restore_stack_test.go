//go:build stack

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/archive"
	"cmu-gateway/internal/awsconfig"
	"cmu-gateway/internal/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// A command puts archived months into the table of a stack, under the licence that is noted there.
func TestStackRestoreIntoATable(t *testing.T) {
	endpoint := os.Getenv("CMU_TEST_DYNAMODB")
	if endpoint == "" {
		t.Fatal("CMU_TEST_DYNAMODB must name the endpoint of a DynamoDB, such as http://127.0.0.1:8000")
	}
	environ := []string{"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_ENDPOINT_URL=" + endpoint, "CMU_KEEP=true"}
	cfg, err := awsconfig.FromEnv(environ)
	if err != nil {
		t.Fatal(err)
	}
	client, name := dynamodb.NewFromConfig(cfg), fmt.Sprintf("restore-%d", time.Now().UnixNano())
	if _, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange}},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name}) })

	data, kept := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "kept")
	cmd := func(want int, args ...string) string {
		t.Helper()
		var out, told strings.Builder
		if code := run(t.Context(), &terminal{stdout: &out, stderr: &told, environ: environ}, args); code != want {
			t.Fatalf("%v: code %d: %s", args, code, told.String())
		}
		return out.String() + told.String()
	}
	cmd(exitOK, "archive", kept, "tenant/year/month", "--sandbox", "--data", data)
	licence := licenceIn(t, kept)
	table := store.NewDynamoDB(client, name, time.Now, slog.Default())
	if told := cmd(exitFailure, "restore", kept, "--table", name, "--sandbox"); !strings.Contains(told, "does not tell which licence") {
		t.Errorf("without a licence: %s", told)
	}
	note := fmt.Sprintf(`{"name": %q, "at": %q}`, licence, time.Now().UTC().Format(time.RFC3339))
	if err := table.PutNote(t.Context(), "access.licence", store.Note{Value: []byte(note)}); err != nil {
		t.Fatal(err)
	}
	if told := cmd(exitOK, "restore", kept, "--table", name, "--sandbox"); !strings.Contains(told, " months with ") || strings.Contains(told, ": 0 months") {
		t.Error(told)
	}
	n := 0
	if _, err := table.Purge(t.Context(), func(r store.Report) bool { return strings.HasPrefix(string(r), "/tenant/year/month") }, func(string) bool { n++; return true }); err != nil || n < 2 {
		t.Errorf("%d blocks, %v", n, err)
	}
	notes, err := table.Notes(t.Context())
	if _, told := notes["purged"]; err != nil || !told {
		t.Errorf("processes are not told: %v, %v", notes, err)
	}
	if told := cmd(exitOK, "restore", kept, "--table", name, "--sandbox"); !strings.Contains(told, ": 0 months") {
		t.Error(told)
	}
}

// licenceIn is the licence of the rows of an archive.
func licenceIn(t *testing.T, kept string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(kept, "v1", "*", "*", "*", "rows.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	file, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	l, err := archive.ReadLabel(file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return l.Licence
}
