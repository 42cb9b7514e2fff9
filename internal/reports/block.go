package reports

import (
	"slices"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/rows"
	"cmu-gateway/pkg/cmu"
)

// block holds rows of one report, sorted: those of one block of its grid as far as they are known, or those of one exact
// request.
type block struct {
	name string
	rows rows.Fragment
	// coverage tells what of the block's time is known. It may go on after the block: that time to come is empty.
	coverage plan.Coverage
	// lead is what all rows share of the dimensions before the unit's own in the path. Blocks that share it can be joined as
	// they are.
	lead rows.Lead
	// links are as Adobe's last answer told them, as far as that lasts.
	links cmu.Links
	// simulated tells that rows are made up.
	simulated bool
	// fetched is when the newest rows were asked for.
	fetched time.Time
}

// size is about the memory that the block takes.
func (b *block) size() int {
	return len(b.rows.Deflate) + len(b.rows.Columns.Text()) + linksSize(b.links) + 512
}

// density returns the most rows per period that the blocks hold, or zero where nothing is known.
func density(g plan.Grid, blocks []*block) (most float64) {
	for _, b := range blocks {
		n := 0
		own := g.Block(b.coverage[0].From)
		for _, k := range b.coverage {
			n += g.Periods(k.Overlap(own))
		}
		if n > 0 {
			most = max(most, float64(b.rows.Rows)/float64(n))
		}
	}
	return most
}

// slice returns the rows of the block that the piece wants. Nothing is opened where those are all.
func (b *block) slice(p *piece) (rows.Fragment, error) {
	if p.only.Empty() || b.rows.Rows == 0 || b.within(p) {
		return b.rows, nil
	}
	return p.cut(b.rows, p.only)
}

// cut returns those rows of a fragment that lie in one of the spans.
func (p *piece) cut(f rows.Fragment, spans ...plan.Span) (rows.Fragment, error) {
	w := rows.NewWriter()
	var k rows.Key
	err := f.Each(func(row cmu.Row) error {
		if err := p.order.Read(row, &k); err != nil {
			return err
		}
		if slices.ContainsFunc(spans, func(s plan.Span) bool { return s.Holds(k.Period) }) {
			w.Add(row)
		}
		return nil
	})
	return w.Fragment(), err
}

// within reports whether all periods of the block are wanted, as far as it knows them.
func (b *block) within(p *piece) bool {
	own := p.grid.Block(b.coverage[0].From)
	return p.grid.Divided() && !slices.ContainsFunc(b.coverage, func(k plan.Known) bool { return !k.Overlap(own).Within(p.only) })
}

// part is what one call to Adobe yielded for one block: all rows of its span, sorted.
type part struct {
	plan.Span
	at        time.Time
	rows      rows.Fragment
	truncated bool
	lead      rows.Lead
	simulated bool
	restored  bool // it comes from what was kept elsewhere, and not from Adobe
}

// frozen returns what of the block is frozen at a time, and nothing else; nil: nothing is.
func (b *block) frozen(p *piece, at time.Time) (*block, error) {
	spans := b.coverage.Frozen(p.frozen(at))
	if len(spans) == 0 {
		return nil, nil
	}
	kept, err := p.cut(b.rows, spans...)
	out := &block{name: b.name, rows: kept, lead: b.lead, links: b.links, simulated: b.simulated}
	for _, k := range b.coverage {
		if k.Span = k.Frozen(p.frozen(at)); !k.Empty() {
			out.coverage = append(out.coverage, k)
		}
	}
	return out, err
}

// beside returns the parts without what is frozen of the block: Adobe, which may have dropped it, has nothing to say of it.
func (b *block) beside(p *piece, parts []part) (rest []part, err error) {
	for _, got := range parts {
		spans := got.Without(b.coverage.Frozen(p.frozen(got.at)))
		if got.restored || len(spans) == 1 && spans[0] == got.Span {
			rest = append(rest, got)
			continue
		}
		for _, s := range spans {
			some := got
			if some.Span = s; got.rows.Rows > 0 {
				if some.rows, err = p.cut(got.rows, s); err != nil {
					return nil, err
				}
			}
			rest = append(rest, some)
		}
	}
	return rest, nil
}

