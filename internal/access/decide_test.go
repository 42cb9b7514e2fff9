package access

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"cmu-gateway/pkg/cmu"
)

const life = 6 * time.Hour

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// aged is a token of that age at noon, whose life is six hours.
func aged(age time.Duration, change ...func(*token)) *token {
	t := &token{
		Token:    cmu.Token{Value: "value", IssuedAt: noon.Add(-age), ExpiresAt: noon.Add(life - age), Life: life},
		ClientID: "client", ObtainedAt: noon.Add(-age),
	}
	for _, f := range change {
		f(t)
	}
	return t
}

func client(change ...func(*credentials)) *credentials {
	c := &credentials{Credentials: cmu.Credentials{ClientID: "client", ClientSecret: "secret"}}
	for _, f := range change {
		f(c)
	}
	return c
}

func TestDecide(t *testing.T) {
	own := Fingerprint("value")
	due := renewBefore(life, "client")
	paused := notes{Cooldown: cooldown{ClientID: "client", Until: noon.Add(time.Minute)}}
	for _, test := range []struct {
		name  string
		state state
		want  action
		at    time.Duration // from noon
	}{
		{"nothing", state{}, register, 0},
		{"no token", state{credentials: client()}, renew, 0},
		{"no credentials", state{token: aged(0)}, register, 0},
		{"new", state{credentials: client(), token: aged(0)}, keep, life - due},
		{"a moment before it is due", state{credentials: client(), token: aged(life - due - time.Second)}, keep, time.Second},
		{"due", state{credentials: client(), token: aged(life - due)}, renew, 0},
		{"expired", state{credentials: client(), token: aged(life)}, renew, 0},
		{"long expired", state{credentials: client(), token: aged(1000 * life)}, renew, 0},
		{"refused", state{credentials: client(), token: aged(time.Second), refused: own}, renew, 0},
		{"another was refused", state{credentials: client(), token: aged(time.Second), refused: Fingerprint("old")}, keep, life - due - time.Second},
		{"refused after a refused one",
			state{credentials: client(), token: aged(time.Second, func(t *token) { t.Refusals = 1 }), refused: own}, wait, 59 * time.Second},
		{"refused after a refused one, accepted meanwhile", state{credentials: client(), token: aged(0, func(t *token) { t.Refusals = 1 }), refused: own,
			notes: notes{AcceptedToken: acceptedToken{own, noon}}}, renew, 0},
		{"refused after a refused one, another accepted", state{credentials: client(), token: aged(0, func(t *token) { t.Refusals = 1 }), refused: own,
			notes: notes{AcceptedToken: acceptedToken{Fingerprint("old"), noon}}}, wait, time.Minute},
		{"refused after three that were accepted, too", state{credentials: client(), token: aged(0, func(t *token) { t.Refusals = 3 }), refused: own,
			notes: notes{AcceptedToken: acceptedToken{own, noon}}}, wait, 4 * time.Second},
		{"refused after many refused ones",
			state{credentials: client(), token: aged(time.Minute, func(t *token) { t.Refusals = 99 }), refused: own}, wait, 9 * time.Minute},
		{"refused long after a refused one",
			state{credentials: client(), token: aged(time.Minute, func(t *token) { t.Refusals = 1 }), refused: own}, renew, 0},
		{"refused after many refused ones, by a clock that was wrong",
			state{credentials: client(), token: aged(-time.Hour, func(t *token) { t.Refusals = 99 }), refused: own}, renew, 0},
		{"another client's", state{credentials: client(), token: aged(0, func(t *token) { t.ClientID = "old" })}, renew, 0},
		{"another client's, refused after many refused ones", state{credentials: client(),
			token: aged(0, func(t *token) { t.ClientID, t.Refusals = "old", 99 }), refused: own}, renew, 0},
		{"obtained in three minutes", state{credentials: client(), token: aged(-3 * time.Minute)}, keep, life - due + 3*time.Minute},
		{"obtained in five hours", state{credentials: client(), token: aged(-5 * time.Hour)}, renew, 0},
		{"obtained in five hours, but that was doubted before",
			state{credentials: client(), token: aged(-5*time.Hour, func(t *token) { t.DoubtAfter = noon.Add(time.Hour) })}, keep, life - due + 5*time.Hour},
		{"paused", state{credentials: client(), token: aged(life), notes: paused}, wait, time.Minute},
		{"paused, and not due", state{credentials: client(), token: aged(0), notes: paused}, keep, life - due},
		{"paused for another client",
			state{credentials: client(func(c *credentials) { c.ClientID = "new" }), token: aged(life), notes: paused}, renew, 0},
		{"paused by a clock that was wrong",
			state{credentials: client(), token: aged(life), notes: notes{Cooldown: cooldown{"client", noon.Add(time.Hour), ""}}}, renew, 0},
		{"credentials expired, token good",
			state{credentials: client(func(c *credentials) { c.ExpiresAt = noon }), token: aged(0)}, keep, life - due},
		{"credentials and token expired",
			state{credentials: client(func(c *credentials) { c.ExpiresAt = noon }), token: aged(life)}, register, 0},
		{"credentials noted as refused are tried", state{credentials: client(), token: aged(life),
			notes: notes{RefusedClient: refusedClient{ClientID: "client"}}}, renew, 0},
	} {
		d := decide(test.state, noon)
		if d.action != test.want || !d.at.Equal(noon.Add(test.at)) || d.reason == "" && test.state.notes.Cooldown.Reason != "" {
			t.Errorf("%s: %s (%s) at %s, want %s at %s", test.name, d.action, d.reason, d.at, test.want, noon.Add(test.at))
		}
	}
}

