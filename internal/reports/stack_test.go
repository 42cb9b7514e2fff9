//go:build stack

package reports

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/awsconfig"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// tableClient returns a client of the DynamoDB that CMU_TEST_DYNAMODB names, counting round trips.
func tableClient(t testing.TB) (*dynamodb.Client, *atomic.Int64) {
	t.Helper()
	endpoint := os.Getenv("CMU_TEST_DYNAMODB")
	if endpoint == "" {
		t.Fatal("CMU_TEST_DYNAMODB must name the endpoint of a DynamoDB, such as http://127.0.0.1:8000")
	}
	cfg := tableConfig(endpoint)
	trips := &atomic.Int64{}
	cfg.HTTPClient = countingClient{cfg.HTTPClient, trips}
	return dynamodb.NewFromConfig(cfg), trips
}

func tableConfig(endpoint string) aws.Config {
	cfg, err := awsconfig.FromEnv([]string{"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_ENDPOINT_URL=" + endpoint})
	if err != nil {
		panic(err)
	}
	return cfg
}

type countingClient struct {
	aws.HTTPClient
	n *atomic.Int64
}

func (c countingClient) Do(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.HTTPClient.Do(r)
}

func newTable(t testing.TB, client *dynamodb.Client) string {
	t.Helper()
	name := "reports-" + rand.Text()
	key := func(n string, k types.KeyType) (types.AttributeDefinition, types.KeySchemaElement) {
		return types.AttributeDefinition{AttributeName: &n, AttributeType: types.ScalarAttributeTypeS}, types.KeySchemaElement{AttributeName: &n, KeyType: k}
	}
	pk, hash := key("pk", types.KeyTypeHash)
	sk, sorted := key("sk", types.KeyTypeRange)
	if _, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{pk, sk}, KeySchema: []types.KeySchemaElement{hash, sorted},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: aws.String(name)})
	})
	return name
}

func TestStackSameAsAdobe(t *testing.T) {
	r := newRig(t)
	client, trips := tableClient(t)
	r.store = store.NewDynamoDB(client, newTable(t, client), r.clock.Now, r.log.Logger)
	r.restart()
	r.prove()
	asker := newAsker(t, *seed, r.clock.Now)
	sources := map[Source]int{}
	for i := range 4 * *asks {
		if i%7 == 0 {
			r.restart()
		}
		sources[r.compare(asker.ask())]++
		r.after()
		r.clock.Add(time.Duration(asker.IntN(1800)) * time.Second)
	}
	t.Log(sources, r.calls())

	r.get(daily)
	r.shelf.clear()
	before := trips.Load()
	if _, source := r.get(daily); source != FromStore || trips.Load()-before != 1 {
		t.Errorf("a hit with nothing in memory: %v, %d round trips", source, trips.Load()-before)
	}
}

func TestStackTwoLicencesByTurns(t *testing.T) {
	r, use := twoLicences(t)
	client, _ := tableClient(t)
	r.store = store.NewDynamoDB(client, newTable(t, client), r.clock.Now, r.log.Logger)
	r.restart()
	r.byTurns(use, func(r *rig) { r.restart() })
}

// In a table, too, what was stored with an end loses it when it is read, and what Adobe has dropped stays, over a purge and a process.
func TestStackHistory(t *testing.T) {
	r := newRig(t)
	client, _ := tableClient(t)
	r.store = store.NewDynamoDB(client, newTable(t, client), r.clock.Now, r.log.Logger)
	r.restart()
	r.prove()
	const ask = "tenant/year/month/day?start=2025-01-01&end=2025-04-01"
	rows, _ := r.get(ask)
	r.after()
	r.restart(keeping)
	r.get(ask)
	r.after()
	r.clock.Add(months(27))
	r.restart(keeping)
	r.prove()
	r.still(ask, rows)
	if n, err := r.Purge(t.Context(), request(t, "tenant/year/month/day"), false); err != nil || n.Kept != 3 {
		t.Errorf("%+v, %v", n, err)
	}
	r.still(ask, rows)
	if n, err := r.Purge(t.Context(), request(t, "tenant/year/month/day"), true); err != nil || n.Deleted < 3 {
		t.Errorf("%+v, %v", n, err)
	}
}

