package access

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
)

// truth is what one who asks is told of an outage.
type truth struct {
	who        string
	outage     *Outage
	retryAfter time.Duration // zero: not told
	good       bool          // a token was handed out, or is said to be valid
}

// truths asks everybody who tells of access: those who want a token, here and in another process, both kinds of status, and a refresh.
func (w *world) truths(k *Keeper, tokens, elsewhere *Tokens) []truth {
	w.t.Helper()
	var all []truth
	told := func(who string, o *Outage, err error) {
		one := truth{who: who, outage: o, good: err == nil}
		var none *NoAccessError
		if errors.As(err, &none) {
			one.outage, one.retryAfter = none.Outage, none.RetryAfter
		}
		all = append(all, one)
	}
	for who, t := range map[string]*Tokens{"a caller": tokens, "a caller elsewhere": elsewhere} {
		got, err := tell(t.Token(background))
		if err == nil && w.accepts(got.Value) != nil {
			_, err = tell(t.Refused(background, got.Value))
		}
		told(who, nil, err)
	}
	r, err := tell(k.Refresh(background, RefreshOptions{}))
	told("refresh", r.Outage, err)
	for who, status := range map[string]func(context.Context) (Status, error){"status": k.Status, "status elsewhere": elsewhere.Status} {
		s := must[Status](w.t)(status(background))
		all = append(all, truth{who: who, outage: s.Outage, good: s.Token.Valid})
	}
	return all
}

// A second client that is lost within a day is not replaced by itself, by design: everybody tells the same of it at any moment, since
// when, until when, and which command ends it.
func TestSecondClientLost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		k, tokens := w.sameProcess(w.secrets)
		refreshing := w.keeper()
		elsewhere := w.tokens(func(o *TokensOptions) {
			o.AskRefresh = func(_ context.Context, refused string) error {
				go func() { _, _ = tell(refreshing.Refresh(background, RefreshOptions{Refused: refused})) }()
				return nil
			}
		})
		lose := func() {
			w.adobe.RevokeClients()
			w.adobe.RevokeTokens()
		}
		if err := w.use(tokens); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		lose()
		w.heals(tokens, 10*time.Second)
		first := now()
		time.Sleep(time.Hour)
		lose()
		lost := now()
		_ = w.use(tokens)
		time.Sleep(20 * time.Second)
		for range 100 {
			for _, told := range w.truths(k, tokens, elsewhere) {
				o := told.outage
				if told.good || o == nil || o.Reason != "Adobe refuses the client credentials" || o.Since.Sub(lost).Abs() > 10*time.Second ||
					o.Until.Sub(first.Add(24*time.Hour)).Abs() > 10*time.Second || !strings.HasPrefix(o.Command, "cmu register --force --reason ") {
					t.Fatalf("%s: %s is told %+v %+v", now(), told.who, told, o)
				}
				if told.retryAfter != 0 && (told.retryAfter-o.Until.Sub(now())).Abs() > 5*time.Second {
					t.Fatalf("%s: %s is told to come again in %v, at %v", now(), told.who, told.retryAfter, o.Until)
				}
			}
			time.Sleep(7 * time.Second)
		}
		w.counts(2, 2)
		if _, err := tell(k.Register(background, RegisterOptions{})); err == nil || !strings.Contains(err.Error(), byForce) {
			t.Errorf("register: %v", err)
		}
		must[RegisterResult](t)(k.Register(background, RegisterOptions{Force: true, Reason: "lost twice"}))
		must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
		time.Sleep(5 * time.Second)
		for _, told := range w.truths(k, tokens, elsewhere) {
			if !told.good || told.outage != nil {
				t.Errorf("afterwards %s is told %+v", told.who, told)
			}
		}
		time.Sleep(time.Minute)
	})
}

// heals fails unless a caller is served again after that time at most, who comes again when it is told.
func (w *world) heals(tokens *Tokens, within time.Duration) {
	w.t.Helper()
	start := now()
	for {
		err := w.use(tokens)
		if err == nil {
			return
		}
		wait := time.Second
		var none *NoAccessError
		if errors.As(err, &none) {
			wait = none.RetryAfter
		}
		if now().Add(wait).Sub(start) > within {
			w.t.Fatalf("not healed after %v: %v", now().Sub(start), err)
		}
		time.Sleep(wait)
	}
}

