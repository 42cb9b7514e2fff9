package upstream

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"cmu-gateway/pkg/cmu"
)

// RefusedError says that Adobe refuses one report (401), though it takes the token for others. It matches cmu.ErrUnauthorized.
type RefusedError struct{ cause error }

func (e *RefusedError) Error() string {
	return "Adobe refuses this report, but not others: " + e.cause.Error()
}

// Unwrap returns Adobe's answer, a *cmu.Error.
func (e *RefusedError) Unwrap() error { return e.cause }

// blame is whose fault a 401 is.
type blame uint8

const (
	blameNobody blame = iota // nothing tells: another report must be asked for
	blameReport
	blameToken
)

// trust is what this process has seen Adobe do with a token. Instants are counts of what happened, as clocks may stand still.
type trust struct {
	token   cmu.Secret
	worked  int64 // when it was last taken; zero: never
	doubted bool  // since then it was refused for a report that is known to work
	// with are the last two reports for which a token was taken.
	with [2]cmu.Request
}

// blames tells whose fault it is that a report was refused with a token, in a call that began at an instant. A token that was taken
// since, for whatever report, is good.
func (t trust) blames(token cmu.Secret, began int64) blame {
	switch {
	case t.token != token:
		return blameNobody
	case t.worked > began:
		return blameReport
	case t.doubted:
		return blameToken
	}
	return blameNobody
}

// coarsest is a report that hardly any licence lacks.
var coarsest = cmu.Request{Path: []string{"year"}}

// probes are the reports to ask for when a token may be to blame for the refusal of another, until one is let in: the last one that worked, which
// may be of the same kind and refused by turns, and the coarsest.
func (t trust) probes(report string) (out []cmu.Request) {
	for _, w := range t.with {
		if len(w.Path) > 0 && w.Report() != report {
			out = append(out, w)
			break
		}
	}
	if len(out) == 0 || out[0].Report() != coarsest.Report() {
		out = append(out, coarsest)
	}
	for i := range out {
		out[i].Limit = 1
	}
	return out
}

// tells is whose fault it is after the other report was asked for with that outcome. Who is told that there is no such report was let in.
func tells(probed error) blame {
	var e *cmu.Error
	switch {
	case probed == nil:
		return blameReport
	case !errors.As(probed, &e), e.Status >= 500, e.Status == http.StatusTooManyRequests:
		return blameNobody
	case e.Status == http.StatusUnauthorized:
		return blameToken
	}
	return blameReport
}

// tokenUse is the trust in the token at hand.
type tokenUse struct {
	mu    sync.Mutex // guards what follows
	count int64
	trust trust
}

// begin returns the instant at which a call begins.
func (u *tokenUse) begin() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.count++
	return u.count
}

// taken notes that Adobe took a token for a report.
func (u *tokenUse) taken(token cmu.Secret, r cmu.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.count++
	with := u.trust.with
	if with[0].Report() != r.Report() {
		with[1] = with[0]
	}
	with[0] = r
	u.trust = trust{token: token, worked: u.count, with: with}
}

// doubt notes that Adobe refuses a token, unless it took it since an instant.
func (u *tokenUse) doubt(token cmu.Secret, began int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.trust.token != token {
		u.trust = trust{token: token, with: u.trust.with}
	}
	u.trust.doubted = u.trust.worked < began
}

func (u *tokenUse) now() trust {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.trust
}

// renewed settles a 401 that a call for r met with a token: where the token is to blame the call is made again with another one. It
// returns the token that was used last.
//
// Errors: *RefusedError when the report is to blame, *PauseError when nobody can be blamed or new tokens are refused, too; ErrOtherLicence;
// those of Refused.
func (a *Adobe) renewed(ctx context.Context, licence string, token Token, began int64, refused error,
	call func(Token) (Reply, error), r cmu.Request) (Token, Reply, error) {
	if err := a.settle(ctx, token.Value, began, refused, r); err != nil {
		return token, Reply{}, err
	}
	token, err := a.o.Refused(ctx, token.Value)
	if err = under(licence, token, err); err != nil {
		return token, Reply{}, err
	}
	if err := a.paused(); err != nil {
		return token, Reply{}, err
	}
	began = a.use.begin()
	out, err := call(token)
	if errors.Is(err, cmu.ErrUnauthorized) {
		if err := a.settle(ctx, token.Value, began, err, r); err != nil {
			return token, Reply{}, err
		}
		err = &PauseError{RetryAfter: AccessPause, Reason: "Adobe refuses the access token", Cause: err}
	}
	return token, out, err
}

// settle returns nil where the token is to blame for a refusal.
func (a *Adobe) settle(ctx context.Context, token cmu.Secret, began int64, refused error, r cmu.Request) error {
	seen := a.use.now()
	whose := seen.blames(token, began)
	var probed error
	if whose == blameNobody {
		probeBegan := a.use.begin()
		for _, probe := range seen.probes(r.Report()) {
			_, probed = a.call(ctx, token, probe, 1, func(cmu.Row) error { return nil })
			if whose = tells(probed); whose == blameReport {
				a.use.taken(token, probe)
			}
			if whose != blameToken {
				break
			}
		}
		if whose == blameToken {
			a.use.doubt(token, probeBegan)
		}
	}
	switch whose {
	case blameReport:
		return &RefusedError{refused}
	case blameToken:
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &PauseError{RetryAfter: AccessPause, Reason: "Adobe refuses the report, and whether it is the access token cannot be found out", Cause: probed}
}
