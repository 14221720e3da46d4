package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// command runs a program with env added to ours and returns what it printed. What it said on stderr is part
// of the error.
func command(ctx context.Context, dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("%s is not installed: run `sudo apt-get install %s`", name, debianPackageOf(name))
		}
		return nil, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

func debianPackageOf(program string) string {
	switch program {
	case "gcc":
		return "gcc libc6-dev"
	case "apt-get":
		return "apt"
	case "dpkg-deb":
		return "dpkg"
	default:
		return program
	}
}

// fileDigest is the SHA-256 of a file, in hex.
func fileDigest(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// stamped runs build unless file is there and was made with the same inputs. The inputs are kept in a file of their
// own, and only after build succeeded.
func stamped(file, stamp, inputs string, build func() error) error {
	if isStamped(stamp, inputs) {
		if _, err := os.Stat(file); err == nil {
			return nil
		}
	}
	if err := os.RemoveAll(stamp); err != nil {
		return err
	}
	if err := build(); err != nil {
		return err
	}
	return os.WriteFile(stamp, []byte(inputs), 0o644)
}

func isStamped(stamp, inputs string) bool {
	was, err := os.ReadFile(stamp)
	return err == nil && string(was) == inputs
}
