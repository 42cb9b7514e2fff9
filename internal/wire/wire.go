// Package wire builds the working parts of the gateway from its settings: the same for the Lambda functions and for the binary
// on a laptop, which bring their own stores.
package wire

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/settings"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/internal/warm"
	"cmu-gateway/pkg/cmu"
)

// Client returns the client of the Adobe that s names.
func Client(s settings.Settings) *cmu.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = s.FetchParallel // the default of two would cost the others a handshake each time
	transport.MaxResponseHeaderBytes = 256 << 10
	return &cmu.Client{
		Transport: transport,
		AuthURL:   s.AuthURL, ReportsURL: s.ReportsURL, RedirectURI: s.RedirectURI, DeviceInfo: s.DeviceInfo, Timeout: s.AdobeTimeout,
		AllowHTTP: s.AllowHTTP,
	}
}

// Keeper returns what keeps credentials and token valid, with leases and notes in a store that all processes of a deployment share.
// holder names this process in leases; it may be empty. askRegister has credentials registered elsewhere; nil: Keeper registers.
func Keeper(s settings.Settings, kept secrets.Store, shared store.Store, holder string,
	askRegister func(ctx context.Context, reason string) error, log *slog.Logger) *access.Keeper {
	return access.NewKeeper(keeperOptions(s, kept, shared, holder, askRegister, log))
}

func keeperOptions(s settings.Settings, kept secrets.Store, shared store.Store, holder string,
	askRegister func(ctx context.Context, reason string) error, log *slog.Logger) access.KeeperOptions {
	return access.KeeperOptions{
		Client: Client(s), Secrets: kept, Leases: shared, Notes: shared, RegisterInterval: s.RegisterInterval,
		StatementName: s.StatementSecret, CredentialsName: s.CredentialsSecret, TokenName: s.TokenSecret,
		Holder: holder, AskRegister: askRegister, Log: log,
	}
}

// Tokens returns what hands out the access token. keeper and askRefresh are fields of access.TokensOptions: one of them is nil.
func Tokens(s settings.Settings, kept secrets.Store, notes store.Notes, keeper *access.Keeper,
	askRefresh func(ctx context.Context, refused string) error, log *slog.Logger) *access.Tokens {
	return access.NewTokens(access.TokensOptions{
		Secrets: kept, Name: s.TokenSecret, Notes: notes, Keeper: keeper, AskRefresh: askRefresh, Log: log,
	})
}

// Reports returns the report cache over a store. It asks Adobe with what tokens hand out; adobe and after are fields of
// reports.Options.
func Reports(s settings.Settings, adobe string, blocks store.Store, tokens *access.Tokens, after func(func(context.Context)) bool,
	log *slog.Logger) *reports.Service {
	return reports.New(reportsOptions(s, adobe, blocks, tokens, after, log))
}

// WarmUp returns what keeps the reports of the settings fresh in a cache; nil: there are none.
func WarmUp(s settings.Settings, service *reports.Service, log *slog.Logger) *warm.Keeper {
	if len(s.Warm) == 0 {
		return nil
	}
	return warm.New(warm.Options{Reports: s.Warm, Service: service, Policy: Policy(s), Now: time.Now, Sleep: clock.Sleep, Log: log})
}

// Adobe names the Adobe of the settings among all that one table may have rows of.
func Adobe(s settings.Settings) string { return s.AuthURL + " " + s.ReportsURL }

func reportsOptions(s settings.Settings, adobe string, blocks store.Store, tokens *access.Tokens, after func(func(context.Context)) bool,
	log *slog.Logger) reports.Options {
	return reports.Options{
		Client: Client(s), Adobe: adobe, Store: blocks, After: after, Log: log,
		Policy:   Policy(s),
		RowLimit: s.RowLimit, Parallel: s.FetchParallel, Total: s.FetchTotal, Memory: int64(s.Memory),
		Token: func(ctx context.Context) (upstream.Token, error) { return reportToken(tokens.Token(ctx)) },
		Refused: func(ctx context.Context, refused cmu.Secret) (upstream.Token, error) {
			return reportToken(tokens.Refused(ctx, refused))
		},
		Newer: func(ctx context.Context, used cmu.Secret) (upstream.Token, bool) {
			t, ok := tokens.Newer(ctx, used)
			return upstream.Token{Value: t.Value, Licence: t.Licence}, ok
		},
		Accepted: tokens.Accepted, Licence: tokens.Licence, Noted: tokens.Noted,
	}
}

// Policy is what the settings say of how long rows hold.
func Policy(s settings.Settings) plan.Policy {
	return plan.Policy{
		Minute: s.FreshMinute, Hour: s.FreshHour, Day: s.FreshDay, Month: s.FreshMonth, Level: s.FreshLevel, Settled: s.FreshSettled,
		Stale: s.StaleWindow, StaleIfError: s.StaleIfError, Zone: s.ReportZone, Margin: s.SettleMargin, Keep: s.Keep,
	}
}

// reportToken turns the lack of a token into a pause.
func reportToken(t access.Token, err error) (upstream.Token, error) {
	var none *access.NoAccessError
	if errors.As(err, &none) {
		err = &upstream.PauseError{RetryAfter: none.RetryAfter, Reason: "there is no valid access token: " + none.Reason, Cause: err}
	}
	return upstream.Token{Value: t.Value, Licence: t.Licence}, err
}
