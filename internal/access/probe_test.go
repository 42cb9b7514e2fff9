package access

import (
	"errors"
	"strings"
	"testing"

	"cmu-gateway/internal/secrets/secretstest"
)

// Whether credentials can be kept is found out before Adobe is asked: what cannot be kept is not made.
func TestCredentialsThatCouldNotBeKept(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		fault := &secretstest.Faulty{Store: w.secrets, Hook: func(op, name string) secretstest.Fault {
			if op == "Check" && name == credentialsName {
				return secretstest.Failed
			}
			return secretstest.None
		}}
		k := w.keeper(func(o *KeeperOptions) { o.Secrets = fault })
		for _, o := range []RegisterOptions{{}, {Force: true, Reason: "test"}} {
			_, err := tell(k.Register(background, o))
			if !errors.Is(err, secretstest.ErrFault) || !strings.Contains(err.Error(), "nothing was sent to Adobe") {
				t.Errorf("%+v: %v", o, err)
			}
		}
		if len(w.calls) > 0 {
			t.Errorf("calls: %v", w.calls)
		}
		if s := must[Status](t)(k.Status(background)); s.Registrations.Failed != 0 {
			t.Errorf("counted as a try: %+v", s.Registrations)
		}
		fault.Hook = nil
		must[RegisterResult](t)(k.Register(background, RegisterOptions{})) // at once
		w.counts(1, 0)
	})
}
