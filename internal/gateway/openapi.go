package gateway

import _ "embed"

// openAPIText describes the API. Its server and version are filled in.
//
//go:embed openapi.json
var openAPIText string
