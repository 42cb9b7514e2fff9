package cmu

import "log/slog"

// Secret is a text that must not be shown. Every way of printing it yields a placeholder; Reveal gives the text.
type Secret string

const redacted = "[redacted]"

// Reveal returns the secret text, for the one place that sends or stores it.
func (s Secret) Reveal() string { return string(s) }

// String, GoString, MarshalText and LogValue keep the text out of fmt, JSON and logs.
func (s Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