func TestRenewBefore(t *testing.T) {
	for _, test := range []struct{ life, low, high time.Duration }{
		{6 * time.Hour, 2 * time.Hour, 138 * time.Minute},
		{24 * time.Hour, 8 * time.Hour, 552 * time.Minute},
		{24 * time.Minute, 10 * time.Minute, 672 * time.Second}, // leastLife
		{15 * time.Minute, 5 * time.Minute, 6 * time.Minute},    // no room for leastLife
		{0, 0, 0},
	} {
		seen := map[time.Duration]bool{}
		for _, id := range []string{"", "a", "b", "7f1a3a84-0000-4000-8000-000000000001", "7f1a3a84-0000-4000-8000-000000000002"} {
			got := renewBefore(test.life, id)
			seen[got] = true
			if got < test.low || got > test.high || got != renewBefore(test.life, id) {
				t.Errorf("life %s, client %q: %s before, want %s to %s", test.life, id, got, test.low, test.high)
			}
		}
		if test.life > 0 && len(seen) < 4 {
			t.Errorf("life %s: five clients renew at %d different instants", test.life, len(seen))
		}
	}
}

func TestMayRegister(t *testing.T) {
	day := 24 * time.Hour
	refused := refusedClient{ClientID: "client"}
	replaced := func(age time.Duration) registrations { return registrations{Count: 2, Replaced: noon.Add(-age)} }
	failed := func(n int, age time.Duration) registrations { return registrations{Failed: n, Attempt: noon.Add(-age)} }
	for _, test := range []struct {
		name        string
		credentials *credentials
		notes       notes
		want        action
		at          time.Duration
	}{
		{"nothing", nil, notes{}, register, 0},
		{"good", client(), notes{}, keep, 0},
		{"good, and others were refused", client(), notes{RefusedClient: refusedClient{ClientID: "old"}}, keep, 0},
		{"refused", client(), notes{RefusedClient: refused}, register, 0},
		{"registered an hour ago, and refused", client(func(c *credentials) { c.RegisteredAt = noon.Add(-time.Hour) }), notes{RefusedClient: refused}, register, 0},
		{"refused, and so were those before, an hour ago", client(), notes{RefusedClient: refused, Registrations: replaced(time.Hour)}, wait, 23 * time.Hour},
		{"the same, but the note is lost", client(func(c *credentials) { c.RegisteredAt, c.Replaces = noon.Add(-time.Hour), "old" }),
			notes{RefusedClient: refused}, wait, 23 * time.Hour},
		{"refused, and so were those before, a day ago", client(), notes{RefusedClient: refused, Registrations: replaced(day)}, register, 0},
		{"refused, and so were those before, in a year", client(), notes{RefusedClient: refused, Registrations: replaced(-365 * day)}, register, 0},
		{"expired", client(func(c *credentials) { c.ExpiresAt = noon }), notes{}, register, 0},
		{"expiring", client(func(c *credentials) { c.ExpiresAt = noon.Add(1) }), notes{}, keep, 0},
		{"tried once", nil, notes{Registrations: failed(1, time.Second)}, wait, 9 * time.Second},
		{"tried once, long ago", nil, notes{Registrations: failed(1, 10*time.Second)}, register, 0},
		{"tried often", nil, notes{Registrations: failed(50, time.Minute)}, wait, 59 * time.Minute},
		{"refused and tried", client(), notes{RefusedClient: refused, Registrations: failed(1, 0)}, wait, 10 * time.Second},
	} {
		if d := mayRegister(test.credentials, test.notes, "digest", day, noon); d.action != test.want || !d.at.Equal(noon.Add(test.at)) {
			t.Errorf("%s: %s (%s) at %s, want %s at %s", test.name, d.action, d.reason, d.at, test.want, noon.Add(test.at))
		}
	}
	same := notes{RefusedStatement: refusedStatement{Digest: "digest"}}
	if d := mayRegister(nil, same, "digest", day, noon); d.action != wait || !d.at.IsZero() {
		t.Errorf("refused statement: %+v", d)
	}
	if d := mayRegister(nil, same, "another", day, noon); d.action != register {
		t.Errorf("another statement: %+v", d)
	}
}