// with returns the block with the rows of the parts' spans replaced, but for what is frozen. The parts do not overlap.
func (b *block) with(p *piece, parts []part, links cmu.Links) (*block, error) {
	parts, err := b.beside(p, parts)
	if err != nil || len(parts) == 0 {
		return b, err
	}
	out := &block{name: b.name, links: links}
	for _, got := range parts {
		switch {
		case len(b.coverage) == 0:
		case !got.restored && plan.Ahead(b.fetched, got.at):
			// By a clock that was ahead: nobody knows how old it is, but for what is older than any clock is wrong.
			kept, err := b.frozen(p, got.at)
			if err != nil {
				return nil, err
			}
			if b = kept; kept == nil {
				b = &block{}
			}
		case p.grid.Block(b.coverage[0].From).Within(got.Span):
			b = &block{fetched: b.fetched} // what is replaced whole need not be merged with
		}
	}
	out.coverage, out.lead = b.coverage, b.lead
	out.simulated = b.simulated
	fragments := []rows.Fragment{b.rows}
	for _, got := range parts {
		out.coverage = out.coverage.Record(got.Span, got.at, p.settled(got.at), p.retained(got.at), got.truncated)
		// Whatever the clocks of other processes said, what was read and then added to is newer than it was.
		if out.fetched = b.fetched.Add(time.Millisecond); got.at.After(out.fetched) {
			out.fetched = got.at
		}
		if got.rows.Rows > 0 {
			fragments = append(fragments, got.rows)
		}
		out.lead.Join(got.lead)
		out.simulated = out.simulated || got.simulated
	}
	switch {
	case len(fragments) == 2 && b.rows.Rows == 0:
		out.rows = fragments[1]
	case len(fragments) > 1 || b.rows.Rows > 0:
		w := rows.NewWriter()
		err = p.order.Merge(fragments, func(row cmu.Row, k *rows.Key, from int) error {
			if from > 0 || !slices.ContainsFunc(parts, func(got part) bool { return got.Holds(k.Period) }) {
				w.Add(row)
			}
			return nil
		})
		out.rows = w.Fragment()
	}
	return out, err
}

// over returns the block with what another version of it knows beside; of time that both know of this one tells, but for what is frozen of the other.
func (b *block) over(p *piece, old *block) (*block, error) {
	both := b
	var err error
	if !b.coverage.Holds(old.coverage) && !plan.Ahead(old.fetched, b.fetched) {
		if both, err = b.joined(p, old); err != nil {
			return b, err
		}
	}
	kept, err := old.frozen(p, b.fetched)
	if err != nil || kept == nil {
		return both, err
	}
	links := both.links
	if both, err = kept.joined(p, both); err != nil {
		return b, err
	}
	both.links = links
	return both, nil
}

// joined returns the block with what another knows beside; of time that both know of this one tells.
func (b *block) joined(p *piece, old *block) (*block, error) {
	w := rows.NewWriter()
	err := p.order.Merge([]rows.Fragment{old.rows, b.rows}, func(row cmu.Row, k *rows.Key, from int) error {
		if from > 0 || !slices.ContainsFunc(b.coverage, func(known plan.Known) bool { return known.Holds(k.Period) }) {
			w.Add(row)
		}
		return nil
	})
	if err != nil {
		return b, err
	}
	both := *b
	both.rows, both.coverage, both.simulated = w.Fragment(), old.coverage.Under(b.coverage), b.simulated || old.simulated
	both.lead.Join(old.lead)
	if least := old.fetched.Add(time.Millisecond); both.fetched.Before(least) {
		both.fetched = least
	}
	return &both, nil
}
