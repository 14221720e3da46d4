//go:build linux

package main

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/nodeimage/imagetar"
)

// podImage is the name that the scenario knows the pods' image by.
const podImage = "skiff-e2e-pod:dev"

// module is this program's own; its parts are built by their import path, from wherever it was called.
const module = "github.com/skiff-cluster/skiff/e2e/cgroup2"

// buildProgram compiles a command of this module for the machine.
func buildProgram(ctx context.Context, pkg, file string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", file, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	endGently(cmd)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s: %w", pkg, err)
	}
	return nil
}

// buildPodImage writes an image that holds one static program, as an archive.
func buildPodImage(ctx context.Context, work, file string) error {
	program := filepath.Join(work, "pod")
	if err := buildProgram(ctx, module+"/pod", program); err != nil {
		return err
	}
	var tree imagetar.Tree
	tree.File("/pod", program, 0o755)
	layer, err := imagetar.NewLayer(&tree)
	if err != nil {
		return err
	}
	image, err := imagetar.New(imagetar.Config{Architecture: "amd64", Entrypoint: []string{"/pod"}}, layer)
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := image.WriteArchive(out, podImage); err != nil {
		return err
	}
	return out.Close()
}

// checkSkiff refuses a file that the machine could not run.
func checkSkiff(path string) error {
	file, err := elf.Open(path)
	if err != nil {
		return &fault.Error{Code: fault.NotFound, Summary: "no program to test", Cause: err, Hint: "Build it:\n  make build"}
	}
	defer file.Close()
	if file.Machine != elf.EM_X86_64 {
		return &fault.Error{
			Code: fault.Invalid, Summary: fmt.Sprintf("%s is built for %s, and the machine is amd64", path, file.Machine),
			Hint: "Build it with GOARCH=amd64.",
		}
	}
	return nil
}
