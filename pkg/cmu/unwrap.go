package cmu

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode"
)

// statementKey names the statement in Adobe's API, and in the objects that people put it into.
const statementKey = "software_statement"

// quotes are what people and tools put around a text.
const quotes = "\"'`\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"

// unwrapped takes a software statement out of what people and tools put around it. Its errors name the wrapping.
func unwrapped(text []byte) (string, error) {
	s := strings.TrimSpace(string(text))
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
	s = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(s, statementKey+"="), statementKey+":"))
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '\ufeff' || r == 0 {
			return -1
		}
		return r
	}, strings.Trim(s, quotes)), nil
}

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
