package cmu

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"unicode"
)

// statementKey names the statement in Adobe's API, and in the objects that people put it into.
const statementKey = "software_statement"

// quotes are what people and tools put around a text.
const quotes = "\"'`\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"

// unwrapped takes a software statement out of what people and tools put around it. Its errors name the wrapping.
func unwrapped(text []byte) (string, error) {
	s := strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || r == 0 { // what nobody sees, as programs paste it: spaces of no width, marks
			return -1
		}
		return r
	}, string(text)))
	for range 3 { // an object in quotes, in an object
		var inner string
		switch {
		case strings.HasPrefix(s, `"`) && json.Unmarshal([]byte(s), &inner) == nil:
			s = strings.TrimSpace(inner)
		case strings.HasPrefix(s, "{"):
			var err error
			if inner, err = member(s); err != nil {
				return "", err
			}
			s = strings.TrimSpace(inner)
		default:
			s = strings.TrimSpace(strings.Trim(s, quotes))
		}
	}
	switch {
	case strings.HasPrefix(s, "{"), strings.HasPrefix(s, "["):
		return "", errWrapped
	case strings.HasPrefix(s, "<"):
		return "", errors.New("it is a web page; download the statement itself from the TVE Dashboard")
	case strings.HasPrefix(s, "-----BEGIN"):
		return "", errors.New("it is a key or a certificate in PEM; want the software statement from the TVE Dashboard")
	}
	s = strings.Trim(named.ReplaceAllString(s, ""), quotes)
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
	if half := s[:len(s)/2]; len(s)%2 == 0 && s[len(s)/2:] == half {
		s = half // pasted twice
	}
	if strings.Count(s, "eyJ") > 1 && strings.Count(s, ".") > 2 {
		return "", errors.New("it is more than one statement; want one")
	}
	return s, nil
}

// named is what may stand before a statement: a variable of a shell, a name in a file of settings, a header.
var named = regexp.MustCompile(`(?i)^(export\s+)?([a-z_][a-z0-9_-]*\s*[=:]\s*)?(["'` + "`" + `])?(bearer\s+)?`)

var errWrapped = errors.New(`it is wrapped in JSON; want the text of the statement alone, or {"` + statementKey + `": "the text"}`)

// member is the statement in an object: under its name, or as the only member.
func member(object string) (string, error) {
	var members map[string]any
	if json.Unmarshal([]byte(object), &members) != nil {
		return "", errWrapped
	}
	if text, ok := members[statementKey].(string); ok {
		return text, nil
	}
	for _, value := range members {
		if text, ok := value.(string); ok && len(members) == 1 {
			return text, nil
		}
	}
	return "", errWrapped
}
