package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// seed runs the Kubernetes components once, to write the first content of a cluster's datastore. It depends
// on nothing but the program, and is the same for every architecture.
func (b *builder) seed(ctx context.Context) (string, error) {
	if b.native != b {
		native := b.native
		native.kubernetes = b.kubernetes
		if err := os.MkdirAll(native.bin(), 0o755); err != nil {
			return "", err
		}
		if err := native.compileOurs(ctx); err != nil {
			return "", err
		}
		return native.seed(ctx)
	}
	program := filepath.Join(b.bin(), kubernetesProgram)
	id, err := fileDigest(program)
	if err != nil {
		return "", err
	}
	seed := filepath.Join(b.cache, "seed")
	return seed, stamped(seed, seed+".made-of", id, func() error {
		progress("writing the datastore's first content")
		if err := os.RemoveAll(seed); err != nil {
			return err
		}
		if _, err := command(ctx, "", nil, program, "seed", "--out", seed); err != nil {
			return fmt.Errorf("write the datastore's first content: %w", err)
		}
		return nil
	})
}
