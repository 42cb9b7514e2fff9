package reports

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"cmu-gateway/internal/store"
)

// unstored tells the log of blocks that could not be stored: once a minute, with how many they were, as a full disk refuses each.
type unstored struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex // guards what follows
	told   time.Time
	untold int // blocks
}

const unstoredEvery = time.Minute

func (u *unstored) note(ctx context.Context, report store.Report, blocks int, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.untold += blocks
	if now := u.now(); u.told.IsZero() || now.Sub(u.told) >= unstoredEvery {
		u.log.WarnContext(ctx, "blocks could not be stored", "event", "store_unavailable", "blocks", u.untold, "report", report, "error", err)
		u.told, u.untold = now, 0
	}
}