// TestMain lets the test binary stand for another process of a deployment.
func TestMain(m *testing.M) {
	if os.Getenv("CMU_TEST_PROCESS") != "" {
		anotherProcess()
		return
	}
	os.Exit(m.Run())
}

// anotherProcess asks once, when told to, and prints the number of rows.
func anotherProcess() {
	client := dynamodb.NewFromConfig(tableConfig(os.Getenv("CMU_TEST_DYNAMODB")))
	token := cmu.Secret(os.Getenv("CMU_TEST_TOKEN"))
	s := New(Options{
		Client: &cmu.Client{ReportsURL: os.Getenv("CMU_TEST_REPORTS")}, Store: store.NewDynamoDB(client, os.Getenv("CMU_TEST_TABLE"), time.Now, slog.Default()),
		Policy: policy, RowLimit: 10_000, Parallel: 4, Memory: 64 << 20,
		Token:   func(context.Context) (upstream.Token, error) { return upstream.Token{Value: token}, nil },
		Refused: func(context.Context, cmu.Secret) (upstream.Token, error) { return upstream.Token{Value: token}, nil },
	})
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	path, query, _ := strings.Cut(os.Getenv("CMU_TEST_ASK"), "?")
	r, err := cmu.Parse(path, query)
	if err == nil {
		var a *Answer
		if a, _, err = s.Get(context.Background(), r, Directives{}); err == nil {
			fmt.Println(a.Rows)
		}
	}
	if err != nil {
		fmt.Println(err)
	}
}

// TestStackProcesses has a process killed while it holds the lease, and then eight that ask at once over the same table.
func TestStackProcesses(t *testing.T) {
	r := newRig(t)
	server := httptest.NewServer(r.adobe) // other processes need a network that they share
	defer server.Close()
	r.clock.Add(time.Since(noon))
	r.adobe.Login()
	client, _ := tableClient(t)
	name := newTable(t, client)
	r.store = store.NewDynamoDB(client, name, time.Now, r.log.Logger)
	r.restart()
	r.prove()
	end := cmu.Day.Step(cmu.CivilAt(time.Now(), time.UTC), -5)
	ask := fmt.Sprintf("tenant/year/month/day?start=%s&end=%s", cmu.Day.Step(end, -40), end)
	start := func() (*exec.Cmd, io.Writer, *bufio.Reader) {
		p := exec.Command(os.Args[0])
		p.Env = append(os.Environ(), "CMU_TEST_PROCESS=1", "CMU_TEST_TABLE="+name, "CMU_TEST_REPORTS="+server.URL+sandbox.ReportsPath, "CMU_TEST_TOKEN="+r.adobe.Token.Value.Reveal(), "CMU_TEST_ASK="+ask)
		in, err1 := p.StdinPipe()
		out, err2 := p.StdoutPipe()
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		if line, err := lines.ReadString('\n'); line != "ready\n" {
			t.Fatal(line, err)
		}
		return p, in, lines
	}
	// The first hangs at Adobe, and is killed there: its lease runs out by itself.
	r.behave(fault(sandbox.Fault{Kind: "hang", Count: 1}))
	before := r.calls()
	doomed, in, _ := start()
	io.WriteString(in, "go\n")
	for r.calls() == before {
		runtime.Gosched()
	}
	if err := doomed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	doomed.Wait()
	before, killed := r.calls(), time.Now()
	var goes []io.Writer
	var answers []*bufio.Reader
	for range 8 {
		p, in, out := start()
		defer p.Wait()
		goes, answers = append(goes, in), append(answers, out)
	}
	for _, g := range goes {
		io.WriteString(g, "go\n")
	}
	for _, a := range answers {
		if line, err := a.ReadString('\n'); line != "40\n" {
			t.Errorf("a process answered %q, %v", line, err)
		}
	}
	if n := r.calls() - before; n != 1 {
		t.Errorf("%d calls for eight processes", n)
	}
	if waited := time.Since(killed); waited > leaseTime+10*time.Second {
		t.Errorf("a lease that nobody holds kept the others waiting for %v", waited)
	}
}
