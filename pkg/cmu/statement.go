package cmu

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxStatement bounds the text of a software statement; Adobe's is about 1 kB.
	maxStatement = 16 << 10
	// minSignature is the size of a signature by the smallest key that RFC 7518 section 3.3 allows for RS256.
	minSignature = 256
	// maxName bounds names that others give and people are shown.
	maxName = 256
)

// ErrStatement is what every problem with a software statement's own text wraps: found here, before Adobe is asked. See
// [ErrStatementRefused] for Adobe's verdict.
var ErrStatement = errors.New("not a usable software statement")

// Statement is a software statement: the signed document that names an application to the authorization server. Make one with
// [ParseStatement]. Only its claims are readable; its text is secret. Times that it does not state are zero.
//
// Source: RFC 7591 section 2.3; Adobe, DCR: "Register application".
type Statement struct {
	// Text is the JWT in one line, as it is sent.
	Text Secret
	// SoftwareID is the claim sub, Issuer the claim iss: printable text of up to 256 bytes, no secret.
	SoftwareID string
	Issuer     string
	// IssuedAt is the claim iat, NotBefore nbf, ExpiresAt exp. Adobe has not been seen to state the last: such a statement is good
	// until Adobe refuses it.
	IssuedAt  time.Time
	NotBefore time.Time
	ExpiresAt time.Time
}

// ParseStatement reads a software statement as downloaded from the TVE Dashboard: one line or wrapped over several, with any white
// space around it, up to 16 KiB. It takes it out of quotes, out of a JSON object with nothing else in it, as the console of Secrets
// Manager makes one, and out of UTF-16. It checks the form (a JWT signed by RS256 that names its subject and issuer), not the
// signature, which only Adobe can, and not the time: see [Statement.Check]. Errors wrap [ErrStatement], say what to do, and never
// hold the text.
func ParseStatement(text []byte) (Statement, error) {
	if len(text) > maxStatement {
		return Statement{}, fmt.Errorf("%w: longer than %d bytes", ErrStatement, maxStatement)
	}
	token, err := unwrapped(utf8Text(text))
	if err != nil {
		return Statement{}, fmt.Errorf("%w: %w", ErrStatement, err)
	}
	if token == "" {
		return Statement{}, fmt.Errorf("%w: it is empty", ErrStatement)
	}
	var claims jwt.RegisteredClaims
	parsed, _, err := jwt.NewParser().ParseUnverified(token, &claims)
	if err != nil {
		// The parser's own error may quote the text.
		return Statement{}, fmt.Errorf("%w: it is no JWT (three base64url parts joined by dots); download it again from the TVE Dashboard", ErrStatement)
	}
	if alg := parsed.Method.Alg(); alg != "RS256" {
		return Statement{}, fmt.Errorf("%w: it is signed by %s, want RS256", ErrStatement, alg)
	}
	if len(parsed.Signature) < minSignature {
		return Statement{}, fmt.Errorf("%w: its signature is cut short; download it again from the TVE Dashboard", ErrStatement)
	}
	if claims.Subject == "" || claims.Issuer == "" {
		return Statement{}, fmt.Errorf("%w: it must name its subject (sub) and issuer (iss)", ErrStatement)
	}
	if !isName(claims.Subject) || !isName(claims.Issuer) {
		return Statement{}, fmt.Errorf("%w: its subject (sub) and issuer (iss) must be printable text of up to %d bytes", ErrStatement, maxName)
	}
	return Statement{
		Text: Secret(token), SoftwareID: claims.Subject, Issuer: claims.Issuer,
		IssuedAt: dateOf(claims.IssuedAt), NotBefore: dateOf(claims.NotBefore), ExpiresAt: dateOf(claims.ExpiresAt),
	}, nil
}

// isName tells whether a name can be shown as it is: it is not empty, bounded, and of printable characters. JSON decoding turns bytes
// that are not UTF-8 into U+FFFD.
func isName(s string) bool {
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) })
}

// dateOf is the zero time for what is not stated, and for what is no date of this era.
func dateOf(d *jwt.NumericDate) time.Time {
	if d == nil || d.Year() < 1970 || d.Year() > 9999 {
		return time.Time{}
	}
	return d.UTC()
}

// statementLeeway allows for clocks that differ.
const statementLeeway = 10 * time.Minute

// Check returns why the statement cannot be used at now, going by the times that it states with ten minutes of grace for clocks
// that differ, or nil. Errors wrap [ErrStatement].
func (s Statement) Check(now time.Time) error {
	switch {
	case !s.ExpiresAt.IsZero() && now.Add(-statementLeeway).After(s.ExpiresAt):
		return fmt.Errorf("%w: it expired at %s; download a new one from the TVE Dashboard", ErrStatement, s.ExpiresAt.Format(time.RFC3339))
	case now.Add(statementLeeway).Before(s.NotBefore):
		return fmt.Errorf("%w: it is not valid before %s", ErrStatement, s.NotBefore.Format(time.RFC3339))
	}
	return nil
}
