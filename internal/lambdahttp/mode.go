package lambdahttp

import (
	"bytes"
	"context"
	"net"
	"net/http"
)

// AnnounceStreams has streamed answers bear the header by which AWS asks a runtime to say that it streams. The runtime client of
// aws-lambda-go 1.55.1 does not send it and takes no client of ours, but the way in which the default transport dials. It must be called
// before lambda.Start; api is the address in AWS_LAMBDA_RUNTIME_API.
//
// Source: AWS Lambda Developer Guide, Building a custom runtime, response streaming.
func AnnounceStreams(api string) {
	transport := http.DefaultTransport.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil || address != api {
			return conn, err
		}
		return announcer{conn}, nil
	}
}

// announcer is a connection to the Runtime API.
type announcer struct{ net.Conn }

var (
	streamedType = []byte("\r\nContent-Type: application/vnd.awslambda.http-integration-response\r\n")
	streamedMode = []byte("Lambda-Runtime-Function-Response-Mode: streaming\r\n")
)

// Write adds the header to a request that begins in p, as each does: net/http has written all of the one before by then.
func (a announcer) Write(p []byte) (int, error) {
	header, _, whole := bytes.Cut(p, []byte("\r\n\r\n"))
	at := bytes.Index(header, streamedType)
	if !whole || at < 0 || !bytes.HasPrefix(p, []byte("POST /")) || bytes.Contains(header, streamedMode[:len(streamedMode)-2]) {
		return a.Conn.Write(p)
	}
	at += len(streamedType)
	with := make([]byte, 0, len(p)+len(streamedMode))
	with = append(append(append(with, p[:at]...), streamedMode...), p[at:]...)
	n, err := a.Conn.Write(with)
	if n > at {
		n = max(at, n-len(streamedMode))
	}
	return n, err
}
