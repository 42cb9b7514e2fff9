package access

import (
	"context"
	"log/slog"
	"time"
)

// The values of the attribute "event" in log lines. Metric filters and alarms match them: they never change.
const (
	EventRegistered         = "registered"          // count, reason, client_id
	EventRegisterKept       = "register_kept"       // client_id
	EventOrphan             = "client_orphaned"     // client_id: Adobe made a client whose secret could not be stored
	EventStatementRefused   = "statement_refused"   // code
	EventNoReportScope      = "no_report_scope"     // client_id
	EventTokenRenewed       = "token_renewed"       // token_remaining_seconds, token_life_seconds, reason
	EventTokenKept          = "token_kept"          // token_age_seconds, token_remaining_seconds
	EventTokenLifeShort     = "token_life_short"    // token_life_seconds
	EventTokenRefused       = "token_refused"       // fingerprint
	EventInvalidClient      = "invalid_client"      // client_id
	EventRegisterAsked      = "register_asked"      // reason
	EventAccessWaits        = "access_waits"        // reason, retry_after_seconds
	EventRefreshFailed      = "refresh_failed"      // error
	EventDocumentUnreadable = "document_unreadable" // error
)

func (k *Keeper) log() *slog.Logger {
	if k.Log != nil {
		return k.Log
	}
	return slog.Default()
}

func (k *Keeper) event(ctx context.Context, level slog.Level, name, message string, attrs ...any) {
	k.log().Log(ctx, level, message, append([]any{"event", name}, attrs...)...)
}

// seconds is d as a metric: whole seconds.
func seconds(d time.Duration) int64 { return int64(d.Round(time.Second) / time.Second) }
