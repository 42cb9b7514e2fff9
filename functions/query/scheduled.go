package main

import (
	"bytes"
	"encoding/json"
)

// isWarmUp reports whether an event is that of the schedule WarmUp of template.yaml: it holds nothing else. API Gateway puts what callers send into
// an event that has a method and a path.
func isWarmUp(payload []byte) bool {
	var event struct {
		What string `json:"cmu-gateway"`
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	return d.Decode(&event) == nil && event.What == "warm" && !d.More()
}
