package cmu

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that must not be shown: a software statement, a client secret, an access token. Printing, logging or encoding
// it by fmt, log/slog, encoding/json, encoding/xml, encoding/gob and what else honours their interfaces yields a placeholder, also
// inside of structs, slices and maps; [Secret.Reveal] gives the text. The zero Secret is the empty text. What goes by the
// underlying string shows it: a conversion, and fmt for an unexported field of a struct, whose methods it cannot call.
type Secret string

const redacted = "[redacted]"

// Reveal returns the secret text, for the one place that sends or stores it.
func (s Secret) Reveal() string { return string(s) }

// String returns a placeholder.
func (s Secret) String() string { return redacted }

// Format implements [fmt.Formatter]: a placeholder for every verb and flag.
func (s Secret) Format(f fmt.State, verb rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements [encoding.TextMarshaler]: a placeholder. Store what Reveal returns, not a Secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// GobEncode implements gob.GobEncoder: a placeholder, which gob then refuses to read into a Secret.
func (s Secret) GobEncode() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements [slog.LogValuer]: a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
