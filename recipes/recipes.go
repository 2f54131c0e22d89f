// Package recipes holds the recipes that come with the program.
package recipes

import _ "embed"

// Quickstart is the recipe of penny quickstart.
//
//go:embed quickstart.yaml
var Quickstart []byte
