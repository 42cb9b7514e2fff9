package access

import (
	"context"
	"log/slog"
	"time"
)

// Life stands for token_remaining_seconds and token_remaining_percent, of the token's whole life; where there never was a token, lines
// have neither.
//
// The values of the attribute "event" in log lines. Metric filters and alarms match them: they never change.
const (
	eventRegistered         = "registered"          // count, reason, client_id
	eventRegisterKept       = "register_kept"       // client_id
	eventOrphan             = "client_orphaned"     // client_id: Adobe made a client whose secret could not be stored
	eventStatementRefused   = "statement_refused"   // code
	eventNoReportScope      = "no_report_scope"     // client_id
	eventNotSetUp           = "not_set_up"          // reason: there never were credentials, and registration was asked for
	eventTokenRenewed       = "token_renewed"       // life, token_life_seconds, reason
	eventTokenKept          = "token_kept"          // life, token_age_seconds
	eventTokenLifeShort     = "token_life_short"    // token_life_seconds
	eventTokenUnstored      = "token_unstored"      // fingerprint, error
	eventTokenRefused       = "token_refused"       // fingerprint
	eventInvalidClient      = "invalid_client"      // client_id
	eventRegisterAsked      = "register_asked"      // reason
	eventAccessWaits        = "access_waits"        // life, reason, retry_after_seconds
	eventRefreshFailed      = "refresh_failed"      // life, error
	eventDocumentUnreadable = "document_unreadable" // error
)

func (k *Keeper) event(ctx context.Context, level slog.Level, name, message string, attrs ...any) {
	k.o.Log.Log(ctx, level, message, append([]any{"event", name}, attrs...)...)
}

// seconds is d as a metric: whole seconds.
func seconds(d time.Duration) int64 { return int64(d.Round(time.Second) / time.Second) }
