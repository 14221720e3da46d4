package nodeimage

import "embed"

// The pattern matches .keep too, so that a build without an image has something to embed.
//
//go:embed artifact/amd64/*
var artifact embed.FS
