package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"cmu-gateway/pkg/cmu"
)

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
	// Waits is as in RefreshOptions.
	Waits func(message string)
}

const maxReason = 300

// Register makes sure that there are client credentials: any number of calls at once, in any number of processes, make one
// registration. Credentials that exist and are not refused are kept without a call to Adobe, and unless Force is set a
// registration that would follow another too soon is not made.
//
// Errors: cmu.ErrStatement or ErrNoStatement when there is no usable statement, ErrNotSetUp when there never was one; cmu.ErrStatementRefused when Adobe does not
// accept it, now or before; *WaitError when it is too early; those of package secrets; *cmu.Error; others, as when the credentials
// that are stored cannot be read. Credentials that Adobe gave and that could not be stored live on in k alone, whose next Register
// stores them: the error says so.
func (k *Keeper) Register(ctx context.Context, o RegisterOptions) (result RegisterResult, err error) {
	o.Reason = strings.TrimSpace(o.Reason)
	if o.Force && o.Reason == "" {
		return RegisterResult{}, errors.New("register: force needs a reason: each registration leaves one more client at Adobe")
	}
	if len(o.Reason) > maxReason {
		return RegisterResult{}, fmt.Errorf("register: the reason is longer than %d bytes", maxReason)
	}
	o.Reason = cmu.Reason([]byte(o.Reason)) // it is shown to others, later
	if o.DryRun {
		result, err = k.checkStatement(ctx, o.Statement)
	} else {
		r := registration{k: k, o: o, lease: k.newLease(leaseRegister, beyondRegistration)}
		err = k.alone(ctx, r.lease, o.Waits, r.look, r.act)
		result = r.result
	}
	if err != nil {
		return RegisterResult{}, fmt.Errorf("register: %w", err)
	}
	return result, nil
}

// registration is one call of Register.
type registration struct {
	k      *Keeper
	o      RegisterOptions
	lease  lease
	result RegisterResult

	// What look found.
	looked    bool
	before    string // client ID at the first look
	notes     notes
	statement cmu.Statement
	reason    string
	replaces  string // client ID of the refused or expired credentials, if that is the reason
}

// look finds out what there is, and is done when no registration is needed. That it is too early for one is known only under the
// lease: without it, the last attempt may be still under way.
func (r *registration) look(ctx context.Context, held bool) (done bool, err error) {
	k := r.k
	stored, err := k.credentials(ctx)
	if err != nil && (!r.o.Force || !errors.Is(err, errUnreadable)) {
		return false, err
	}
	if r.notes, err = k.notes(ctx); err != nil {
		return false, err
	}
	id := ""
	if stored != nil {
		id = stored.ClientID
	}
	if !r.looked {
		r.looked, r.before = true, id
	}
	force := r.o.Force && id == r.before // else another process has just done it
	d := mayRegister(stored, r.notes, "", k.o.RegisterInterval, k.now())
	if d.action == keep && !force {
		return true, r.endKept(ctx, stored)
	}
	if r.statement, err = k.statement(ctx, r.o.Statement); err != nil {
		if errors.Is(err, ErrNoStatement) && stored == nil && r.notes.untried() && !r.o.Force {
			err = fmt.Errorf("%w: put the one downloaded from the TVE Dashboard into the secret %s", ErrNotSetUp, k.o.StatementName)
		}
		return false, err
	}
	digest := k.digest(r.statement)
	if !force {
		d = mayRegister(stored, r.notes, digest, k.o.RegisterInterval, k.now())
	}
	if held && !force && d.action == wait && k.unstored.Load() == nil {
		if refusal := r.notes.RefusedStatement; refusal.Digest == digest {
			return false, fmt.Errorf("%w at %s (%s): replace it, or, once Adobe has approved it, %s",
				cmu.ErrStatementRefused, refusal.Since.UTC().Format(time.RFC3339), refusal.Code, byForce)
		}
		return false, &WaitError{d.reason, d.at}
	}
	r.reason, r.replaces = r.o.Reason, ""
	if r.reason == "" {
		r.reason = d.reason
	}
	if !force {
		r.replaces = id
	}
	return false, nil
}

