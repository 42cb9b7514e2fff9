package cmu

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// shown is everything that printing, logging and encoding v make of it.
func shown(t *testing.T, v any) string {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%e", "%c", "%U", "%20s", "%.3s", "no verb"} {
		fmt.Fprintf(&out, verb+"\n", v)
	}
	fmt.Fprintln(&out, v, []any{v}, map[any]any{"k": v}, struct{ V any }{v})
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).With("with", v).WithGroup("g").Info("m", "k", v, "group", slog.GroupValue(slog.Any("in", v)))
	}
	if err := json.NewEncoder(&out).Encode(v); err != nil {
		t.Error(err)
	}
	if err := gob.NewEncoder(&out).Encode(v); err != nil {
		t.Error(err)
	}
	fmt.Fprintln(&out, errors.Join(fmt.Errorf("no: %v", v), fmt.Errorf("no: %+v", v)))
	return out.String()
}

func TestSecretsAreNotShown(t *testing.T) {
	const text = "s3cret-text"
	s := Secret(text)
	type holder struct {
		Name string
		Key  Secret
		Keys []Secret
		By   map[string]Secret
		At   *Secret
	}
	for name, v := range map[string]any{
		"secret": s, "pointer": &s, "credentials": Credentials{ClientID: "id", ClientSecret: s}, "credentials by pointer": &Credentials{ClientSecret: s},
		"token": Token{Value: s}, "token by pointer": &Token{Value: s}, "statement": Statement{Text: s, SoftwareID: "a"}, "slice": []Secret{s},
		"map": map[string]Secret{"k": s}, "holder": holder{"n", s, []Secret{s}, map[string]Secret{"k": s}, &s},
	} {
		out := shown(t, v)
		hex := fmt.Sprintf("%x", text)
		if i := strings.Index(out, text); i >= 0 {
			t.Errorf("%s is shown: %s", name, out[max(0, i-60):i+len(text)])
		}
		if strings.Contains(strings.ToLower(strings.ReplaceAll(out, " ", "")), hex) {
			t.Errorf("%s is shown in hexadecimal", name)
		}
		if !strings.Contains(out, redacted) {
			t.Errorf("%s: no placeholder: %s", name, out)
		}
	}
	if out, err := xml.Marshal(holder{Key: s}.Key); err != nil || strings.Contains(string(out), text) {
		t.Errorf("XML %s, %v", out, err)
	}
	if s.Reveal() != text || s.String() != redacted {
		t.Error("Reveal or String")
	}
	var kept bytes.Buffer
	if err := gob.NewEncoder(&kept).Encode(Token{Value: s}); err != nil {
		t.Fatal(err)
	}
	var read Token
	if err := gob.NewDecoder(&kept).Decode(&read); err == nil {
		t.Errorf("a placeholder was read as the secret %q", read.Value.Reveal())
	}
}
