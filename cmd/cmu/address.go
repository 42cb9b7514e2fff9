package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// address is what a running cmu serve leaves in its folder for other commands, in a file of its own.
type address struct {
	// Instance is random, and repeated in the status of the gateway: whoever else answers at a stale address is not taken for it.
	Instance string    `json:"instance"`
	Gateway  string    `json:"gateway"`
	Sandbox  string    `json:"sandbox,omitempty"`
	Since    time.Time `json:"since"`
}

func newInstance() string { return rand.Text() }

// announce leaves an address, and takes it away when the desk is closed.
func (d *desk) announce(a address) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	// A reader sees the whole file or none.
	file := filepath.Join(d.folder, "serve-"+a.Instance)
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return err
	}
	d.closers = append(d.closers, func() { d.removeAddress(file + ".json") })
	return os.Rename(file+".new", file+".json")
}

func (d *desk) removeAddress(file string) {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("the address file could not be removed", "error", err)
	}
}

// running returns the address of the cmu serve that runs on this folder, of several the last one started, and its status. It
// removes addresses that nobody or somebody else answers at; one that does not answer in time stays.
func (d *desk) running(ctx context.Context) (a address, status []byte, ok bool) {
	files, _ := filepath.Glob(filepath.Join(d.folder, "serve-*.json")) // the pattern is good
	type left struct {
		address
		file string
	}
	var all []left
	for _, file := range files {
		text, err := os.ReadFile(file)
		l := left{file: file}
		if err == nil && json.Unmarshal(text, &l.address) == nil {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b left) int { return b.Since.Compare(a.Since) })
	for _, l := range all {
		text, err := fetchSmall(ctx, l.Gateway+"/status")
		var doc struct{ Instance string }
		switch {
		case err == nil && json.Unmarshal(text, &doc) == nil && doc.Instance == l.Instance:
			return l.address, text, true
		case err == nil, errors.Is(err, errNoGateway), errors.Is(err, syscall.ECONNREFUSED):
			d.removeAddress(l.file)
		}
	}
	return address{}, nil, false
}

// runningSandbox returns the base of the simulated Adobe of a running cmu serve, or "".
func (d *desk) runningSandbox(ctx context.Context) string {
	a, _, _ := d.running(ctx)
	return a.Sandbox
}

// errNoGateway is an answer that no cmu serve gives.
var errNoGateway = errors.New("the answer is not a gateway's")

// fetchSmall reads a small answer of a process on this machine.
func fetchSmall(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req) // past any proxy
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, errNoGateway
	}
	return io.ReadAll(io.LimitReader(res.Body, 64<<10))
}
