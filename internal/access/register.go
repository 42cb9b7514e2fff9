package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// ErrNoStatement: there is no software statement to register with.
var ErrNoStatement = errors.New("there is no software statement")

// RegisterOptions say how to register. The zero value registers with the statement in its secret if there are no
// credentials that Adobe accepts.
type RegisterOptions struct {
	// Statement is the text of the software statement; nil: it is read from its secret.
	Statement []byte
	// DryRun only reads and checks the statement.
	DryRun bool
	// Force registers even if there are good credentials, and needs a Reason. Each registration leaves one more client at Adobe.
	Force bool
	// Reason is logged and noted; it is a sentence without secrets, of up to 300 bytes.
	Reason string
}

const maxReason = 300

// Outcomes of Register.
const (
	Registered = "registered"
	Kept       = "kept" // also of Refresh
	Checked    = "checked"
)

// RegisterResult is what Register did. It holds no secret.
type RegisterResult struct {
	Outcome   string         `json:"outcome"` // Registered, Kept or, of a dry run, Checked
	Message   string         `json:"message"`
	ClientID  string         `json:"client_id,omitempty"`
	Since     time.Time      `json:"since,omitzero"` // zero: not known
	Scopes    []string       `json:"scopes,omitempty"`
	Statement *StatementInfo `json:"statement,omitempty"` // nil: not looked at
	Warnings  []string       `json:"warnings,omitempty"`
}

