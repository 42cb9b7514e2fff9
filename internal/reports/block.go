package reports

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// block holds rows of one report, sorted: those of one calendar unit as far as they are known, or those of one exact
// request.
type block struct {
	name string
	rows Fragment
	// spans tell what of the unit is known; that of an exact block is exactSpan.
	spans []known
	// lead is what all rows share of the dimensions before the unit's own in the path; mixed if they share nothing. Blocks
	// that share it can be joined as they are.
	lead  string
	mixed bool
	// links are as Adobe's last answer told them.
	links cmu.Links
	// fetched is when the newest rows were asked for.
	fetched time.Time
}

// exactSpan stands for all that there is to know of an exact block.
var exactSpan = span{0, 1}

// blockName names the block of a calendar unit that begins at start. The names sort as the calendar does.
func blockName(start cmu.Civil) string { return "b" + start.String() }

// size is about the memory that the block takes.
func (b *block) size() int { return len(b.rows.Deflate) + 512 }

// unit returns the calendar unit of a block of rows of grain g. What the block knows may go on after it: that time to
// come is empty.
func (b *block) unit(g cmu.Grain) span {
	start := blockUnit(g).Floor(b.spans[0].From)
	return span{start, blockUnit(g).Step(start, 1)}
}

// rangesOf returns what all the blocks know, in order. Of time that two know of, the later block tells.
func rangesOf(blocks []*block) (all []known) {
	for _, b := range blocks {
		for n := len(all) - 1; n >= 0 && all[n].To > b.spans[0].From; n-- {
			if all[n].To = b.spans[0].From; all[n].empty() {
				all = all[:n]
			}
		}
		all = append(all, b.spans...)
	}
	return all
}

// Encoding of a block as a stored value: a header of varints and strings, then the fragment. The store's key carries the
// version of this form.

const (
	flagMixed = 1 << iota
	flagCut
	flagSettled
)

func (b *block) encode() store.Block {
	d := make([]byte, 0, len(b.rows.Deflate)+1024)
	flags := uint64(0)
	if b.mixed {
		flags |= flagMixed
	}
	d = binary.AppendUvarint(d, flags)
	d = binary.AppendUvarint(d, uint64(len(b.spans)))
	for _, s := range b.spans {
		flags = 0
		if s.Cut {
			flags |= flagCut
		}
		if s.Settled {
			flags |= flagSettled
		}
		d = binary.AppendVarint(d, int64(s.From))
		d = binary.AppendVarint(d, int64(s.To))
		d = binary.AppendVarint(d, s.Fetched.UnixMilli())
		d = binary.AppendUvarint(d, flags)
	}
	d = appendString(d, b.lead)
	d = appendString(d, b.links.Self)
	for _, links := range [][]cmu.Link{b.links.RollUp, b.links.DrillDown} {
		d = binary.AppendUvarint(d, uint64(len(links)))
		for _, l := range links {
			d = appendString(appendString(d, l.Href), l.Name)
		}
	}
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

// decodeBlock reads what encode wrote. The block keeps s.Data.
func decodeBlock(s store.Block) (*block, error) {
	d := decoder{data: s.Data}
	b := &block{name: s.Name, fetched: s.Fetched}
	b.mixed = d.uvarint()&flagMixed != 0
	for n := d.count(); n > 0; n-- {
		k := known{span: span{cmu.Civil(d.varint()), cmu.Civil(d.varint())}, Fetched: time.UnixMilli(d.varint())}
		flags := d.uvarint()
		k.Cut, k.Settled = flags&flagCut != 0, flags&flagSettled != 0
		b.spans = append(b.spans, k)
	}
	b.lead, b.links.Self = d.string(), d.string()
	b.links.RollUp, b.links.DrillDown = d.links(), d.links()
	b.rows.Rows, b.rows.Len = int(d.uvarint()), int64(d.uvarint())
	b.rows.CRC = d.uint32()
	copy(b.rows.Digest[:], d.take(len(b.rows.Digest)))
	b.rows.Deflate = d.data
	whole := b.rows.Rows == 0 || bytes.HasSuffix(b.rows.Deflate, []byte("\x00\x00\xff\xff")) // a sync flush
	if d.broken || !whole || len(b.spans) == 0 || b.rows.Rows < 0 || b.rows.Len < 0 {
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

// cut returns the rows of the block that the job wants. Nothing is opened where those are all.
func (b *block) cut(j *job) (Fragment, error) {
	want := j.want
	if j.exact {
		want = j.only
	}
	inside := j.exact && want.empty() || b.rows.Rows == 0
	if !j.exact && !inside {
		unit := b.unit(j.pace.grain)
		inside = !slices.ContainsFunc(b.spans, func(k known) bool {
			own := k.overlap(unit)
			return !own.empty() && (own.From < want.From || want.To < own.To)
		})
	}
	if inside {
		return b.rows, nil
	}
	w := newFragmentWriter(levelKept)
	var k key
	err := b.rows.each(func(row cmu.Row) error {
		if err := j.order.of(row, &k); err != nil {
			return err
		}
		if want.holds(k.period) {
			w.add(row)
		}
		return nil
	})
	return w.fragment(), err
}

// part is what one call to Adobe yielded for one block: all rows of its span, sorted.
type part struct {
	span
	at   time.Time
	rows Fragment
	cut  bool
	lead lead
}

// lead gathers what rows share of the dimensions before their block's unit.
type lead struct {
	value string
	any   bool // a row was seen
	mixed bool
}

func (l *lead) see(value []byte) {
	if !l.any {
		*l = lead{value: string(value), any: true}
	} else if l.value != string(value) {
		l.mixed = true
	}
}

func (l *lead) join(o lead) {
	if o.any {
		mixed := l.mixed || o.mixed
		l.see([]byte(o.value))
		l.mixed = l.mixed || mixed
	}
}

// with returns the block with the rows of the parts' spans replaced. The parts do not overlap.
func (b *block) with(j *job, parts []part, links cmu.Links) (*block, error) {
	out := &block{name: b.name, links: links}
	if j.exact {
		b = &block{fetched: b.fetched}
	}
	out.spans = b.spans
	l := lead{value: b.lead, any: b.rows.Rows > 0, mixed: b.mixed}
	fragments := []Fragment{b.rows}
	for _, p := range parts {
		out.spans = keep(out.spans, p.span, p.at, j.settled(p.at), p.cut)
		// Whatever the clocks of other processes said, what was read and then added to is newer than it was.
		if out.fetched = b.fetched.Add(time.Millisecond); p.at.After(out.fetched) {
			out.fetched = p.at
		}
		if p.rows.Rows > 0 {
			fragments = append(fragments, p.rows)
		}
		l.join(p.lead)
	}
	out.lead, out.mixed = l.value, l.mixed
	var err error
	switch {
	case len(fragments) == 2 && b.rows.Rows == 0:
		out.rows = fragments[1]
	case len(fragments) > 1 || b.rows.Rows > 0:
		w := newFragmentWriter(levelKept)
		err = j.order.merge(fragments, func(row cmu.Row, k *key, from int) error {
			if from > 0 || !slices.ContainsFunc(parts, func(p part) bool { return p.holds(k.period) }) {
				w.add(row)
			}
			return nil
		})
		out.rows = w.fragment()
	}
	return out, err
}