// A refusal of a token that Adobe accepted once counts as the first, although that token replaced a refused one.
func TestAcceptedTokenIsRefused(t *testing.T) {
	for _, clients := range []bool{true, false} {
		inWorld(t, func(t *testing.T, w *world) {
			_, tokens := w.sameProcess(w.secrets)
			if err := w.use(tokens); err != nil {
				t.Fatal(err)
			}
			for i := range 3 { // the second in a row within seconds
				w.adobe.RevokeTokens()
				if clients && i == 1 {
					w.adobe.RevokeClients()
				}
				w.heals(tokens, 10*time.Second)
				if s := must[Status](t)(w.keeper().Status(background)); !s.Token.Valid || strings.Contains(s.Summary, "may refuse") || s.Outage != nil {
					t.Errorf("%+v", s)
				}
				time.Sleep(2 * time.Second)
			}
			time.Sleep(time.Minute)
		})
	}
}

// Tokens that Adobe accepts and then refuses, again and again, are not made by the hundred.
func TestTokensAcceptedAndRefusedInTurns(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, tokens := w.sameProcess(w.secrets)
		for range 2 * 60 * 60 {
			if w.use(tokens) == nil {
				w.adobe.RevokeTokens()
			}
			time.Sleep(time.Second)
		}
		if c := w.adobe.Counts(); c.Issued > 30 || c.Registered != 1 {
			t.Errorf("%d tokens in two hours, %d registrations", c.Issued, c.Registered)
		}
		time.Sleep(time.Minute)
	})
}

// While Adobe's token endpoint hangs, is down, or answers nonsense, callers wait for five seconds at most and are told when to come
// again; the renewal goes on without them, and nobody is blamed who is not at work.
func TestCallersDoNotWait(t *testing.T) {
	for name, fault := range map[string]sandbox.Fault{
		"hang": {On: "token", Kind: "hang"}, "fails": {On: "token", Kind: "status", Status: 500}, "lost": {On: "token", Kind: "lost"},
		"nonsense": {On: "token", Kind: "status", Status: 200, Body: "<html>"},
	} {
		inWorld(t, func(t *testing.T, w *world) {
			w.ready()
			time.Sleep(7 * time.Hour)
			w.change(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{fault} })
			k, tokens := w.sameProcess(w.secrets)
			ctx, stop := context.WithCancel(background)
			var all sync.WaitGroup
			all.Go(func() { k.Run(ctx, 0) })
			for range 60 {
				start := now()
				_, err := tell(tokens.Token(background))
				var none *NoAccessError
				if !errors.As(err, &none) || none.RetryAfter < time.Second || none.RetryAfter > time.Minute {
					t.Errorf("%s: %v", name, err)
				}
				if took := now().Sub(start); took > 5*time.Second {
					t.Errorf("%s: waited for %v", name, took)
				}
				time.Sleep(time.Second)
			}
			if strings.Contains(w.lines.String(), "another process") {
				t.Errorf("%s: another process is blamed", name)
			}
			w.change(func(b *sandbox.Behaviour) { b.Faults = nil })
			w.heals(tokens, 2*time.Minute)
			w.counts(1, w.adobe.Counts().Issued)
			stop()
			all.Wait()
			time.Sleep(2 * time.Minute)
		})
	}
}

// While a token that Adobe refuses is being replaced, nobody says that it is good; a call that hangs is not waited for, once Adobe
// answers others.
func TestRefusedTokenWhileAdobeHangs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k, tokens := w.sameProcess(w.secrets)
		if err := w.use(tokens); err != nil {
			t.Fatal(err)
		}
		w.adobe.RevokeTokens()
		w.change(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{On: "token", Kind: "hang", Count: 1}} })
		if err := w.use(tokens); !errors.Is(err, ErrNoAccess) {
			t.Errorf("%v", err)
		}
		ctx, cancel := context.WithTimeout(background, 2*time.Second)
		defer cancel()
		if r, err := tell(k.Refresh(ctx, RefreshOptions{})); err == nil {
			t.Errorf("%+v", r)
		}
		for _, status := range []func(context.Context) (Status, error){k.Status, w.tokens().Status} {
			if s := must[Status](t)(status(background)); s.Token.Valid || s.Outage == nil || s.Outage.Reason != "Adobe refuses the access token" {
				t.Errorf("%+v", s)
			}
		}
		w.heals(tokens, 10*time.Second)
		if s := must[Status](t)(k.Status(background)); !s.Token.Valid || s.Outage != nil {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute)
	})
}

