package lambdahttp

import (
	"net/http"
	"strconv"
	"strings"
)

// head is what comes before the body of an answer, as a handler makes it.
type head struct {
	header http.Header
	bare   bool // the answer has no body: a HEAD request or a status that forbids one

	status int         // zero before the header is written
	sent   http.Header // a copy of header as of then
	begun  bool        // some of the body was written
}

func newHead(method string) head {
	return head{header: http.Header{}, bare: method == http.MethodHead}
}

func (h *head) Header() http.Header { return h.header }

// WriteHeader keeps the first final status, as net/http does.
func (h *head) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic("lambdahttp: status " + strconv.Itoa(status))
	}
	if h.status != 0 || status < 200 {
		return
	}
	h.status, h.sent = status, h.header.Clone()
	if bodiless(status) {
		h.bare = true
	}
}

func bodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}

// begin says whether p is to go out. Of an answer without a body it is not: that is no error where a body would be without the HEAD.
func (h *head) begin(p []byte) (body bool, err error) {
	if h.end(); h.bare {
		if bodiless(h.status) {
			return false, http.ErrBodyNotAllowed
		}
		return false, nil
	}
	if len(p) == 0 || h.begun {
		return true, nil
	}
	h.begun = true
	if _, typed := h.sent["Content-Type"]; !typed && h.sent.Get("Content-Encoding") == "" {
		h.sent.Set("Content-Type", http.DetectContentType(p))
	}
	return true, nil
}

// end makes sure that there is a status.
func (h *head) end() {
	if h.status == 0 {
		h.WriteHeader(http.StatusOK)
	}
}

// hopByHop are the headers that concern one connection alone (RFC 9110, 7.6.1); API Gateway makes its own.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// endToEnd leaves the headers that are for the caller.
func (h *head) endToEnd() {
	for _, list := range h.sent["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			h.sent.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		h.sent.Del(name)
	}
}

// oneLine makes of a value what a header may hold.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")
