package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"cmu-gateway/internal/sandbox"
)

// address is what a running cmu serve leaves in its folder for other commands.
type address struct {
	Gateway string `json:"gateway"`
	Sandbox string `json:"sandbox,omitempty"`
	PID     int    `json:"pid"`
}

func (d *desk) addressFile() string { return filepath.Join(d.folder, "serve.json") }

// announce leaves an address, and takes it away when the desk is closed.
func (d *desk) announce(a address) error {
	a.PID = os.Getpid()
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	// A reader sees the whole file or none.
	temp := d.addressFile() + ".new"
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return err
	}
	d.closers = append(d.closers, func() {
		if now, ok := d.readAddress(); ok && now.PID == a.PID {
			if err := os.Remove(d.addressFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
				d.log.Warn("the address file could not be removed", "error", err)
			}
		}
	})
	return os.Rename(temp, d.addressFile())
}

func (d *desk) readAddress() (a address, ok bool) {
	text, err := os.ReadFile(d.addressFile())
	return a, err == nil && json.Unmarshal(text, &a) == nil
}

// runningSandbox returns the base of the simulated Adobe of a running cmu serve, or "". Whatever answers at a stale address is
// not taken for it.
func (d *desk) runningSandbox(ctx context.Context) string {
	a, ok := d.readAddress()
	if !ok || a.Sandbox == "" {
		return ""
	}
	text, err := fetchSmall(ctx, a.Sandbox+"/_sandbox/statement")
	if err != nil || string(text) != sandbox.New(sandbox.Options{Seed: d.place.seed}).Statement() {
		return ""
	}
	return a.Sandbox
}

// fetchSmall reads a small answer of a process on this machine.
func fetchSmall(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := (&http.Transport{}).RoundTrip(req) // past any proxy
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, errors.New(res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, 64<<10))
}
