package awsconfig

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// newHTTPClient returns a client for calls within one region: it connects fast or fails, so that the SDK's retries have time.
// The time for a whole call is the context's.
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: ownBody{&http.Transport{
			Proxy:       http.ProxyFromEnvironment,
			DialContext: (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			// A connection that died while the sandbox was frozen is found out by the lack of an answer.
			TLSHandshakeTimeout:   3 * time.Second,
			ResponseHeaderTimeout: 5 * time.Second,
			MaxIdleConns:          64,
			MaxIdleConnsPerHost:   32,
			IdleConnTimeout:       90 * time.Second,
		}},
		// A redirect would carry signed requests elsewhere, and these services send none.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// loadRoots begins to load the system's TLS roots, while the first call finds its way to the handshake that needs them. They take longer
// than all else at a start, so that it would ask for its first event late if they were loaded there.
var loadRoots = sync.OnceFunc(func() {
	go x509.SystemCertPool() //nolint:errcheck // whoever needs the pool gets the error
})

// maxRequestBody is above what any of the services takes: DynamoDB 16 MB, Lambda 6 MB, Secrets Manager 64 kB.
const maxRequestBody = 17 << 20

// ownBody gives each request a body that the transport owns. The SDK closes its body as soon as the answer's header is there;
// a read of it then returns io.EOF, and when that read is the transport's last, still under way, the transport takes the body
// for short and closes the connection under the answer: a stall and a retry.
type ownBody struct{ next http.RoundTripper }

func (t ownBody) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "https" {
		loadRoots()
	}
	if req.Body == nil || req.Body == http.NoBody {
		return t.next.RoundTrip(req)
	}
	var buf bytes.Buffer
	if n := req.ContentLength; n > 0 && n <= maxRequestBody {
		buf.Grow(int(n) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(io.LimitReader(req.Body, maxRequestBody+1))
	req.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("read the request body: %w", err)
	}
	if buf.Len() > maxRequestBody {
		return nil, fmt.Errorf("request body over %d bytes", maxRequestBody)
	}
	body := buf.Bytes()
	own := req.WithContext(req.Context())
	own.ContentLength = int64(len(body))
	own.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	own.Body, _ = own.GetBody()
	return t.next.RoundTrip(own)
}
