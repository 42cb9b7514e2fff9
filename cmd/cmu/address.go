package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// address is what a running cmu serve leaves in its folder, readable by its user alone, for the commands that ask it.
type address struct {
	Instance string    `json:"instance"` // as in the status of the gateway
	Release  string    `json:"release"`
	Process  int       `json:"process"`
	Since    time.Time `json:"since"`
	Gateway  string    `json:"gateway"`
	Sandbox  string    `json:"sandbox,omitempty"`
	// Control takes the orders of those who send Key. Whoever answers there with Proof has written this file.
	Control string `json:"control"`
	Key     string `json:"key"`
	Proof   string `json:"proof"`
}

func (f *folder) addressFile() string { return filepath.Join(f.path, "serve.json") }

// announce leaves an address, until withdraw. Both are for the owner of the folder.
func (f *folder) announce(a address) error {
	return replaceFile(f.addressFile(), 0o600, func(w io.Writer) error { return json.NewEncoder(w).Encode(a) })
}

// withdrawOwn is withdraw, unless another process has the folder by now: somebody may have removed it, with all that was in it, and begun anew.
func (l *local) withdrawOwn() {
	text, err := os.ReadFile(l.addressFile())
	var a address
	if err == nil && json.Unmarshal(text, &a) == nil && a.Instance == l.address.Instance {
		l.withdraw()
	}
}

func (f *folder) withdraw() {
	if err := os.Remove(f.addressFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.log.Warn("the address file could not be removed", "error", err)
	}
}

// helloTime is how long a cmu serve may take to say that it is there. Tests have less.
var helloTime = 5 * time.Second

// owner returns the address of the cmu serve that has the folder, or nil: none has left one, or whoever left it has ended. Its error
// is that it does not answer.
func (f *folder) owner(ctx context.Context, waits func(string)) (*address, error) {
	text, err := os.ReadFile(f.addressFile())
	var a address
	if err != nil || json.Unmarshal(text, &a) != nil {
		return nil, nil
	}
	limited, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	slow := time.AfterFunc(tellAfter, func() { waits("the cmu serve that has the data folder " + f.path + " does not answer yet") })
	defer slow.Stop()
	res, err := a.send(limited, http.MethodGet, "/hello", nil)
	if err == nil {
		defer res.Body.Close()
		text, err = io.ReadAll(io.LimitReader(res.Body, 100))
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("the cmu serve that has the data folder %s since %s, as process %d, does not answer: end it, and start it again",
			f.path, at(a.Since), a.Process)
	case err != nil, string(text) != a.Proof:
		return nil, nil // it has ended, and somebody else may answer in its place
	}
	return &a, nil
}

// keyHeader holds the key. No page in a browser can send it to another origin.
const keyHeader = "Cmu-Key"

// send asks the control door.
func (a *address) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.Control+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set(keyHeader, a.Key)
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(req) // past any proxy
}

// replaceFile puts what write writes in the place of a file: whole, or not at all. A new file has the mode, less what the umask takes;
// one that was there keeps its own.
func replaceFile(path string, mode fs.FileMode, write func(io.Writer) error) error {
	file, err := os.OpenFile(path+"."+rand.Text()[:8], os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, cause(err))
	}
	defer os.Remove(file.Name()) // nothing is left to remove after the rename
	if old, statErr := os.Stat(path); statErr == nil {
		err = os.Chmod(file.Name(), old.Mode().Perm())
	}
	if err == nil {
		err = write(file)
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	return err
}
