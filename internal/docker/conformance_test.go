//go:build e2e

package docker

import (
	"debug/elf"
	"os"
	"testing"

	"github.com/skiff-cluster/skiff/internal/docker/enginetest"
)

// TestMain lets this binary be the program of the suite's containers.
func TestMain(m *testing.M) { enginetest.Main(m) }

// TestConformance runs on the Docker that the environment names.
func TestConformance(t *testing.T) {
	engine, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Fatal("the containers of this test hold nothing but the test binary: build it with CGO_ENABLED=0")
		}
	}
	enginetest.Run(t, enginetest.Harness{Engine: engine, Executable: program})
}
