package cmu

import (
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// A statement is taken out of what consoles, editors and scripts put around it, or the error says what that is.
func TestStatementWrapped(t *testing.T) {
	text := sign(t, jwt.MapClaims{"sub": "sub", "iss": "iss"})
	for _, c := range []struct{ given, want string }{
		{`{"software_statement":"` + text + `"}`, ""},
		{"{\r\n  \"software_statement\" : \"" + text + "\",\r\n \"note\": 7 }\r\n", ""},
		{`{"statement":"` + text + `"}`, ""},
		{`{"` + "softwareStatement" + `":" ` + text + ` "}`, ""},
		{`"` + text + `"`, ""},
		{"'" + text + "'\n", ""},
		{"\u201c" + text + "\u201d", ""},
		{"`" + text + "`", ""},
		{`"{\"software_statement\":\"` + text + `\"}"`, ""},
		{"software_statement=" + text, ""},
		{"software_statement: " + text, ""},
		{`{"a":"` + text + `","b":"` + text + `"}`, "wrapped in JSON"},
		{`["` + text + `"]`, "wrapped in JSON"},
		{`{"software_statement":` + text, "wrapped in JSON"},
		{`{"software_statement":""}`, "it is empty"},
		{`""`, "it is empty"},
		{"<!doctype html><p>" + text, "web page"},
		{"-----BEGIN CERTIFICATE-----\n" + text, "PEM"},
		{"Bearer " + text, ""},
		{"bearer  " + text + "\n", ""},
		{"Authorization: Bearer " + text, ""},
		{"SOFTWARE_STATEMENT=" + text, ""},
		{"export Software_Statement=\"" + text + "\"\n", ""},
		{"CMU_STATEMENT='" + text + "'", ""},
		{"\u200b" + text[:40] + "\u200b\u00ad" + text[40:] + "\u2060", ""},
		{"{\"software_statement\":\"\u200b" + text + "\"}", ""},
		{text + text, ""},
		{text + "\n" + text + "\n", ""},
		{text + "\n" + text[:len(text)-2] + "AA", "more than one"},
		{"the statement is " + text, "no JWT"},
	} {
		for what, given := range wrapped(c.given) {
			if c.given[0] > '~' && strings.HasSuffix(what, "without a mark") {
				continue // only what begins in ASCII is known for UTF-16
			}
			s, err := ParseStatement([]byte(given))
			if c.want == "" && (err != nil || s.Text.Reveal() != text) {
				t.Errorf("%.30s %s: %v", c.given, what, err)
			} else if c.want != "" && (!errors.Is(err, ErrStatement) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), text[:20])) {
				t.Errorf("%.30s %s: %v, want %q", c.given, what, err, c.want)
			}
		}
	}
}
