package buildflags

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
)

// ModuleInfo is what the Go command says of a module.
type ModuleInfo struct {
	Path    string
	Version string
	Time    string // of the version, RFC 3339
	Dir     string // its sources in the module cache
}

// Lookup asks the Go command which version of a module is required, and fetches its sources if they are not in the
// module cache yet.
func Lookup(ctx context.Context, path string) (ModuleInfo, error) {
	m, err := list(ctx, path)
	if err != nil || m.Dir != "" {
		return m, err
	}
	if _, err := goCommand(ctx, "mod", "download", path); err != nil {
		return ModuleInfo{}, err
	}
	m, err = list(ctx, path)
	if err == nil && m.Dir == "" {
		err = fmt.Errorf("module %s %s has no sources in the module cache", m.Path, m.Version)
	}
	return m, err
}

func list(ctx context.Context, path string) (ModuleInfo, error) {
	out, err := goCommand(ctx, "list", "-m", "-json", path)
	if err != nil {
		return ModuleInfo{}, err
	}
	var m ModuleInfo
	if err := json.Unmarshal(out, &m); err != nil {
		return ModuleInfo{}, fmt.Errorf("go list -m %s: %w", path, err)
	}
	return m, nil
}

func goCommand(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
