package reports

import (
	"context"
	"encoding/json"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// refutedZone is a zone that is not Adobe's, as a row was later than its clock.
type refutedZone struct {
	Zone     string `json:"zone"`
	Evidence string `json:"evidence"`
}

const (
	noteZone = "zone"
	// zoneLeeway allows for clocks that differ, and for one that is put back.
	zoneLeeway = time.Hour + 5*time.Minute
	// refutedFor is how long a zone is not believed: whoever put it right names another, or the same again.
	refutedFor = 7 * 24 * time.Hour
)

// aheadOf reports whether a period had not begun at an instant, zero: no row was read, by the clock of a zone; nil: nobody knows.
func aheadOf(zone *time.Location, period cmu.Civil, at time.Time) bool {
	return zone != nil && !at.IsZero() && period > cmu.CivilAt(at.Add(zoneLeeway), zone)
}

// believed is the policy without a zone that was refuted.
func (s *licence) believed() plan.Policy {
	p := s.policy
	if p.Zone != nil && s.notebook.zone().Zone == p.Zone.String() {
		p.Zone = nil
	}
	return p
}

// zone returns the zone that was refuted, or the zero value.
func (n *notebook) zone() refutedZone {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.refuted
}

// refuteZone tells all processes that a zone is not Adobe's.
func (n *notebook) refuteZone(ctx context.Context, zone, evidence string) {
	n.mu.Lock()
	known := n.refuted.Zone == zone
	n.refuted = refutedZone{zone, evidence}
	n.mu.Unlock()
	if known {
		return
	}
	n.log.ErrorContext(ctx, "CMU_REPORT_ZONE is not Adobe's zone and is left out of account: rows are later than its clock",
		"event", "zone_refuted", "zone", zone, "evidence", evidence)
	text, err := json.Marshal(refutedZone{zone, evidence})
	if err == nil {
		err = n.notes.PutNote(ctx, n.own(noteZone), store.Note{Value: text, Expires: n.now().Add(refutedFor)})
	}
	if err != nil {
		n.log.WarnContext(ctx, "the refuted zone could not be noted", "error", err)
	}
}
