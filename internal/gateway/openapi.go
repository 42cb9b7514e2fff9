package gateway

import (
	_ "embed"
	"encoding/json"
	"strings"

	"cmu-gateway/internal/catalog"
)

// openAPIText describes the API, with all that there may be: describe leaves out what a gateway lacks. It is OpenAPI 3.0, as
// generators of clients know it best.
//
//go:embed openapi.json
var openAPIText string

// describe returns the description of the API of a gateway with those traits; the server is filled in for each request.
func describe(version string, keyed, deletes bool) string {
	var doc map[string]any
	if err := json.Unmarshal([]byte(openAPIText), &doc); err != nil {
		panic(err) // the text is part of the program
	}
	for _, path := range doc["paths"].(map[string]any) {
		path := path.(map[string]any)
		if !deletes {
			delete(path, "delete")
		}
		for _, operation := range path {
			if operation, ok := operation.(map[string]any); ok && !keyed {
				delete(operation["responses"].(map[string]any), "401")
			}
		}
	}
	parameter := doc["components"].(map[string]any)["parameters"].(map[string]any)["metrics"].(map[string]any)
	parameter["description"] = parameter["description"].(string) + "\n\n" + catalog.Table()
	if components := doc["components"].(map[string]any); keyed {
		doc["security"] = []any{map[string]any{"x-api-key": []any{}}}
	} else {
		delete(components, "securitySchemes")
		delete(components["responses"].(map[string]any), "Unauthorized")
		delete(components["headers"].(map[string]any), "WWW-Authenticate")
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(err)
	}
	return strings.ReplaceAll(string(text), `"{version}"`, string(quote(nil, version)))
}