// act registers, and stores what comes back. It runs under the lease.
func (r *registration) act(ctx context.Context) error {
	c, err := r.obtain(ctx)
	if err != nil {
		return err
	}
	if err := r.store(ctx, c); err != nil {
		return r.endOrphaned(context.WithoutCancel(ctx), c, err)
	}
	ctx = context.WithoutCancel(ctx)
	r.k.noteLicence(ctx, r.notes.Licence, licenceOf(c.SoftwareID, c.ClientID))
	r.endRegistered(ctx, c)
	return nil
}

// obtain gets credentials from Adobe, unless there are some that could not be stored before.
func (r *registration) obtain(ctx context.Context) (*credentials, error) {
	k, count := r.k, &r.notes.Registrations
	if c := k.unstored.Swap(nil); c != nil {
		count.Orphans = max(count.Orphans-1, 0)
		return c, nil
	}
	// What Adobe gives exists nowhere else: whether it can be kept is found out before.
	if err := k.repeat(ctx, retrySecret, func() error { return k.o.Secrets.Check(ctx, k.o.CredentialsName) }); err != nil {
		return nil, fmt.Errorf("nothing was sent to Adobe, as the client credentials could not be kept: %w", err)
	}
	failed := count.Failed
	count.Attempt, count.Failed = k.now().UTC(), failed+1
	if err := k.putNote(ctx, noteRegistrations, count, time.Time{}); err != nil {
		return nil, err
	}
	got, err := r.call(ctx)
	if err != nil {
		return nil, r.noteFailure(ctx, err, failed)
	}
	c := &credentials{got, k.now().UTC(), r.statement.SoftwareID, r.replaces}
	count.Count, count.Last, count.Reason, count.ClientID = count.Count+1, c.RegisteredAt, r.reason, c.ClientID
	if c.Replaces != "" {
		count.Replaced = c.RegisteredAt
	}
	return c, nil
}

// call registers. Only what surely made no client is tried again, and half of the time is left to store what comes back.
func (r *registration) call(ctx context.Context) (got cmu.Credentials, err error) {
	k := r.k
	end := k.now().Add(k.deadline(ctx).Sub(k.now()) / 2)
	policy := func(n int, err error) (time.Duration, bool) {
		var dial *net.OpError
		if !errors.As(err, new(*cmu.Error)) && (!errors.As(err, &dial) || dial.Op != "dial") {
			return 0, false
		}
		d, again := retryAdobe(n, err)
		return d, again && n < 5
	}
	err = k.askAdobe(ctx, end, policy, func(ctx context.Context) (err error) {
		if err = r.lease.take(ctx); err != nil {
			return err
		}
		got, err = k.o.Client.Register(ctx, r.statement)
		return k.checkAddress(err)
	})
	return got, err
}

// noteFailure notes that a registration failed, with as many before it that did, and returns the error as the caller gets it.
func (r *registration) noteFailure(ctx context.Context, err error, failed int) error {
	k := r.k
	var e *cmu.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Status < http.StatusInternalServerError && !errors.Is(err, cmu.ErrThrottled) { // no client was made
		r.notes.Registrations.Failed = failed
		if err := k.putNote(ctx, noteRegistrations, r.notes.Registrations, time.Time{}); err != nil {
			k.o.Log.WarnContext(ctx, "the failed registration could not be noted", "error", err)
		}
	}
	if e.Code == "" {
		return err
	}
	k.event(ctx, slog.LevelError, eventStatementRefused, "Adobe refused the registration for good", "code", e.Code,
		"software_id", r.statement.SoftwareID)
	note := refusedStatement{k.digest(r.statement), e.Code, k.now().UTC()}
	if err := k.putNote(ctx, noteRefusedStatement, note, time.Time{}); err != nil {
		k.o.Log.WarnContext(ctx, "the refusal could not be noted", "error", err)
	}
	return fmt.Errorf("this registration is refused until something changes at Adobe: then %s: %w", byForce, err)
}

