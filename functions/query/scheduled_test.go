package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// No request to the API is taken for the event of the schedule, whatever it holds.
func TestIsWarmUp(t *testing.T) {
	const own = `{"cmu-gateway":"warm"}`
	template, err := os.ReadFile("../../template.yaml")
	if err != nil || !strings.Contains(string(template), "Input: '"+own+"'") || !isWarmUp([]byte(own)) {
		t.Errorf("%v: template.yaml sends something else than %s", err, own)
	}
	quoted := strings.ReplaceAll(own, `"`, `\"`)
	for _, event := range []string{
		"", "{}", "null", `"warm"`, "[" + own + "]", own + own, `{"cmu-gateway":"cold"}`, `{"cmu-gateway":true}`,
		`{"httpMethod":"POST","path":"/","body":"` + quoted + `"}`,
		`{"httpMethod":"GET","path":"/","cmu-gateway":"warm"}`,
		`{"cmu-gateway":"warm","httpMethod":"GET","path":"/"}`,
		`{"cmu-gateway":"warm","requestContext":{}}`,
		`{"httpMethod":"GET","path":"/","headers":{"cmu-gateway":"warm"},"queryStringParameters":{"cmu-gateway":"warm"}}`,
	} {
		if isWarmUp([]byte(event)) {
			t.Errorf("%s is taken for the schedule's", event)
		}
	}
	events, err := filepath.Glob("../../events/*.json")
	if err != nil || len(events) == 0 {
		t.Fatal(events, err)
	}
	for _, name := range events {
		if event, err := os.ReadFile(name); err != nil || isWarmUp(event) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
