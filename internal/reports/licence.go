package reports

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"cmu-gateway/internal/store"
	"cmu-gateway/internal/upstream"
)

// licence is the report cache of one licence: what is kept, noted and learnt of one is never another's. Its parts that are not its
// own are those of the Service.
type licence struct {
	*Service
	name string // as tokens bear it
	// scope stands for the name and for the Adobe that is asked, in the names of reports and notes.
	scope    string
	notebook *notebook
	occasion occasion
}

// licences are those in use: mostly one.
type licences struct {
	present atomic.Pointer[licence] // the last one that was asked for; nil: none yet
	mu      sync.Mutex
	made    map[string]*licence // guarded by mu
}

// maxLicences bounds those whose notes are in memory.
const maxLicences = 8

// under returns the licence of a name.
func (s *Service) under(name string) *licence {
	if l := s.licences.present.Load(); l != nil && l.name == name {
		return l
	}
	o := &s.licences
	o.mu.Lock()
	defer o.mu.Unlock()
	l, ok := o.made[name]
	if !ok {
		if len(o.made) >= maxLicences {
			o.made = nil
			s.shelf.clear() // who has forgotten what was noted does not know of purges
		}
		if o.made == nil {
			o.made = map[string]*licence{}
		}
		l = &licence{Service: s, name: name, scope: shortHash(s.options.Adobe + "\n" + name)}
		l.notebook = &notebook{
			scope: l.scope, notes: s.options.Store, noted: s.options.Noted, now: s.now, log: s.log, pause: s.adobe.Pause, shelf: s.shelf,
		}
		o.made[name] = l
	}
	o.present.Store(l)
	return l
}

// all returns the licences in use.
func (o *licences) all() (all []*licence) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.made {
		all = append(all, l)
	}
	return all
}

// licence returns the one that is in use now. Where nothing tells, it waits for a token, which does.
//
// Errors: *UnavailableError; those of Token.
func (s *Service) licence(ctx context.Context) (*licence, error) {
	if name, known := s.options.Licence(ctx); known {
		return s.under(name), nil
	}
	token, err := s.options.Token(ctx)
	var paused *upstream.PauseError
	switch {
	case errors.As(err, &paused):
		return nil, &UnavailableError{RetryAfter: paused.RetryAfter, Reason: paused.Reason, Cause: err}
	case err != nil:
		return nil, err
	}
	return s.under(token.Licence), nil
}

// known returns the one that is in use, or nil where that would have to be waited for.
func (s *Service) known(ctx context.Context) *licence {
	if name, known := s.options.Licence(ctx); known {
		return s.under(name)
	}
	return s.licences.present.Load()
}

// Licence names the licence that answers belong to now, as tokens bear it. It is false where that would have to be waited for. Adobe is
// not asked.
func (s *Service) Licence(ctx context.Context) (name string, known bool) {
	if l := s.known(ctx); l != nil {
		return l.name, true
	}
	return "", false
}

// The scope follows the report, whose canonical form has no space.
const scopeMark = " @"

// scoped names a report that is kept under a scope.
func scoped(report, scope string) store.Report { return store.Report(report + scopeMark + scope) }

// unscoped undoes scoped. Releases before licences were told apart have left reports without a scope.
func unscoped(r store.Report) string {
	report, _, _ := strings.Cut(string(r), scopeMark)
	return report
}

// own reports whether a report is kept under this licence.
func (s *licence) own(r store.Report) bool { return strings.HasSuffix(string(r), scopeMark+s.scope) }

// errLicences: the licence changed with each try.
var errLicences = &UnavailableError{RetryAfter: upstream.AccessPause, Reason: "the licence in use is changing"}

func isOtherLicence(err error) bool { return errors.Is(err, upstream.ErrOtherLicence) }
