// Package cmu is a client of Adobe Concurrency Monitoring's usage reports (CMU). It reads a software statement, registers a client
// with it, trades the client's credentials for an access token, asks for reports, and reads their rows.
//
// # From a software statement to rows
//
// A software statement is downloaded from Adobe's TVE Dashboard. It is traded once for credentials, those every few hours for a
// token, and the token goes with every report (errors are left unread here):
//
//	client, err := cmu.NewClient(cmu.Environment{Name: "production"})
//	statement, err := cmu.ParseStatement(text)           // the downloaded file
//	credentials, err := client.Register(ctx, statement)  // once, ever: keep what comes back
//	token, err := client.Token(ctx, credentials)         // when the last one is near ExpiresAt
//	request, err := cmu.Parse("/tenant/year/month/day", "start=2026-07&end=2026-08&metrics=active-users")
//	for row, err := range client.Rows(ctx, token.Value, request).All() {
//		if err != nil {
//			return err
//		}
//		fmt.Printf("%s-%s: %s\n", row.Get("month"), row.Get("day"), row.Get("active-users"))
//	}
//
// The example of the package is that program, whole. [Client.Report] hands over the raw answer instead, for other representations than
// JSON.
//
// # Requests
//
// The path of a report names the dimensions to group by; parameters filter, choose metrics and bound the window. A [Request] is
// that as a Go value, parsed from a URL or built by hand. Requests that mean the same have the same [Request.Canonical] text, fit
// as a key of a cache. [Request.Check] tells what cannot be asked for at all. Adobe alone knows which paths exist.
//
// # Time
//
// Adobe never states the time zone of its reports. So windows and rows are calendar values here ([Civil], [Bound], [Grain]), and
// nothing is converted unless the caller names a zone ([CivilAt], [Civil.In]).
//
// # What Adobe does that may surprise
//
//   - Rows past the limit are missing without a word, and there is no second page. The limit in force is in the self link
//     ([Links]): as many rows as that mean that some are missing. Set Limit, or ask for a shorter window.
//   - Reports are recomputed every minute to every two days ([Grain.Recompute]), and reach back 25 months.
//   - active-users and users are distinct counts: they do not add up over rows.
//   - Each call of Register that Adobe answers leaves one more client at Adobe, even if the answer is lost on the way.
//   - The authorization server takes one call a second, with a burst of ten. The limits of reports are not documented.
//
// # What is left to the caller
//
// Nothing here retries, caches, stores or logs, or runs in the background. Errors say what to do: see [ErrThrottled] and the others,
// [Error] and its RetryAfter. Every call ends with its context, or after Client.Timeout. Values may be shared between goroutines as long
// as nobody changes them; a [Rows] is for one.
//
// # Secrets
//
// A [Secret] prints as a placeholder. No secret is in an error, a URL or a String method: statement and credentials travel in bodies, the
// token in a header. Redirects are not followed, so none of them goes where the caller did not send it. Storing them safely is the
// caller's task.
//
// Source: Adobe, Concurrency Monitoring usage API and usage reports; Adobe, Dynamic Client Registration API and its throttling page;
// RFC 6749 (OAuth 2.0), RFC 6750 (bearer tokens), RFC 7591 (client registration).
package cmu
