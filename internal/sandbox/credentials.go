package sandbox

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// issuer is the iss claim of everything signed.
const issuer = "auth.adobe.com"

// ledger numbers what one process issues, so that all of it can be revoked without a list: an identifier names its process
// and its number there. What other processes issued has no number here.
type ledger struct {
	mu      sync.Mutex
	last    uint64 // number of the last one issued
	revoked uint64 // number of the last one revoked
	any     bool   // something was revoked, so all of other processes is
}

// next returns a fresh identifier in the form of a UUID.
func (l *ledger) next(boot string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	return fmt.Sprintf("%s-%s-4%s-8%s-%012x", boot[:8], boot[8:12], boot[12:15], boot[13:16], l.last)
}

func (l *ledger) revoke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.revoked, l.any = l.last, true
}

func (l *ledger) good(boot, id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.any {
		return true
	}
	if !strings.HasPrefix(id, boot[:8]+"-"+boot[8:12]) || len(id) != 36 {
		return false
	}
	n, err := strconv.ParseUint(id[24:], 16, 64)
	return err == nil && n > l.revoked
}

// RevokeTokens makes every access token issued so far useless.
func (s *Sandbox) RevokeTokens() { s.tokens.revoke() }

// RevokeClients makes all client credentials issued so far useless. Tokens had with them stay good.
func (s *Sandbox) RevokeClients() { s.clients.revoke() }

// statementIssued is when all statements say that they were issued.
const statementIssued = 1700667057

// softwareID is the sub claim of the statement.
func (s *Sandbox) softwareID() string {
	h := hex.EncodeToString(s.sign("software"))
	return fmt.Sprintf("%s-%s-4%s-8%s-%s", h[:8], h[8:12], h[12:15], h[15:18], h[18:30])
}

// Statement returns the software statement that the sandbox registers. It is the same for the same seed.
func (s *Sandbox) Statement() string {
	text, err := s.signClaims(jwt.MapClaims{
		"sub": s.softwareID(), "iss": issuer, "iat": statementIssued, "nbf": statementIssued,
	})
	if err != nil {
		panic(err) // fixed key, fixed claims
	}
	return text
}

func (s *Sandbox) signClaims(c jwt.MapClaims) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, c)
	t.Header["kid"] = hex.EncodeToString(s.sign("kid")[:6])
	return t.SignedString(signingKey())
}

// verifyClaims returns the claims of a token signed by a sandbox with the same seed. Times are not judged.
func (s *Sandbox) verifyClaims(text string) (jwt.MapClaims, error) {
	if strings.ContainsAny(text, " \t\r\n") { // base64 decoding would overlook line ends
		return nil, errors.New("holds white space")
	}
	c := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	t, err := parser.ParseWithClaims(text, c, func(*jwt.Token) (any, error) { return &signingKey().PublicKey, nil })
	if err != nil {
		return nil, err
	}
	if t.Header["kid"] != hex.EncodeToString(s.sign("kid")[:6]) {
		return nil, errors.New("signed by another sandbox")
	}
	if iss, err := c.GetIssuer(); err != nil || iss != issuer {
		return nil, errors.New("not issued by " + issuer)
	}
	return c, nil
}

func (s *Sandbox) verifyStatement(text string) error {
	c, err := s.verifyClaims(text)
	if err != nil {
		return err
	}
	if c["sub"] != s.softwareID() || c["jti"] != nil {
		return errors.New("not the statement of this software")
	}
	return nil
}

// clientSecret returns the secret of a client, which carries its expiry so that nothing need be remembered. A zero expiry
// is none.
func (s *Sandbox) clientSecret(id string, expires int64) string {
	mac := base64.RawURLEncoding.EncodeToString(s.sign(fmt.Sprintf("client %s %d", id, expires))[:24])
	if expires == 0 {
		return mac
	}
	return mac + "." + strconv.FormatInt(expires, 36)
}

func (s *Sandbox) verifyClient(id, secret string) bool {
	var expires int64
	if _, e, ok := strings.Cut(secret, "."); ok {
		var err error
		if expires, err = strconv.ParseInt(e, 36, 64); err != nil || s.now().Unix() >= expires {
			return false
		}
	}
	return hmac.Equal([]byte(secret), []byte(s.clientSecret(id, expires))) && s.clients.good(s.boot, id)
}

// accessToken signs a token for a client.
func (s *Sandbox) accessToken(client string, scopes []string, life time.Duration) (id, text string, err error) {
	now := s.now()
	id = s.tokens.next(s.boot)
	text, err = s.signClaims(jwt.MapClaims{
		"jti": id, "sub": client, "iss": issuer, "iat": now.Unix(), "nbf": now.Unix(),
		"exp": now.Add(life).Unix(), "scopes": strings.Join(scopes, ","),
	})
	return id, text, err
}

// verifyToken returns the scopes of a good token.
func (s *Sandbox) verifyToken(text string) (scopes []string, err error) {
	c, err := s.verifyClaims(text)
	if err != nil {
		return nil, err
	}
	id, _ := c["jti"].(string)
	list, _ := c["scopes"].(string)
	expires, err := c.GetExpirationTime()
	switch {
	case err != nil || expires == nil || id == "":
		return nil, errors.New("not an access token")
	case !s.now().Before(expires.Time):
		return nil, errors.New("expired")
	case !s.tokens.good(s.boot, id):
		return nil, errors.New("revoked")
	}
	return strings.Split(list, ","), nil
}