// store writes the only copy of the credentials, and goes on trying even when the caller has given up.
func (r *registration) store(ctx context.Context, c *credentials) error {
	k := r.k
	end := k.deadline(ctx)
	ctx = context.WithoutCancel(ctx)
	hard := func(n int, err error) (time.Duration, bool) {
		k.o.Log.ErrorContext(ctx, "new client credentials could not be stored yet", "client_id", c.ClientID, "tries", n, "error", err)
		return min(backOff(n), 10*time.Second), true
	}
	brief := func(f func(ctx context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, storeTime)
		defer cancel()
		return f(ctx)
	}
	return k.repeatUntil(ctx, end, hard, func() error {
		err := brief(func(ctx context.Context) error {
			return k.o.Secrets.Write(ctx, k.o.CredentialsName, "client-"+c.ClientID, c.encode())
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

// endKept ends a registration that is not needed.
func (r *registration) endKept(ctx context.Context, c *credentials) error {
	k, since := r.k, ""
	if !c.since().IsZero() {
		since = ", registered at " + c.since().UTC().Format(time.RFC3339) + ","
	}
	r.result = RegisterResult{
		Outcome: Kept, ClientID: c.ClientID, Since: c.since(), Scopes: c.Scopes,
		Message: fmt.Sprintf("The credentials of client %s%s are kept: Adobe has not refused them.", c.ClientID, since),
	}
	if r.o.Statement != nil {
		s, err := k.statement(ctx, r.o.Statement)
		if err != nil {
			return err
		}
		r.result.Statement = k.statementInfo(s)
		if c.SoftwareID != "" && c.SoftwareID != s.SoftwareID {
			r.result.Warnings = append(r.result.Warnings, fmt.Sprintf(
				"The statement given is of software %s, the credentials are of software %s. Force registers with it.", s.SoftwareID, c.SoftwareID))
		}
	}
	k.event(ctx, slog.LevelInfo, eventRegisterKept, "client credentials kept", "client_id", c.ClientID)
	return nil
}

// endRegistered ends a registration whose credentials are stored.
func (r *registration) endRegistered(ctx context.Context, c *credentials) {
	k, count := r.k, &r.notes.Registrations
	count.Failed = 0
	r.noteCount(ctx, c)
	for _, name := range []string{noteRefusedClient, noteRefusedStatement} {
		if err := k.deleteNote(ctx, name); err != nil {
			k.o.Log.WarnContext(ctx, "an old mark could not be removed", "note", name, "error", err)
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
}

// endOrphaned ends a registration whose credentials could not be stored. They stay in this process.
func (r *registration) endOrphaned(ctx context.Context, c *credentials, err error) error {
	k, count := r.k, &r.notes.Registrations
	count.Orphans++
	k.unstored.Store(c)
	r.noteCount(ctx, c)
	k.event(ctx, slog.LevelError, eventOrphan, "Adobe registered a client whose credentials could not be stored", "client_id", c.ClientID,
		"orphans", count.Orphans, "error", err)
	return fmt.Errorf("CREDENTIALS NOT STORED: Adobe registered client %s, but its secret exists only in this process's memory. If it "+
		"ends before another try succeeds, the client is an orphan: ask Adobe to remove it: %w", c.ClientID, err)
}

func (r *registration) noteCount(ctx context.Context, c *credentials) {
	if err := r.k.putNote(ctx, noteRegistrations, r.notes.Registrations, time.Time{}); err != nil {
		r.k.o.Log.WarnContext(ctx, "the registration could not be noted", "client_id", c.ClientID, "error", err)
	}
}
