package rig

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// Lambda is a stand-in for the Runtime API that has a function called once.
//
// Source: AWS Lambda Developer Guide, Runtime API.
type Lambda struct {
	*http.ServeMux // more of it may be added
	// Address is for AWS_LAMBDA_RUNTIME_API.
	Address string
	// Answers takes what the function answers, be it an error.
	Answers chan LambdaAnswer
}

// LambdaAnswer is one call by which a function answered.
type LambdaAnswer struct {
	What            string // response or error
	Header, Trailer http.Header
	Chunked         bool
	Body            []byte
}

// NewLambda returns a Lambda with that event, until the test ends.
func NewLambda(t testing.TB, event []byte) *Lambda {
	l := &Lambda{ServeMux: http.NewServeMux(), Answers: make(chan LambdaAnswer, 1)}
	var invocations atomic.Int32
	l.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		if invocations.Add(1) > 1 {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", "1")
		w.Header().Set("Lambda-Runtime-Deadline-Ms", "32503680000000")
		w.Write(event)
	})
	l.HandleFunc("POST /2018-06-01/runtime/invocation/1/{what}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		l.Answers <- LambdaAnswer{r.PathValue("what"), r.Header, r.Trailer, slices.Contains(r.TransferEncoding, "chunked"), body}
	})
	server := httptest.NewServer(l)
	t.Cleanup(server.CloseClientConnections)
	l.Address = strings.TrimPrefix(server.URL, "http://")
	return l
}
