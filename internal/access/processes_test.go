package access

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// The environment of the test binary when it is one of several processes on one data folder.
const (
	childDir   = "CMU_TEST_CHILD_DIR"
	childAdobe = "CMU_TEST_CHILD_ADOBE"
)

// laptop is a keeper on files, as a laptop has it.
func laptop(dir, adobe string) (*Keeper, error) {
	s, err := store.OpenBolt(filepath.Join(dir, "store.db"), store.BoltOptions{})
	for errors.Is(err, store.ErrInUse) { // one process at a time
		time.Sleep(time.Millisecond)
		s, err = store.OpenBolt(filepath.Join(dir, "store.db"), store.BoltOptions{})
	}
	if err != nil {
		return nil, err
	}
	files, err := secrets.NewFiles(filepath.Join(dir, "secrets"))
	if err != nil {
		return nil, err
	}
	return realKeeper(files, s, adobe), nil
}

// realKeeper is a keeper on the time of this machine.
func realKeeper(secrets secrets.Store, leases store.Store, adobe string) *Keeper {
	return &Keeper{
		Client: &cmu.Client{AuthURL: adobe}, Secrets: secrets, Store: leases, Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)),
		StatementName: statementName, CredentialsName: credentialsName, TokenName: tokenName,
		// Waits are for Adobe's sake, and this one is not busy.
		Sleep: func(ctx context.Context, d time.Duration) error {
			time.Sleep(d / 2)
			return ctx.Err()
		},
	}
}

// openChild makes the keeper of a child process.
var openChild = laptop

// child refreshes once and prints the result.
func child() int {
	k, err := openChild(os.Getenv(childDir), os.Getenv(childAdobe))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer k.Store.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := k.Refresh(ctx, RefreshOptions{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
	return 0
}

// Fifty processes that start at once on one data folder make one registration and one token.
func TestProcesses(t *testing.T) {
	adobe := sandbox.New(sandbox.Options{})
	server := httptest.NewServer(adobe)
	defer server.Close()
	dir := t.TempDir()
	files, err := secrets.NewFiles(filepath.Join(dir, "secrets"))
	if err != nil {
		t.Fatal(err)
	}
	if err := files.Write(background, statementName, "", []byte(adobe.Statement())); err != nil {
		t.Fatal(err)
	}
	count := storm(t, 50, childDir+"="+dir, childAdobe+"="+server.URL)
	if count[Renewed] != 1 || count[Kept] != 49 {
		t.Errorf("outcomes: %v", count)
	}
	if c := adobe.Counts(); c.Register != 1 || c.Token != 1 {
		t.Errorf("%d registrations, %d calls for a token", c.Register, c.Token)
	}
	k, err := laptop(dir, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Store.Close()
	if s := must[Status](t)(k.Status(background)); !s.Token.Valid || s.Registrations.Count != 1 {
		t.Errorf("%+v", s)
	}
	for _, name := range []string{statementName, credentialsName, tokenName} {
		value, err := files.Read(background, name)
		if err != nil {
			t.Fatal(err)
		}
		hide(value)
	}
}

// storm runs this binary so many times at once, and counts the outcomes.
func storm(t *testing.T, processes int, env ...string) map[string]int {
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		count = map[string]int{}
	)
	for range processes {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), env...)
			var out, log bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &log
			err := cmd.Run()
			_, _ = said.Write(append(out.Bytes(), log.Bytes()...))
			var r RefreshResult
			if err == nil {
				err = json.Unmarshal(out.Bytes(), &r)
			}
			if err != nil {
				t.Errorf("%v: %s", err, log.Bytes())
			}
			mu.Lock()
			defer mu.Unlock()
			count[r.Outcome]++
		})
	}
	wg.Wait()
	return count
}
