// Package cmu is a client of Adobe Concurrency Monitoring's usage reports (CMU): it reads a software statement, registers a
// client with it, trades the client's credentials for an access token, and asks for reports.
//
//	statement, err := cmu.ParseStatement(text)
//	credentials, err := client.Register(ctx, statement)   // once, ever: keep what comes back
//	token, err := client.Token(ctx, credentials)          // every few hours
//	request, err := cmu.Parse("/tenant/year/month/day", "start=2026-07")
//	answer, err := client.Report(ctx, token.Value, request, "application/json")
//
// Nothing here retries, caches or stores. No secret appears in an error, a URL or a String method.
//
// Source: Adobe, Concurrency Monitoring usage API; Dynamic Client Registration API; RFC 7591, RFC 6749.
package cmu