// StatementInfo is what a software statement says, without its text. Times that it does not state are zero.
type StatementInfo struct {
	SoftwareID  string    `json:"software_id"`
	Issuer      string    `json:"issuer"`
	RegistersAt string    `json:"registers_at"` // address of the authorization server in use
	IssuedAt    time.Time `json:"issued_at,omitzero"`
	NotBefore   time.Time `json:"not_before,omitzero"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	AgeDays     int       `json:"age_days"`
}

// WaitError says that nothing is done now, and when to ask again.
type WaitError struct {
	Reason string
	Until  time.Time
}

func (e *WaitError) Error() string {
	return e.Reason + "; not before " + e.Until.UTC().Format(time.RFC3339)
}

// Register makes sure that there are client credentials: any number of calls at once, in any number of processes, make one
// registration. Credentials that exist and are not refused are kept without a call to Adobe, and unless Force is set a
// registration that would follow another too soon is not made.
//
// Errors: cmu.ErrStatement or ErrNoStatement when there is no usable statement; cmu.ErrStatementRefused when Adobe does not
// accept it, now or before; *WaitError when it is too early; those of package secrets; *cmu.Error; others, as when the credentials
// that are stored cannot be read. Credentials that Adobe gave and that could not be stored live on in k alone, whose next Register
// stores them: the error says so.
func (k *Keeper) Register(ctx context.Context, o RegisterOptions) (RegisterResult, error) {
	o.Reason = strings.TrimSpace(o.Reason)
	if o.Force && o.Reason == "" {
		return RegisterResult{}, errors.New("register: force needs a reason: each registration leaves one more client at Adobe")
	}
	if len(o.Reason) > maxReason {
		return RegisterResult{}, fmt.Errorf("register: the reason is longer than %d bytes", maxReason)
	}
	if o.DryRun {
		return k.checkStatement(ctx, o)
	}
	r := registration{k: k, options: o, lease: k.lease(leaseRegister, beyondRegistration)}
	if err := k.alone(ctx, r.lease, func(held bool) (bool, error) { return r.look(ctx, held) }, func() error { return r.register(ctx) }); err != nil {
		return RegisterResult{}, fmt.Errorf("register: %w", err)
	}
	return r.result, nil
}

func (k *Keeper) checkStatement(ctx context.Context, o RegisterOptions) (RegisterResult, error) {
	s, err := k.statement(ctx, o)
	if err != nil {
		return RegisterResult{}, fmt.Errorf("register: %w", err)
	}
	info := k.statementInfo(s)
	return RegisterResult{
		Outcome:   Checked,
		Message:   fmt.Sprintf("The software statement of %s is in order. Nothing was sent to Adobe.", info.SoftwareID),
		Statement: info,
	}, nil
}

func (k *Keeper) statement(ctx context.Context, o RegisterOptions) (cmu.Statement, error) {
	text := o.Statement
	if text == nil {
		err := k.repeat(ctx, k.end(ctx), readWait, func() (err error) {
			text, err = k.Secrets.Read(ctx, k.StatementName)
			return err
		})
		if errors.Is(err, secrets.ErrAbsent) {
			return cmu.Statement{}, fmt.Errorf("%w: put the one downloaded from the TVE Dashboard into the secret %s", ErrNoStatement, k.StatementName)
		}
		if err != nil {
			return cmu.Statement{}, fmt.Errorf("software statement: %w", err)
		}
	}
	s, err := cmu.ParseStatement(text)
	if err == nil {
		err = s.Check(k.now())
	}
	return s, err
}

func (k *Keeper) statementInfo(s cmu.Statement) *StatementInfo {
	info := &StatementInfo{
		SoftwareID: s.SoftwareID, Issuer: s.Issuer, RegistersAt: k.Client.AuthURL,
		IssuedAt: s.IssuedAt, NotBefore: s.NotBefore, ExpiresAt: s.ExpiresAt,
	}
	if !s.IssuedAt.IsZero() {
		info.AgeDays = int(k.now().Sub(s.IssuedAt) / (24 * time.Hour))
	}
	return info
}

// digest names what would be sent to Adobe.
func (k *Keeper) digest(s cmu.Statement) string {
	sum := sha256.Sum256([]byte(k.Client.AuthURL + "\n" + k.Client.RedirectURI + "\n" + s.Text.Reveal()))
	return hex.EncodeToString(sum[:16])
}

// registration is one call of Register.
type registration struct {
	k       *Keeper
	options RegisterOptions
	lease   lease
	result  RegisterResult

	// What look found.
	looked    bool
	before    string // client ID at the first look
	marks     marks
	statement cmu.Statement
	reason    string
	replaces  string // client ID of the refused or expired credentials, if that is the reason
}

// look finds out what there is, and is done when no registration is needed. That it is too early for one is known only under the
// lease: without it, the last attempt may be still under way.
func (r *registration) look(ctx context.Context, held bool) (done bool, err error) {
	k := r.k
	stored, err := k.credentials(ctx)
	if err != nil && (!r.options.Force || !errors.Is(err, errUnreadable)) {
		return false, err
	}
	if r.marks, err = k.readMarks(ctx); err != nil {
		return false, err
	}
	id := ""
	if stored != nil {
		id = stored.ClientID
	}
	if !r.looked {
		r.looked, r.before = true, id
	}
	force := r.options.Force && id == r.before // else another process has just done it
	d := mayRegister(stored, r.marks, "", k.registerInterval(), k.now())
	if d.action == keep && !force {
		return true, r.kept(ctx, stored)
	}
	if r.statement, err = k.statement(ctx, r.options); err != nil {
		return false, err
	}
	digest := k.digest(r.statement)
	if !force {
		d = mayRegister(stored, r.marks, digest, k.registerInterval(), k.now())
	}
	if held && !force && d.action == wait && k.unstored.Load() == nil {
		if refusal := r.marks.RefusedStatement; refusal.Digest == digest {
			return false, fmt.Errorf("%w at %s (%s): replace it, or register with force",
				cmu.ErrStatementRefused, refusal.Since.UTC().Format(time.RFC3339), refusal.Code)
		}
		return false, &WaitError{d.reason, d.at}
	}
	r.reason, r.replaces = r.options.Reason, ""
	if r.reason == "" {
		r.reason = d.reason
	}
	if !force {
		r.replaces = id
	}
	return false, nil
}

func (r *registration) kept(ctx context.Context, c *credentials) error {
	r.result = RegisterResult{
		Outcome: Kept, ClientID: c.ClientID, Since: c.since(), Scopes: c.Scopes,
		Message: fmt.Sprintf("The credentials of client %s%s are kept: Adobe has not refused them.", c.ClientID, sinceWords(c.since())),
	}
	if r.options.Statement != nil {
		s, err := r.k.statement(ctx, r.options)
		if err != nil {
			return err
		}
		r.result.Statement = r.k.statementInfo(s)
		if c.SoftwareID != "" && c.SoftwareID != s.SoftwareID {
			r.result.Warnings = append(r.result.Warnings, fmt.Sprintf(
				"The statement given is of software %s, the credentials are of software %s. Force registers with it.", s.SoftwareID, c.SoftwareID))
		}
	}
	r.k.event(ctx, slog.LevelInfo, eventRegisterKept, "client credentials kept", "client_id", c.ClientID)
	return nil
}

func sinceWords(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", registered at " + t.UTC().Format(time.RFC3339) + ","
}

// register registers and stores what comes back. It runs under the lease.
func (r *registration) register(ctx context.Context) error {
	k, count := r.k, r.marks.Registrations
	c := k.unstored.Swap(nil)
	if c == nil {
		failed := count.Failed
		count.Attempt, count.Failed = k.now().UTC(), failed+1
		if err := k.putMark(ctx, noteRegistrations, count, time.Time{}); err != nil {
			return err
		}
		got, err := r.call(ctx)
		if err != nil {
			return r.refused(ctx, err, count, failed)
		}
		c = &credentials{got, k.now().UTC(), r.statement.SoftwareID, r.replaces}
		count.Count, count.Last, count.Reason, count.ClientID = count.Count+1, c.RegisteredAt, r.reason, c.ClientID
		if c.Replaces != "" {
			count.Replaced = c.RegisteredAt
		}
	} else {
		count.Orphans = max(count.Orphans-1, 0)
	}
	storeErr := r.store(ctx, c)

	ctx = context.WithoutCancel(ctx)
	if storeErr == nil {
		count.Failed = 0
	} else {
		count.Orphans++
		k.unstored.Store(c)
	}
	if err := k.putMark(ctx, noteRegistrations, count, time.Time{}); err != nil {
		k.log().WarnContext(ctx, "the registration could not be noted", "client_id", c.ClientID, "error", err)
	}
	if storeErr != nil {
		k.event(ctx, slog.LevelError, eventOrphan, "Adobe registered a client whose credentials could not be stored", "client_id", c.ClientID,
			"orphans", count.Orphans, "error", storeErr)
		return fmt.Errorf("CREDENTIALS NOT STORED: Adobe registered client %s, but its secret exists only in this process's memory. If it "+
			"ends before another try succeeds, the client is an orphan: ask Adobe to remove it: %w", c.ClientID, storeErr)
	}
	for _, name := range []string{noteRefusedClient, noteRefusedStatement} {
		if err := k.deleteMark(ctx, name); err != nil {
			k.log().WarnContext(ctx, "an old mark could not be removed", "note", name, "error", err)
		}
	}
	r.result = RegisterResult{
		Outcome: Registered, ClientID: c.ClientID, Since: c.RegisteredAt, Scopes: c.Scopes, Statement: k.statementInfo(r.statement),
		Message: fmt.Sprintf("Adobe registered client %s: %s.", c.ClientID, r.reason),
	}
	k.event(ctx, slog.LevelInfo, eventRegistered, "Adobe registered a client", "client_id", c.ClientID, "reason", r.reason, "count", count.Count,
		"software_id", c.SoftwareID)
	if !c.GrantsReports() {
		r.result.Warnings = append(r.result.Warnings, "None of the granted scopes begins with cmu: Adobe may refuse reports to this client.")
		k.event(ctx, slog.LevelWarn, eventNoReportScope, "no granted scope begins with cmu", "client_id", c.ClientID, "scopes", c.Scopes)
	}
	return nil
}

// call registers. Only what surely made no client is tried again, and half of the time is left to store what comes back.
func (r *registration) call(ctx context.Context) (got cmu.Credentials, err error) {
	k := r.k
	end := k.now().Add(k.end(ctx).Sub(k.now()) / 2)
	wait := func(n int, err error) (time.Duration, bool) {
		var dial *net.OpError
		if !errors.As(err, new(*cmu.Error)) && (!errors.As(err, &dial) || dial.Op != "dial") {
			return 0, false
		}
		d, again := adobeWait(n, err)
		return d, again && n < 5
	}
	err = k.within(ctx, end, func(ctx context.Context) error {
		return k.repeat(ctx, end, wait, func() (err error) {
			if err = r.lease.take(ctx); err == nil {
				got, err = k.Client.Register(ctx, r.statement)
				err = k.checkAddress(err)
			}
			return err
		})
	})
	return got, err
}

// checkAddress adds the address that was asked, and the settings that choose it, to an error that a wrong address may explain.
func (k *Keeper) checkAddress(err error) error {
	var e *cmu.Error
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &e) && (e.Code != "" || e.Status >= http.StatusInternalServerError || errors.Is(err, cmu.ErrThrottled)):
		return err
	}
	return fmt.Errorf("%w; %s was asked: check CMU_AUTH_URL and CMU_ENVIRONMENT", err, k.Client.AuthURL)
}

// adobeWait is the wait before a call is made again that failed for the n-th time in a row.
func adobeWait(n int, err error) (time.Duration, bool) {
	var e *cmu.Error
	switch {
	case errors.As(err, new(*store.HeldError)) || errors.Is(err, context.Canceled):
		return 0, false
	case !errors.As(err, &e):
		return backOff(n), true
	case errors.Is(err, cmu.ErrThrottled):
		return max(e.RetryAfter, backOff(n)), true
	case e.Status >= http.StatusInternalServerError || e.Status == http.StatusRequestTimeout:
		return backOff(n), true
	}
	return 0, false
}

// refused notes that a registration failed.
func (r *registration) refused(ctx context.Context, err error, count registrations, failed int) error {
	k := r.k
	var e *cmu.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Status < http.StatusInternalServerError && !errors.Is(err, cmu.ErrThrottled) { // no client was made
		count.Failed = failed
		if err := k.putMark(ctx, noteRegistrations, count, time.Time{}); err != nil {
			k.log().WarnContext(ctx, "the failed registration could not be noted", "error", err)
		}
	}
	if e.Code == "" {
		return err
	}
	k.event(ctx, slog.LevelError, eventStatementRefused, "Adobe refused the registration for good", "code", e.Code,
		"software_id", r.statement.SoftwareID)
	mark := refusedStatement{k.digest(r.statement), e.Code, k.now().UTC()}
	if err := k.putMark(ctx, noteRefusedStatement, mark, time.Time{}); err != nil {
		k.log().WarnContext(ctx, "the refusal could not be noted", "error", err)
	}
	return fmt.Errorf("this registration is refused for good, and asking again changes nothing: %w", err)
}

// store writes the only copy of the credentials, and goes on trying even when the caller has given up.
func (r *registration) store(ctx context.Context, c *credentials) error {
	k := r.k
	end := k.end(ctx)
	ctx = context.WithoutCancel(ctx)
	hard := func(n int, err error) (time.Duration, bool) {
		k.log().ErrorContext(ctx, "new client credentials could not be stored yet", "client_id", c.ClientID, "tries", n, "error", err)
		return min(backOff(n), 10*time.Second), true
	}
	brief := func(f func(ctx context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, storeTime)
		defer cancel()
		return f(ctx)
	}
	return k.repeat(ctx, end, hard, func() error {
		err := brief(func(ctx context.Context) error {
			return k.Secrets.Write(ctx, k.CredentialsName, "client-"+c.ClientID, c.encode())
		})
		if err == nil {
			return nil
		}
		_ = brief(r.lease.take)
		_ = brief(func(ctx context.Context) error {
			if stored, readErr := k.credentials(ctx); readErr == nil && stored != nil && stored.equal(c) {
				err = nil
			}
			return nil
		})
		return err
	})
}

// storeTime bounds each step of storing credentials, so that the lease can be extended in time.
const storeTime = 15 * time.Second

// credentials returns those that are stored, or nil.
func (k *Keeper) credentials(ctx context.Context) (c *credentials, err error) {
	err = k.repeat(ctx, k.end(ctx), readWait, func() (err error) {
		c, err = readCredentials(ctx, k.Secrets, k.CredentialsName)
		return err
	})
	return c, err
}

// readWait repeats reads of secrets, which the store retries on its own, a few times only.
func readWait(n int, err error) (time.Duration, bool) {
	final := errors.Is(err, errUnreadable) || errors.Is(err, secrets.ErrDenied) || errors.Is(err, secrets.ErrAbsent)
	return time.Duration(n) * 200 * time.Millisecond, !final && n < 4
}
