package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/archive"
	"cmu-gateway/internal/reports"
)

// reply is one line of the answer to an order, in JSON: any number of them that tell what goes on, then one with the result
// or the error. The body of a report follows the last.
type reply[T any] struct {
	said
	Result *T     `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

// said is what is told before an answer: what is waited for, or how far it is.
type said struct {
	Waits    string    `json:"waits,omitempty"`
	Progress *progress `json:"progress,omitempty"`
	// Step is a month of a restoration, the Done-th of Total.
	Step *restoreStep `json:"step,omitempty"`
}

// restoreStep is a step with what its document leaves out.
type restoreStep struct {
	archive.RestoreStep
	Done  int `json:"done"`
	Total int `json:"total"`
}

// waiting is for orders that tell nothing but what they wait for.
func waiting(say func(said)) func(string) {
	return func(message string) { say(said{Waits: message}) }
}

// maxOrder is the size of the largest order, in bytes: a software statement and what surrounds it.
const maxOrder = 128 << 10

// control takes the orders of commands for a desk: from those alone who know the key, at the host alone that is in the address
// file, and never from a page in a browser.
func control(l *local, host string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, l.address.Proof) })
	mux.HandleFunc("POST /report", func(w http.ResponseWriter, r *http.Request) {
		var a *answered
		obey(w, r, func(ctx context.Context, o reportOrder, say func(said)) (result outcome, err error) {
			if a, err = l.answer(ctx, o, func(p progress) { say(said{Progress: &p}) }); err == nil {
				result = a.outcome
			}
			return result, err
		})
		if a != nil && a.write(r.Context(), w) != nil {
			panic(http.ErrAbortHandler) // the command must see that the end is missing
		}
	})
	mux.HandleFunc("POST /rows", func(w http.ResponseWriter, r *http.Request) {
		var a *reports.Answer
		obey(w, r, func(ctx context.Context, o reportOrder, say func(said)) (result rowsHead, err error) {
			a, result, err = l.headed(ctx, o, func(p progress) { say(said{Progress: &p}) })
			return result, err
		})
		if a != nil && writeRows(r.Context(), w, a) != nil {
			panic(http.ErrAbortHandler)
		}
	})
	mux.HandleFunc("POST /purge", func(w http.ResponseWriter, r *http.Request) {
		obey(w, r, func(ctx context.Context, o purgeOrder, _ func(said)) (reports.Purged, error) { return l.purge(ctx, o) })
	})
	mux.HandleFunc("POST /restore", func(w http.ResponseWriter, r *http.Request) {
		obey(w, r, func(ctx context.Context, o restoreOrder, say func(said)) (archive.RestoreResult, error) {
			return l.restore(ctx, o, func(s archive.RestoreStep) { say(said{Step: &restoreStep{s, s.Done, s.Total}}) })
		})
	})
	mux.HandleFunc("POST /status", func(w http.ResponseWriter, r *http.Request) {
		obey(w, r, func(ctx context.Context, _ struct{}, _ func(said)) (status, error) { return l.status(ctx) })
	})
	mux.HandleFunc("POST /register", func(w http.ResponseWriter, r *http.Request) {
		obey(w, r, func(ctx context.Context, o registerOrder, say func(said)) (access.RegisterResult, error) {
			return l.register(ctx, o, waiting(say))
		})
	})
	mux.HandleFunc("POST /refresh", func(w http.ResponseWriter, r *http.Request) {
		obey(w, r, func(ctx context.Context, _ struct{}, say func(said)) (access.RefreshResult, error) {
			return l.refresh(ctx, waiting(say))
		})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known := subtle.ConstantTimeCompare([]byte(r.Header.Get(keyHeader)), []byte(l.address.Key)) == 1
		if _, page := r.Header["Origin"]; !known || page || r.Host != host {
			http.Error(w, "This address is for cmu commands that can read its key in the data folder.", http.StatusForbidden)
			return
		}
		began := time.Now()
		defer func() {
			l.log.InfoContext(r.Context(), "order", "path", r.URL.Path, "ms", float64(time.Since(began).Microseconds())/1000)
		}()
		mux.ServeHTTP(w, r)
	})
}

// obey reads an order, has it done, and writes the lines of the answer.
func obey[Order, Result any](w http.ResponseWriter, r *http.Request, do func(context.Context, Order, func(said)) (Result, error)) {
	var order Order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder)).Decode(&order); err != nil {
		http.Error(w, "The order cannot be read.", http.StatusBadRequest)
		return
	}
	var mu sync.Mutex
	var done bool
	write := func(one reply[Result]) {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return
		}
		// A command that has left is not missed here: its order ends with the context.
		_ = json.NewEncoder(w).Encode(one)
		if done = one.said == (said{}); !done {
			_ = http.NewResponseController(w).Flush()
		}
	}
	result, err := do(r.Context(), order, func(what said) { write(reply[Result]{said: what}) })
	if err != nil {
		write(reply[Result]{Error: err.Error()})
		return
	}
	write(reply[Result]{Result: &result})
}
