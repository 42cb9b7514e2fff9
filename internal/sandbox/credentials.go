package sandbox

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
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

// next returns a fresh identifier of a tenant in the form of a UUID.
func (l *ledger) next(boot string, tenant int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	return fmt.Sprintf("%s-%s-4%s-%c%s-%012x", boot[:8], boot[8:12], boot[12:15], variants[tenant], boot[13:16], l.last)
}

// variants are the digits that a UUID may have at a place. There the tenant stands in identifiers, by index.
const variants = "89ab"

// tenantOf returns the tenant that an identifier is of.
func (s *Sandbox) tenantOf(id string) (string, error) {
	if len(id) == 36 {
		if i := strings.IndexByte(variants, id[19]); i >= 0 && i < len(s.world.tenants) {
			return s.world.tenants[i], nil
		}
	}
	return "", errors.New("of no tenant")
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

// softwareID is the sub claim of the statement of a tenant, by index.
func (s *Sandbox) softwareID(tenant int) string {
	name := "software"
	if tenant > 0 {
		name += " of " + s.world.tenants[tenant]
	}
	h := hex.EncodeToString(s.sign(name))
	return fmt.Sprintf("%s-%s-4%s-8%s-%s", h[:8], h[8:12], h[12:15], h[15:18], h[18:30])
}

// Statement returns the software statement that the sandbox registers. It is the same for the same seed.
func (s *Sandbox) Statement() string { return s.statement(0) }

// StatementOf returns the software statement of a tenant: another licence, whose reports are of that tenant unless they say otherwise.
// There are the own tenant, GLOBEX and INITECH.
func (s *Sandbox) StatementOf(tenant string) (string, error) {
	i := slices.Index(s.world.tenants, tenant)
	if i < 0 {
		return "", fmt.Errorf("there is no tenant %q: there are %s", tenant, strings.Join(s.world.tenants, ", "))
	}
	return s.statement(i), nil
}

func (s *Sandbox) statement(tenant int) string {
	text, err := s.signClaims(jwt.MapClaims{
		"sub": s.softwareID(tenant), "iss": issuer, "iat": statementIssued, "nbf": statementIssued,
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

// verifyStatement returns the tenant that a good statement is of, by index.
func (s *Sandbox) verifyStatement(text string) (tenant int, err error) {
	c, err := s.verifyClaims(text)
	if err != nil {
		return 0, err
	}
	for i := range s.world.tenants {
		if c["sub"] == s.softwareID(i) && c["jti"] == nil {
			return i, nil
		}
	}
	return 0, errors.New("not the statement of this software")
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
	id = s.tokens.next(s.boot, 0)
	text, err = s.signClaims(jwt.MapClaims{
		"jti": id, "sub": client, "iss": issuer, "iat": now.Unix(), "nbf": now.Unix(),
		"exp": now.Add(life).Unix(), "scopes": strings.Join(scopes, ","),
	})
	return id, text, err
}

// verifyToken returns the tenant and the scopes of a good token.
func (s *Sandbox) verifyToken(text string) (tenant string, scopes []string, err error) {
	c, err := s.verifyClaims(text)
	if err != nil {
		return "", nil, err
	}
	client, _ := c["sub"].(string)
	tenant, of := s.tenantOf(client)
	id, _ := c["jti"].(string)
	list, _ := c["scopes"].(string)
	expires, err := c.GetExpirationTime()
	switch {
	case err != nil || of != nil || expires == nil || id == "":
		return "", nil, errors.New("not an access token")
	case !s.now().Before(expires.Time):
		return "", nil, errors.New("expired")
	case !s.tokens.good(s.boot, id):
		return "", nil, errors.New("revoked")
	}
	return tenant, strings.Split(list, ","), nil
}
