package upstream

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"cmu-gateway/pkg/cmu"
)

// limits is what is known of the row limits that Adobe applies. It is forgotten after a while, as Adobe may change.
type limits struct {
	own int // the limit that calls name
	now func() time.Time

	mu      sync.Mutex // guards what follows
	licence string     // that this was collected under
	since   time.Time  // when this began to be collected
	// clamp is the largest answer seen truncated below the limit that was named; zero: none.
	clamp int
	// most is the largest answer seen: no limit is below it.
	most int
	word limitWord
}

// limitWord is what Adobe says to the limit parameter with our value.
type limitWord uint8

const (
	limitUnknown limitWord = iota
	limitTaken
	limitRefused
)

const (
	// roundRows: a row count that is a multiple of this is taken for a limit that was applied without a word, unless Adobe
	// gave more rows not long before.
	roundRows = 500
	// learntFor is how long what was learnt is believed.
	learntFor = time.Hour
)

// lock locks l, and forgets first what is old.
func (l *limits) lock() {
	l.mu.Lock()
	if now := l.now(); now.Sub(l.since) > learntFor {
		l.since, l.clamp, l.most, l.word = now, 0, 0, limitUnknown
	}
}

// of forgets what was learnt under another licence.
func (l *limits) of(licence string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.licence != licence {
		l.licence, l.since = licence, time.Time{}
	}
}

// toName is the limit to name in a call; zero leaves it to Adobe.
func (l *limits) toName() int {
	l.lock()
	defer l.mu.Unlock()
	if l.word == limitRefused {
		return 0
	}
	return l.own
}

func (l *limits) capacity() int {
	l.lock()
	defer l.mu.Unlock()
	if l.clamp > 0 {
		return l.clamp
	}
	return l.own
}

func (l *limits) heeded() limitWord {
	l.lock()
	defer l.mu.Unlock()
	return l.word
}

func (l *limits) note(w limitWord) {
	l.lock()
	defer l.mu.Unlock()
	l.word = w
}

// met reports whether an answer has as many rows as a limit: the one named, the one in the self link, or one that its round
// number of rows betrays.
func (l *limits) met(named int, out Reply) bool {
	limit := named
	if self, err := Effective(out.Links); err == nil && self.Limit > 0 && (limit == 0 || self.Limit < limit) {
		limit = self.Limit
	}
	if limit > 0 && out.Rows >= limit {
		return true
	}
	if out.Rows == 0 || out.Rows%roundRows != 0 {
		return false
	}
	l.lock()
	defer l.mu.Unlock()
	return l.most <= out.Rows
}

// learn notes how many rows Adobe gave where a limit of ours was named, or none.
func (l *limits) learn(named int, out Reply) {
	l.lock()
	defer l.mu.Unlock()
	switch {
	case out.Truncated && (named == 0 || out.Rows < named):
		l.clamp = out.Rows
	case out.Rows > l.clamp:
		l.clamp = 0
	}
	l.most = max(l.most, out.Rows)
}

// mayRefuseLimit reports whether an error may be Adobe's refusal of the limit parameter: a 400 that is not known to be
// about something else.
func mayRefuseLimit(err error) bool {
	var e *cmu.Error
	return errors.As(err, &e) && e.Status == http.StatusBadRequest && !errors.Is(e, cmu.ErrTooWide)
}
