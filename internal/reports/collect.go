package reports

import (
	"fmt"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/rows"
	"cmu-gateway/pkg/cmu"
)

// collector sorts the rows of one answer into blocks.
type collector struct {
	piece  *piece
	asked  plan.Span
	sorted map[cmu.Civil]*blockSorter // by start of block
	size   int                        // bytes held uncompressed
	rows   int
	packed int                     // bytes held compressed
	held   int                     // of both, as they were told to hold
	hold   func(bytes int64) error // waits until there is memory for so much
	fields rows.Fields
	latest cmu.Civil // the latest period of a row; zero: none
	// inTime tells that periods came in order; seen counts them.
	inTime bool
	seen   int
	last   cmu.Civil
	block  plan.Span // that of the last row
	key    rows.Key
}

type blockSorter struct {
	*rows.Sorter
	lead rows.Lead
}

// maxRows bounds the rows of one answer: as many as the bytes that are read can hold, if they are rows of Adobe's.
const maxRows = 10_000_000

var (
	errRows    = &cmu.SizeError{What: fmt.Sprintf("it has over %d rows", maxRows)}
	errColumns = &cmu.SizeError{What: fmt.Sprintf("its rows have over %d columns together", cmu.MaxColumns)}
)

const (
	// heldRows bounds the bytes of rows that an answer holds uncompressed over all its blocks.
	heldRows = 8 << 20
	// holdStep is by how much what is held may grow until memory is asked for.
	holdStep = 1 << 20
)

func newCollector(p *piece, s plan.Span, hold func(int64) error) *collector {
	return &collector{hold: hold, piece: p, asked: s, sorted: map[cmu.Civil]*blockSorter{}, inTime: true, block: p.grid.Block(s.From)}
}

func (c *collector) add(row cmu.Row) error {
	if c.rows++; c.rows > maxRows {
		return errRows
	}
	if c.fields.See(row); len(c.fields.Names()) > cmu.MaxColumns {
		return errColumns
	}
	err := c.piece.order.Read(row, &c.key)
	if err == nil {
		c.latest = max(c.latest, c.key.Period)
	}
	if c.piece.grid.Divided() {
		if err != nil {
			return &outsideError{c.piece.report, err.Error(), true}
		}
		if inside, err := c.place(c.key.Period); !inside {
			return err
		}
	}
	b, ok := c.sorted[c.block.From]
	if !ok {
		b = &blockSorter{Sorter: rows.NewSorter(c.piece.order)}
		c.sorted[c.block.From] = b
	}
	before := b.Size()
	b.Add(row, &c.key)
	b.lead.See(c.key.Lead)
	c.size += b.Size() - before
	if b.Size() >= rows.RunSize || c.size >= heldRows && b.Size() >= rows.RunSize/16 {
		c.size -= b.Size()
		c.packed += b.Spill()
	}
	if now := c.size + c.packed; now-c.held > holdStep || c.held-now > holdStep {
		c.held = now
		return c.hold(int64(now))
	}
	return nil
}

// place finds the block of a row's period, and notes in which order periods come.
func (c *collector) place(period cmu.Civil) (inside bool, err error) {
	if period == c.asked.To {
		return false, nil // Adobe's end is inclusive: its period was not asked for
	}
	if !c.asked.Holds(period) {
		return false, &outsideError{report: c.piece.report, evidence: fmt.Sprintf("%s of %s in an answer from %s to %s",
			c.piece.grid.Grain, period, c.asked.From, c.asked.To)}
	}
	if c.seen == 0 || period != c.last {
		c.inTime = c.inTime && (c.seen == 0 || period > c.last)
		c.seen++
		c.last = period
		c.block = c.piece.grid.Block(period)
	}
	return true, nil
}

// parts returns what each block that was asked for has got: also those without a row, which are known to be empty. That
// the blocks of time to come are empty is told by the last one that is not.
func (c *collector) parts(at time.Time, truncated bool) (map[cmu.Civil]part, error) {
	blocks := c.piece.grid.Blocks(c.asked)
	now := c.piece.pace.Policy.Civil(at)
	for n := len(blocks) - 1; n > 0 && c.sorted[blocks[n].From] == nil && blocks[n].From > now; n-- {
		blocks = blocks[:n]
	}
	out := map[cmu.Civil]part{}
	for i, own := range blocks {
		p := part{Span: plan.Span{From: max(c.asked.From, own.From), To: own.To}, at: at, truncated: truncated}
		if i == len(blocks)-1 {
			p.To = c.asked.To
		}
		if b, ok := c.sorted[own.From]; ok {
			var err error
			if p.rows, err = b.Fragment(); err != nil {
				return nil, err
			}
			p.lead = b.lead
		}
		out[own.From] = p
	}
	return out, nil
}
