package access

import (
	"bytes"
	"context"
	"encoding/json"
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
	"cmu-gateway/pkg/cmu"
)

// The environment of the test binary when it is one of several processes of a deployment.
const (
	childDeployment = "CMU_TEST_CHILD_DEPLOYMENT"
	childAdobe      = "CMU_TEST_CHILD_ADOBE"
	childShared     = "CMU_TEST_CHILD_SHARED"
)

// realKeeper is a keeper on the time of this machine.
func realKeeper(kept secrets.Store, shared leasesAndNotes, adobe, prefix string) *Keeper {
	return NewKeeper(KeeperOptions{
		Client: &cmu.Client{AuthURL: adobe}, Secrets: kept, Leases: shared, Notes: shared, Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)),
		StatementName: prefix + "/statement", CredentialsName: prefix + "/credentials", TokenName: prefix + "/token",
	})
}

// openChild makes the keeper of a child process: its secrets are files of a folder, its leases and notes in the store that
// childShared names.
var openChild = func(folder, adobe string) (*Keeper, error) {
	files, err := secrets.NewFiles(folder)
	if err != nil {
		return nil, err
	}
	return realKeeper(files, remoteStore{os.Getenv(childShared)}, adobe, "test"), nil
}

// child refreshes once and prints the result.
func child() int {
	k, err := openChild(os.Getenv(childDeployment), os.Getenv(childAdobe))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	r, err := k.Refresh(ctx, RefreshOptions{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
	return 0
}

// Fifty processes of one deployment that start at once make one registration and one token.
func TestProcesses(t *testing.T) {
	t.Parallel()
	adobe := sandbox.New(sandbox.Options{})
	server := httptest.NewServer(adobe)
	defer server.Close()
	notes := &memoryStore{now: time.Now}
	shared := httptest.NewServer(serveShared(notes))
	defer shared.Close()
	folder := filepath.Join(t.TempDir(), "secrets")
	files, err := secrets.NewFiles(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := files.Write(background, statementName, "", []byte(adobe.Statement())); err != nil {
		t.Fatal(err)
	}
	count := storm(t, 50, childDeployment+"="+folder, childAdobe+"="+server.URL, childShared+"="+shared.URL)
	if count[Renewed] != 1 || count[Kept] != 49 {
		t.Errorf("outcomes: %v", count)
	}
	if c := adobe.Counts(); c.Register != 1 || c.Token != 1 {
		t.Errorf("%d registrations, %d calls for a token", c.Register, c.Token)
	}
	k := realKeeper(files, notes, server.URL, "test")
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
