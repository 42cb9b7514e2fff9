package reports

import "context"

// united is a block with what an older version of it knows beside.
func (s *shelf) united(ctx context.Context, p *piece, b, old *block) *block {
	both, err := b.over(p, old)
	if err != nil {
		s.log.WarnContext(ctx, "a block is unreadable and counts as missing", "report", p.report, "error", err)
	}
	return both
}

// reread returns blocks with what is stored of them beside, which could not be read when they were made.
func (h *holding) reread(ctx context.Context, blocks []*block) (whole []*block, err error) {
	p, links := h.piece, linksReader{report: h.piece.report}
	for _, b := range blocks {
		kept, err := h.shelf.store.Blocks(ctx, p.report, b.name, b.name)
		if err != nil {
			return nil, err
		}
		for _, k := range kept {
			if old, err := decodeBlock(k, &links); err == nil {
				b = h.shelf.united(ctx, p, b, old)
			}
		}
		whole = append(whole, b)
	}
	return whole, nil
}
