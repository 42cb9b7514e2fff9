package sandbox

import (
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"sync"
)

// The primes of the key that sandboxes sign with. It is known to everybody and protects nothing; being fixed, it lets a
// restarted sandbox accept what it signed before.
const (
	prime1 = "5xc751H/ZpMHJ6PwiT7TIvQrG5WkBORVELl8LNYrZEF1UZrmBY4Zwq8nXDPucNya0+TjOwPZcyz94JEnGIMba+" +
		"kyCQxCNYdnwtemXXGLpf77JNCYlss6pI+jct+rfIARTwVwIS4s9cYtA2s7CC0wwBcmGZ4hIQdq5GW4itTwhN0="
	prime2 = "uJKeqOX4Gqw/+Re3BAU6BneoeGqqVBla1N7cszLOriuVhgqZb5/m7HSnhzoySpx/HM6kB36o47TYmYXEZeAfd8" +
		"Co0N1lPMeNsxhKxM+PPo/+TwpQqttzHZ1OqI6GAtD7oPXDGcSVACzSYb77lu+7srhhQcwKAPCqGJ6+afQwfUk="
)

// signingKey returns the RSA key of statements and access tokens.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	p, q, one, e := number(prime1), number(prime2), big.NewInt(1), big.NewInt(65537)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: int(e.Int64())},
		D:         new(big.Int).ModInverse(e, phi),
		Primes:    []*big.Int{p, q},
	}
	key.Precompute()
	return key
})

func number(s string) *big.Int {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err) // a constant of this file
	}
	return new(big.Int).SetBytes(b)
}
