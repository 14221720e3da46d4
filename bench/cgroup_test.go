package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCPUReader(t *testing.T) {
	for name, c := range map[string]struct{ groups, file, content string }{
		"v1":               {"7:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n", "cpu,cpuacct/docker/abc/cpuacct.usage", "1500000000\n"},
		"v1, further down": {"4:cpuacct:/docker/abc/kubepods/pod1\n", "cpuacct/docker/abc/cpuacct.usage", "1500000000\n"},
		"v2":               {"0::/system.slice/docker-abc.scope/init\n", "system.slice/docker-abc.scope/cpu.stat", "usage_usec 1500000\nuser_usec 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			file := filepath.Join(root, c.file)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			read, err := cpuReader(root, c.groups, "abc")
			if err != nil {
				t.Fatal(err)
			}
			if got, err := read(); err != nil || got != 1.5 {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	if _, err := cpuReader(t.TempDir(), "0::/user.slice\n", "abc"); err == nil {
		t.Error("the group of another process was taken")
	}
}
