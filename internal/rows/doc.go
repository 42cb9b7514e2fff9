// Package rows holds report rows as compressed pieces that are ready to send: it writes and reads them, keeps them in the
// report's order, merges them, and joins them into one gzip member without opening them. It knows neither a cache nor Adobe's
// server.
package rows
