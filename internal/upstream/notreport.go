package upstream

import (
	"io"

	"cmu-gateway/pkg/cmu"
)

// NotReportError says that Adobe, or who answered in its place, sent something else with a status of success. It matches
// cmu.ErrNotReport.
type NotReportError struct {
	// Begins is how the answer begins, in a line that people can be shown; empty: there is nothing to show.
	Begins string
	cause  error
}

func (e *NotReportError) Error() string {
	if e.Begins == "" {
		return e.cause.Error()
	}
	return e.cause.Error() + ": it begins " + e.Begins
}

// Unwrap returns what was wrong.
func (e *NotReportError) Unwrap() error { return e.cause }

// maxBegin is how much is kept of an answer until its first row.
const maxBegin = 4 << 10

// firstBytes keeps the beginning of what is read through it.
type firstBytes struct {
	r    io.Reader
	kept []byte
}

func (f *firstBytes) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.kept = append(f.kept, p[:min(n, maxBegin-len(f.kept))]...)
	return n, err
}

// notReport adds how an answer begins, to a call with that token, to the error of reading it.
func (f *firstBytes) notReport(err error, token cmu.Secret) error {
	_, _ = io.CopyN(io.Discard, f, int64(maxBegin-len(f.kept))) // who reads stops at the first byte that is wrong
	return &NotReportError{cmu.Reason(f.kept, token), err}
}