func TestReplaces(t *testing.T) {
	got := aged(0, func(t *token) { t.Value = "new" })
	for _, test := range []struct {
		name    string
		stored  *token
		refused string
		want    bool
	}{
		{"none", nil, "", true},
		{"older", aged(time.Second), "", true},
		{"longer", aged(-time.Second), "", false},
		{"longer, but refused", aged(-time.Second), Fingerprint("value"), true},
		{"longer, and another was refused", aged(-time.Second), Fingerprint("old"), false},
		{"longer by a clock that was wrong", aged(-time.Hour), "", true},
		{"longer, but another client's", aged(-time.Second, func(t *token) { t.ClientID = "old" }), "", true},
		{"the same", aged(time.Second, func(t *token) { t.Value = "new" }), "", false},
		{"the same, refused", aged(time.Second, func(t *token) { t.Value = "new" }), Fingerprint("new"), false},
		{"expired", aged(life), "", true},
	} {
		if replaces(got, test.stored, test.refused, noon) != test.want {
			t.Errorf("%s: want %v", test.name, test.want)
		}
	}
}

// Whatever is stored, a token that cannot be sent to Adobe is never kept, a decision to do something later has an instant after
// now, and a token that was just renewed is not renewed again at once.
func TestDecideProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(int64(-48*time.Hour), int64(48*time.Hour)).Draw(t, "span"))
		})
		c := client(func(c *credentials) {
			c.ClientID = rapid.SampledFrom([]string{"client", "other"}).Draw(t, "client")
			if rapid.Bool().Draw(t, "expires") {
				c.ExpiresAt = noon.Add(span.Draw(t, "credentials expire"))
			}
		})
		s := state{credentials: c, refused: rapid.SampledFrom([]string{"", Fingerprint("value"), Fingerprint("old")}).Draw(t, "refused")}
		s.token = aged(span.Draw(t, "age"), func(k *token) {
			k.Life = time.Duration(rapid.Int64Range(int64(time.Minute), int64(48*time.Hour)).Draw(t, "life"))
			k.ObtainedAt = noon.Add(span.Draw(t, "obtained"))
			k.Refusals = rapid.IntRange(0, 20).Draw(t, "refusals")
			if rapid.Bool().Draw(t, "doubted") {
				k.DoubtAfter = noon.Add(span.Draw(t, "doubt after"))
			}
		})
		s.notes.Cooldown = cooldown{"client", noon.Add(span.Draw(t, "cooldown")), "pause"}
		d := decide(s, noon)
		if d.action == keep && !usable(s.token, s.refused, noon) {
			t.Fatalf("an unusable token is kept: %s", d.reason)
		}
		if (d.action == keep || d.action == wait) && !d.at.After(noon) {
			t.Fatalf("%s until %s, which is not after now", d.action, d.at)
		}
		if d.action == wait && d.at.Sub(noon) > maxPause+leeway {
			t.Fatalf("waits until %s", d.at)
		}
		if d.action == renew {
			got := token{Token: cmu.Token{Value: "new", IssuedAt: noon, ExpiresAt: noon.Add(life), Life: life}, ClientID: c.ClientID}
			next := successor(got, s.token, s.refused, noon)
			if !replaces(&next, s.token, s.refused, noon) && s.token.ExpiresAt.Before(next.ExpiresAt) {
				t.Fatalf("the new token is not stored")
			}
			s.token = &next
			if d := decide(s, noon); d.action != keep {
				t.Fatalf("just renewed, and %s: %s", d.action, d.reason)
			}
		}
	})
}

// Two processes whose clocks disagree by hours renew no more often than each of them would alone.
func TestClocksThatDisagree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		skew := []time.Duration{0, time.Duration(rapid.Int64Range(int64(-30*time.Hour), int64(30*time.Hour)).Draw(t, "skew"))}
		c, renewals := client(), 0
		var stored *token
		for tick := range 7 * 24 * 12 {
			at := noon.Add(time.Duration(tick) * 5 * time.Minute).Add(skew[tick%2])
			if d := decide(state{credentials: c, token: stored}, at); d.action == renew {
				got := successor(token{Token: cmu.Token{
					Value: cmu.Secret(at.String()), ExpiresAt: at.Add(life), Life: life,
				}, ClientID: "client"}, stored, "", at)
				stored = &got
				renewals++
			}
		}
		if alone := 7 * 24 / 3; renewals > 2*alone {
			t.Fatalf("%d renewals in a week, %d would do", renewals, alone)
		}
	})
}