// What is damaged, or was refused and is approved since, is told with the command that mends it.
func TestSentencesNameTheCommand(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.change(func(b *sandbox.Behaviour) { b.RefuseStatements = "unapproved_software_statement" })
		k := w.keeper()
		named := func(what string, err error, s Status) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), byForce) {
				t.Errorf("%s: %v", what, err)
			}
			if len(s.Problems) == 0 || !strings.Contains(s.Problems[0], byForce) {
				t.Errorf("%s: status names the problems %q", what, s.Problems)
			}
		}
		for i := range 3 { // Adobe's own word, and then from the note
			_, err := tell(k.Register(background, RegisterOptions{}))
			named(fmt.Sprint("refused statement, register ", i), err, must[Status](t)(k.Status(background)))
			_, err = tell(k.Refresh(background, RefreshOptions{}))
			named(fmt.Sprint("refused statement, refresh ", i), err, must[Status](t)(w.tokens().Status(background)))
			time.Sleep(time.Hour)
		}
		w.change(func(b *sandbox.Behaviour) { b.RefuseStatements = "" })
		must[RegisterResult](t)(k.Register(background, RegisterOptions{Force: true, Reason: "approved"}))
		must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
		if s := must[Status](t)(k.Status(background)); len(s.Problems) > 0 {
			t.Errorf("%q", s.Problems)
		}
		for _, damaged := range []string{"nonsense", `{"client_id":"a"}`, `{"version":7,"client_id":"a","client_secret":"b"}`} {
			w.put(credentialsName, damaged)
			s, err := tell(k.Status(background))
			if !errors.Is(err, errUnreadable) {
				t.Errorf("%v", err)
			}
			_, err = tell(k.Register(background, RegisterOptions{}))
			named(damaged+", register", err, s)
			_, err = tell(k.Refresh(background, RefreshOptions{}))
			named(damaged+", refresh", err, s)
		}
	})
}

func TestOutage(t *testing.T) {
	own, hour := Fingerprint("value"), noon.Add(time.Hour)
	refused := refusedClient{"client", noon.Add(-time.Minute), hour}
	for _, test := range []struct {
		name  string
		state state
		want  *Outage
	}{
		{"nothing was ever done", state{}, nil},
		{"all is well", state{credentials: client(), token: aged(time.Hour)}, nil},
		{"the token has ended, and nothing is known of why", state{credentials: client(), token: aged(life)}, nil},
		{"the client is refused, the token good", state{credentials: client(), token: aged(0), notes: notes{RefusedClient: refused}},
			&Outage{"Adobe refuses the client credentials", refused.Since, hour, byForce}},
		{"another client was refused", state{credentials: client(func(c *credentials) { c.ClientID = "new" }), token: aged(0),
			notes: notes{RefusedClient: refused}}, nil},
		{"the client is refused, credentials are not known", state{token: aged(time.Hour), notes: notes{RefusedClient: refused}},
			&Outage{"Adobe refuses the client credentials", refused.Since, hour, byForce}},
		{"a client was refused before this token was given", state{token: aged(0), notes: notes{RefusedClient: refused}}, nil},
		{"the instant has passed", state{credentials: client(), notes: notes{RefusedClient: refusedClient{"client", noon.Add(-25 * time.Hour), noon}}},
			&Outage{"Adobe refuses the client credentials", noon.Add(-25 * time.Hour), time.Time{}, byForce}},
		{"client and statement are refused", state{credentials: client(),
			notes: notes{RefusedClient: refused, RefusedStatement: refusedStatement{"d", "unapproved_software_statement", noon}}},
			&Outage{"Adobe refuses the client credentials, and the software statement (unapproved_software_statement)", refused.Since, time.Time{}, byForce}},
		{"no registration succeeds", state{notes: notes{Registrations: registrations{Failed: 99, Attempt: noon}}},
			&Outage{"no registration succeeds", noon, hour, byForce}},
		{"the token was refused, and could not be replaced", state{credentials: client(), token: aged(time.Hour), refused: own,
			notes: notes{RefusedToken: refusedToken{own, noon}}}, &Outage{"Adobe refuses the access token", noon, time.Time{}, ""}},
		{"the token was refused just now", state{credentials: client(), token: aged(time.Hour), refused: own}, nil},
		{"tokens are refused in a row", state{credentials: client(), token: aged(0, func(t *token) { t.Refusals = 2 }), refused: own,
			notes: notes{RefusedToken: refusedToken{own, noon}}},
			&Outage{"Adobe has refused 3 access tokens in a row, the last one", noon, noon.Add(4 * time.Minute), byForce}},
		{"a pause", state{credentials: client(), token: aged(life), notes: notes{Cooldown: cooldown{"client", hour, "Adobe gave no token a moment ago"}}},
			&Outage{"Adobe gave no token a moment ago", time.Time{}, hour, ""}},
	} {
		if got := outage(test.state, noon); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}
