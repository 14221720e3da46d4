package config

import _ "embed" // for schema.json

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema of a cluster file. It is made from the types by this package's tests.
func Schema() []byte { return schema }
