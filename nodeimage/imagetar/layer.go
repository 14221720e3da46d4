package imagetar

import (
	"crypto/sha256"
	"encoding/hex"
)

// Layer is a tree whose tar stream has been measured.
type Layer struct {
	Size   int64
	Digest string // SHA-256 of the uncompressed tar stream, in hex
	tree   *Tree
}

// NewLayer measures a tree. It reads every file once and writes nothing; the files must not change until the image
// has been written.
func NewLayer(tree *Tree) (Layer, error) {
	hash := sha256.New()
	size, err := tree.WriteTo(hash)
	if err != nil {
		return Layer{}, err
	}
	return Layer{Size: size, Digest: hex.EncodeToString(hash.Sum(nil)), tree: tree}, nil
}
