package reports

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/rows"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// Encoding of a block as a stored value: a header of varints and strings, then the fragment. The store's key carries the
// version of this form.

const (
	flagMixed = 1 << iota
	flagTruncated
	flagSettled
	flagSimulated
	// flagSecond tells that links are packed and columns are there, as releases after 0.1.0 have it.
	flagSecond
	flagPast
)

// unread stands where a release that does not know flagSecond reads a count: to it, the block is damaged, and so absent.
const unread = 1 << 62

func (b *block) encode(report store.Report) store.Block {
	d := make([]byte, 0, len(b.rows.Deflate)+1024)
	flags := uint64(flagSecond)
	if b.lead.Mixed {
		flags |= flagMixed
	}
	if b.simulated {
		flags |= flagSimulated
	}
	d = binary.AppendUvarint(d, flags)
	d = binary.AppendUvarint(d, unread)
	d = binary.AppendUvarint(d, uint64(len(b.coverage)))
	for _, s := range b.coverage {
		flags = 0
		if s.Truncated {
			flags |= flagTruncated
		}
		if s.Settled {
			flags |= flagSettled
		}
		if s.Past {
			flags |= flagPast
		}
		d = binary.AppendVarint(d, int64(s.From))
		d = binary.AppendVarint(d, int64(s.To))
		d = binary.AppendVarint(d, s.Fetched.UnixMilli())
		d = binary.AppendUvarint(d, flags)
	}
	d = appendString(d, b.lead.Value)
	links := packLinks(report, b.links)
	d = append(binary.AppendUvarint(d, uint64(len(links))), links...)
	d = appendString(d, b.rows.Columns.Text())
	d = binary.AppendUvarint(d, uint64(b.rows.Values))
	d = binary.AppendUvarint(d, uint64(b.rows.Rows))
	d = binary.AppendUvarint(d, uint64(b.rows.Len))
	d = binary.BigEndian.AppendUint32(d, b.rows.CRC)
	d = append(d, b.rows.Digest[:]...)
	return store.Block{Name: b.name, Data: append(d, b.rows.Deflate...), Fetched: b.fetched}
}

func appendString(d []byte, s string) []byte {
	return append(binary.AppendUvarint(d, uint64(len(s))), s...)
}

var errBlock = errors.New("a stored block is unreadable")

// decodeBlock reads what encode wrote. The block keeps s.Data, and so does l.
func decodeBlock(s store.Block, l *linksReader) (*block, error) {
	d := decoder{data: s.Data}
	b := &block{name: s.Name, fetched: s.Fetched}
	flags := d.uvarint()
	b.lead.Mixed, b.simulated = flags&flagMixed != 0, flags&flagSimulated != 0
	second := flags&flagSecond != 0
	if second && d.uvarint() != unread {
		d.fail()
	}
	for n := d.count(); n > 0; n-- {
		k := plan.Known{Span: plan.Span{From: cmu.Civil(d.varint()), To: cmu.Civil(d.varint())}, Fetched: time.UnixMilli(d.varint())}
		flags = d.uvarint()
		k.Truncated, k.Settled, k.Past = flags&flagTruncated != 0, flags&flagSettled != 0, flags&flagPast != 0
		b.coverage = append(b.coverage, k)
	}
	b.lead.Value = d.string()
	if !second {
		b.links = cmu.Links{Self: d.string(), RollUp: d.links(), DrillDown: d.links()}
	} else {
		links, err := l.unpack(d.take(d.count()))
		if err != nil {
			return nil, fmt.Errorf("%w: %q: %w", errBlock, s.Name, err)
		}
		b.links = links
		b.rows.Columns, b.rows.Values = rows.ColumnsOf(d.string()), int64(d.uvarint())
	}
	b.rows.Rows, b.rows.Len = int(d.uvarint()), int64(d.uvarint())
	b.lead.Any = b.rows.Rows > 0
	b.rows.CRC = d.uint32()
	copy(b.rows.Digest[:], d.take(len(b.rows.Digest)))
	b.rows.Deflate = d.data
	whole := b.rows.Rows == 0 || bytes.HasSuffix(b.rows.Deflate, []byte("\x00\x00\xff\xff")) // a sync flush
	if d.broken || !whole || len(b.coverage) == 0 || b.rows.Rows < 0 || b.rows.Len < 0 || b.rows.Values < 0 {
		return nil, fmt.Errorf("%w: %q", errBlock, s.Name)
	}
	return b, nil
}

// decoder takes values off data until one is broken; then all are zero.
type decoder struct {
	data   []byte
	broken bool
}

func (d *decoder) fail() { d.data, d.broken = nil, true }

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.data)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.data = d.data[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.data)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.data = d.data[n:]
	return v
}

// count reads the length of a list, which cannot be longer than the data.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.data)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) take(n int) []byte {
	if n > len(d.data) {
		d.fail()
		return nil
	}
	v := d.data[:n]
	d.data = d.data[n:]
	return v
}

func (d *decoder) string() string { return string(d.take(d.count())) }

func (d *decoder) uint32() uint32 {
	if v := d.take(4); len(v) == 4 {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (d *decoder) links() (links []cmu.Link) {
	for n := d.count(); n > 0 && !d.broken; n-- {
		links = append(links, cmu.Link{Href: d.string(), Name: d.string()})
	}
	return links
}
