package cmu

import (
	"bytes"
	"io"
)

// unmarked reads UTF-8 without the byte order mark that some servers begin it with. Source: RFC 8259, section 8.1: a reader may ignore it.
type unmarked struct {
	r     io.Reader
	begun bool
	first []byte // read, and not handed on yet
	err   error  // behind them
}

const mark = "\ufeff"

func (u *unmarked) Read(p []byte) (n int, err error) {
	if !u.begun {
		u.begin()
	}
	switch {
	case len(u.first) > 0:
		n = copy(p, u.first)
		u.first = u.first[n:]
		return n, nil
	case u.err != nil:
		return 0, u.err
	}
	return u.r.Read(p)
}

// begin reads as much as a mark is long.
func (u *unmarked) begin() {
	u.begun, u.first = true, make([]byte, len(mark))
	got := 0
	for got < len(mark) && u.err == nil {
		var n int
		n, u.err = u.r.Read(u.first[got:])
		got += n
	}
	u.first = bytes.TrimPrefix(u.first[:got], []byte(mark))
}
