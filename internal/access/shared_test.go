package access

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"cmu-gateway/internal/store"
)

// leasesAndNotes is the part of a store that a Keeper needs.
type leasesAndNotes interface {
	store.Leases
	store.Notes
}

// serveShared lets other processes use the store by a remoteStore.
func serveShared(s leasesAndNotes) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c remoteCall
		var err error
		if err = json.NewDecoder(r.Body).Decode(&c); err == nil {
			switch ctx := r.Context(); c.Op {
			case "Acquire":
				err = s.Acquire(ctx, c.Name, c.Holder, c.Until)
			case "Release":
				err = s.Release(ctx, c.Name, c.Holder)
			case "Notes":
				c.Notes, err = s.Notes(ctx)
			case "PutNote":
				err = s.PutNote(ctx, c.Name, c.Note)
			case "DeleteNote":
				err = s.DeleteNote(ctx, c.Name)
			}
		}
		if held, ok := err.(*store.HeldError); ok {
			c.Held, err = held, nil
		}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_ = json.NewEncoder(w).Encode(c)
	})
}

// remoteCall is a call, and its answer.
type remoteCall struct {
	Op, Name, Holder string
	Until            time.Time
	Note             store.Note
	Notes            map[string]store.Note
	Held             *store.HeldError
}

// remoteStore is a store that is served at a URL.
type remoteStore struct{ url string }

func (s remoteStore) do(ctx context.Context, c remoteCall) (map[string]store.Note, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", c.Op, res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(&c); err != nil {
		return nil, err
	}
	if c.Held != nil {
		return nil, c.Held
	}
	return c.Notes, nil
}

func (s remoteStore) Acquire(ctx context.Context, lease, holder string, until time.Time) error {
	_, err := s.do(ctx, remoteCall{Op: "Acquire", Name: lease, Holder: holder, Until: until})
	return err
}

func (s remoteStore) Release(ctx context.Context, lease, holder string) error {
	_, err := s.do(ctx, remoteCall{Op: "Release", Name: lease, Holder: holder})
	return err
}

func (s remoteStore) Notes(ctx context.Context) (map[string]store.Note, error) {
	return s.do(ctx, remoteCall{Op: "Notes"})
}

func (s remoteStore) PutNote(ctx context.Context, name string, n store.Note) error {
	_, err := s.do(ctx, remoteCall{Op: "PutNote", Name: name, Note: n})
	return err
}

func (s remoteStore) DeleteNote(ctx context.Context, name string) error {
	_, err := s.do(ctx, remoteCall{Op: "DeleteNote", Name: name})
	return err
}
