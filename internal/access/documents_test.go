package access

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cmu-gateway/pkg/cmu"
)

func TestDocuments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(1, 40, -1)
		instant := rapid.Custom(func(t *rapid.T) time.Time {
			return time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "ms")).UTC()
		})
		c := credentials{cmu.Credentials{
			ClientID: text.Draw(t, "id"), ClientSecret: cmu.Secret(text.Draw(t, "secret")), IssuedAt: instant.Draw(t, "issued"),
			ExpiresAt: instant.Draw(t, "expires"), Scopes: rapid.SliceOfN(text, 1, 3).Draw(t, "scopes"),
		}, instant.Draw(t, "registered"), text.Draw(t, "software"), text.Draw(t, "replaces")}
		gotClient, err := decodeCredentials(c.encode())
		if err != nil || cmp.Diff(reveal(c), reveal(*gotClient)) != "" {
			t.Fatalf("%v: %s", err, cmp.Diff(reveal(c), reveal(*gotClient)))
		}
		k := token{
			cmu.Token{
				Value: cmu.Secret(text.Draw(t, "value")), IssuedAt: instant.Draw(t, "issued"), ExpiresAt: instant.Draw(t, "expires"),
				Life: time.Duration(rapid.IntRange(1, 1e6).Draw(t, "life")) * time.Second,
			},
			text.Draw(t, "client"), rapid.String().Draw(t, "software"), instant.Draw(t, "obtained"), rapid.IntRange(0, 9).Draw(t, "refusals"), instant.Draw(t, "doubt"),
		}
		gotToken, err := decodeToken(k.encode())
		if err != nil || cmp.Diff(k, *gotToken, cmp.Comparer(sameSecret), cmp.AllowUnexported(token{})) != "" {
			t.Fatalf("%v: %s", err, cmp.Diff(k, *gotToken, cmp.Comparer(sameSecret), cmp.AllowUnexported(token{})))
		}
	})
}

func sameSecret(a, b cmu.Secret) bool { return a.Reveal() == b.Reveal() }

// reveal makes the secret of credentials comparable.
func reveal(c credentials) map[string]any {
	return map[string]any{
		"id": c.ClientID, "secret": c.ClientSecret.Reveal(), "issued": c.IssuedAt, "expires": c.ExpiresAt, "scopes": c.Scopes,
		"registered": c.RegisteredAt, "software": c.SoftwareID, "replaces": c.Replaces,
	}
}
