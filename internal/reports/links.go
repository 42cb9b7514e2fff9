package reports

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"cmu-gateway/internal/store"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"

	"github.com/klauspost/compress/flate"
)

// lasting returns of an answer's links what counts beyond the answer: those of periods speak neither of the window nor of the limit of
// one call, so that all blocks of a report have the same.
func (p *piece) lasting(l cmu.Links) cmu.Links {
	if !p.grid.Divided() || l.Self == "" {
		return l
	}
	self, err := upstream.Effective(l)
	if err != nil {
		l.Self = "" // it tells nothing
		return l
	}
	l.Self = cmu.Request{Filters: self.Filters, Metrics: self.Metrics}.Report()
	if l.Self == "" {
		l.Self = "?" // it tells that there is nothing
	}
	return l
}

// linksSize is about the memory that links take.
func linksSize(l cmu.Links) int {
	n := len(l.Self)
	for _, links := range [][]cmu.Link{l.RollUp, l.DrillDown} {
		for _, link := range links {
			n += len(link.Href) + len(link.Name) + 32
		}
	}
	return n
}

var (
	packers   sync.Pool
	unpackers sync.Pool
)

// packLinks returns links as they are stored: compressed, with the report's own text as dictionary, which they mostly repeat.
//
// Source: RFC 1951; RFC 1950, FDICT.
func packLinks(report store.Report, l cmu.Links) []byte {
	var d []byte
	d = appendString(d, l.Self)
	for _, links := range [][]cmu.Link{l.RollUp, l.DrillDown} {
		d = binary.AppendUvarint(d, uint64(len(links)))
		for _, l := range links {
			d = appendString(appendString(d, l.Href), l.Name)
		}
	}
	var packed bytes.Buffer
	z, ok := packers.Get().(*flate.Writer)
	if ok {
		z.ResetDict(&packed, []byte(report))
	} else {
		var err error
		if z, err = flate.NewWriterDict(&packed, flate.BestSpeed, []byte(report)); err != nil {
			panic(err) // the level is a constant
		}
	}
	_, _ = z.Write(d) // to memory
	_ = z.Close()
	packers.Put(z)
	return packed.Bytes()
}

// linksReader unpacks the links of blocks of one report. Blocks in a row mostly have the same, which are then unpacked once and
// shared.
type linksReader struct {
	report store.Report
	packed []byte // the latest; nil: none yet
	links  cmu.Links
}

// maxUnpacked bounds what is unpacked; no answer has so many links.
const maxUnpacked = 8 << 20

func (r *linksReader) unpack(packed []byte) (cmu.Links, error) {
	if r.packed != nil && bytes.Equal(r.packed, packed) {
		return r.links, nil
	}
	z, ok := unpackers.Get().(io.Reader)
	if ok {
		_ = z.(flate.Resetter).Reset(bytes.NewReader(packed), []byte(r.report)) // reads nothing
	} else {
		z = flate.NewReaderDict(bytes.NewReader(packed), []byte(r.report))
	}
	defer unpackers.Put(z)
	text, err := io.ReadAll(io.LimitReader(z, maxUnpacked))
	if err != nil {
		return cmu.Links{}, fmt.Errorf("links: %w", err)
	}
	d := decoder{data: text}
	l := cmu.Links{Self: d.string(), RollUp: d.links(), DrillDown: d.links()}
	if d.broken || len(d.data) > 0 {
		return cmu.Links{}, fmt.Errorf("links: %w", errBlock)
	}
	r.packed, r.links = packed, l
	return l, nil
}
