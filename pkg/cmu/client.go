package cmu

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

const (
	opRegister = "register"
	opToken    = "token"
	opReport   = "report"
)

// HeaderSimulated is on every answer of a simulated Adobe, and of a gateway over one, with the value ?1: rows are made up. Adobe has no
// such header.
const HeaderSimulated = "Cmu-Simulated"

// Client calls Adobe. [NewClient] makes one; a literal with the two URLs is as good. Nothing is retried (but Go's Transport asks again
// by itself where a connection kept open turns out to be closed), no redirect is followed and no cookie kept. A Client may be used by
// many goroutines at once, and its fields must not be changed then.
type Client struct {
	// AuthURL is the authorization server. Register and Token need it.
	AuthURL string
	// ReportsURL is the reports base with its path prefix. Report and Rows need it. The two URLs are checked by each call: they
	// are http or https, name a host, hold no credentials, query or fragment, and may end in a slash.
	ReportsURL string
	// AllowHTTP lets secrets go over plain http to other machines; without it, calls to a base of which [PlainHTTP] is true fail.
	AllowHTTP bool
	// RedirectURI is sent on registration unless empty. Adobe's pages call it optional, its OpenAPI file does not.
	RedirectURI string
	// DeviceInfo is the X-Device-Info header (base64 of a JSON object) of registration and token calls, unless empty.
	DeviceInfo string
	// Transport carries the calls; nil is [http.DefaultTransport], which keeps two connections to a host open for later calls: set
	// MaxIdleConnsPerHost in a clone of it to make more calls at once.
	Transport http.RoundTripper
	// Timeout bounds a whole call, the reading of its body included; zero is one minute.
	Timeout time.Duration
	// MaxBody bounds the bytes of a report after decompression; zero is 1 GiB.
	MaxBody int64
	// Now is the clock that tokens and waits are measured by; nil is the wall clock.
	Now func() time.Time
}

// NewClient returns a Client of e. A URL that e leaves empty is that of the environment it names, so each of these will do:
//
//	cmu.NewClient(cmu.Environment{Name: "production"})
//	cmu.NewClient(cmu.Environment{Name: "production", ReportsURL: "https://proxy.example.com/cmu/v2"})
//	cmu.NewClient(cmu.Environment{AuthURL: server.URL, ReportsURL: server.URL + "/cmu/v2"})
//
// All other fields have their zero values, which are good, and may be set before the first call. An error says which name or
// URL is wrong and what is allowed. No call is made.
func NewClient(e Environment) (*Client, error) {
	if e.AuthURL == "" || e.ReportsURL == "" {
		known, ok := LookupEnvironment(e.Name)
		if !ok {
			return nil, fmt.Errorf("cmu: environment %q is none of %s; name one, or give AuthURL and ReportsURL", bounded(e.Name), strings.Join(EnvironmentNames(), ", "))
		}
		e.AuthURL, e.ReportsURL = cmp.Or(e.AuthURL, known.AuthURL), cmp.Or(e.ReportsURL, known.ReportsURL)
	}
	auth, err := checkBase("AuthURL", e.AuthURL)
	if err != nil {
		return nil, fmt.Errorf("cmu: %w", err)
	}
	reports, err := checkBase("ReportsURL", e.ReportsURL)
	if err != nil {
		return nil, fmt.Errorf("cmu: %w", err)
	}
	return &Client{AuthURL: auth, ReportsURL: reports}, nil
}

const (
	defaultTimeout = time.Minute
	defaultMaxBody = 1 << 30
	maxAuthBody    = 64 << 10
)

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now().Round(0) // the monotonic clock stands still while a machine sleeps
}

// send does one HTTP call: the only place that talks to Adobe. The answer's status is one of want and its body is bounded
// by limit, decompressed, and must be closed; any other outcome is an error, an *Error if Adobe answered. secret is what the call
// sends: no error holds it.
func (c *Client) send(req *http.Request, op string, secret Secret, limit int64, want ...int) (*http.Response, error) {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(req.Context(), timeout)
	if c.DeviceInfo != "" && op != opReport {
		req.Header.Set("X-Device-Info", c.DeviceInfo)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	transport := c.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	// The transport is used bare: a redirect must not carry a secret elsewhere, and cookies are never kept.
	resp, err := transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, fmt.Errorf("adobe %s: %w", op, unreadable(redactedError(withoutURL(err), secret)))
	}
	if resp.Body, err = newBody(resp, secret, limit, cancel); err != nil {
		return nil, fmt.Errorf("adobe %s: status %d: %w", op, resp.StatusCode, err)
	}
	for _, status := range want {
		if resp.StatusCode == status {
			return resp, nil
		}
	}
	defer resp.Body.Close()
	e := &Error{Op: op, Status: resp.StatusCode}
	if errors.Is(e, ErrThrottled) {
		e.RetryAfter = e.wait(resp.Header, c.now())
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxReasonRead)) // what came before a fault is reason enough
	e.read(text, secret)
	return nil, e
}

// read takes what may be known from an error body: of a report the reason, of all else the code alone.
func (e *Error) read(body []byte, secret Secret) {
	if e.Op == opReport {
		e.Reason = Reason(body, secret)
	} else if code := oauthCode(body); !holds(code, secret) {
		e.Code = code
	}
}

// unreadable names what net/http has no name for: an answer that is there, and is none that can be read, however often it is asked for.
// Over HTTP/2 headers that are far too large count as a breach of the protocol.
func unreadable(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "server response headers exceeded"), strings.Contains(text, "response header list larger"):
		return errHeaders
	case strings.Contains(text, "connection error: PROTOCOL_ERROR"):
		return fmt.Errorf("%w: %w", ErrNotReport, err)
	}
	return err
}

func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// body decompresses and bounds a response body, and ends the call's time limit when closed.
type body struct {
	io.Reader
	raw    io.Closer
	gz     *gzip.Reader
	cancel context.CancelFunc
	secret Secret // of the call
}

func newBody(resp *http.Response, secret Secret, limit int64, cancel context.CancelFunc) (*body, error) {
	b := &body{Reader: resp.Body, raw: resp.Body, cancel: cancel, secret: secret}
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		resp.Header.Del("Content-Encoding") // as http.Transport does where it decompresses by itself
		resp.Header.Del("Content-Length")
		resp.ContentLength, resp.Uncompressed = -1, true
		gz, err := gzip.NewReader(resp.Body)
		if errors.Is(err, io.EOF) { // an empty body, as of a 429
			gz, err = nil, nil
		}
		if err != nil {
			b.Close()
			return nil, fmt.Errorf("broken compression: %w", redactedError(err, secret))
		}
		if b.gz = gz; gz != nil {
			b.Reader = gz
		}
	}
	b.Reader = &boundedReader{r: b.Reader, left: limit}
	return b, nil
}

// Read reads on. A fault in the body may quote it.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = redactedError(err, b.secret)
	}
	return n, err
}

func (b *body) Close() error {
	if b.gz != nil {
		b.gz.Close()
	}
	err := b.raw.Close()
	b.cancel()
	return err
}

// boundedReader fails with ErrTooLarge where more than left bytes come.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		if n, err := b.r.Read(make([]byte, 1)); n == 0 {
			return 0, err
		}
		return 0, ErrTooLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
