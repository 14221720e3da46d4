//go:build !amd64 && !arm64

package nodeimage

import "embed"

// There is no node image for this architecture.
var artifact embed.FS
