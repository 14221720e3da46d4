package doctor

import (
	"errors"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// healthy is a host that nothing is wrong with.
func healthy() Host {
	return Host{
		Engine: &cluster.EngineInfo{
			Version: "28.5.2", APIVersion: "1.51", Endpoint: "unix:///var/run/docker.sock", Local: true,
			OS: "linux", Architecture: "amd64", KernelVersion: "6.12.0", CgroupVersion: "2", CgroupDriver: "systemd",
			StorageDriver: "overlay2", RootDir: "/var/lib/docker", CPUs: 8, MemoryBytes: 16e9,
		},
		Kernel: &Kernel{
			Features:  map[string]bool{"overlay": true, "nf_tables": true, "nf_conntrack": true, "nf_nat": true, "veth": true, "bridge": true},
			Sysctls:   map[string]int64{sysctlInstances: 1024, sysctlWatches: 524288, "fs.file-max": 1 << 62},
			OpenFiles: 1 << 20, DiskFree: 100e9, DiskTotal: 200e9, MemoryAvailable: 8e9, InotifyInstances: 40,
		},
	}
}

func TestHealthy(t *testing.T) {
	for _, f := range Examine(healthy()) {
		if f.Level != OK || f.Fix != "" {
			t.Errorf("%+v", f)
		}
	}
	if warnings, err := preflight(healthy()); err != nil || warnings != nil {
		t.Error(warnings, err)
	}
}

func TestFindings(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(*Host)
		check string
		want  Level
		// fix is a part of what must be advised.
		fix string
		// stops is true if create must be refused.
		stops bool
	}{
		{"no engine", func(h *Host) {
			h.Engine, h.Kernel = nil, nil
			h.EngineError = &fault.Error{Code: fault.DockerUnreachable, Summary: "Docker is not running", Hint: "sudo systemctl start docker"}
		}, "docker", Fail, "sudo systemctl start docker", false},
		{"engine with an error of its own", func(h *Host) { h.Engine, h.EngineError = nil, errors.New("EOF") }, "docker", Fail, "Start Docker", false},
		{"old API", func(h *Host) { h.Engine.APIVersion = "1.40" }, "docker API", Fail, "20.10", true},
		{"oldest good API", func(h *Host) { h.Engine.APIVersion = "1.41" }, "docker API", OK, "", false},
		{"Windows containers", func(h *Host) { h.Engine.OS = "windows" }, "operating system", Fail, "Linux containers", true},
		{"riscv", func(h *Host) { h.Engine.Architecture = "riscv64" }, "operating system", Fail, "amd64 or arm64", true},
		{"no cgroups", func(h *Host) { h.Engine.CgroupVersion = "" }, "cgroups", Fail, "Cgroup Version", true},
		{"no cgroup driver", func(h *Host) { h.Engine.CgroupDriver = "none" }, "cgroups", Fail, "delegate", true},
		{"cgroup v1", func(h *Host) { h.Engine.CgroupVersion = "1" }, "cgroups", OK, "", false},
		{"vfs", func(h *Host) { h.Engine.StorageDriver = "vfs" }, "storage driver", Warn, "overlay2", false},
		{"rootless", func(h *Host) { h.Engine.Rootless = true }, "rootless", Warn, "delegated", false},
		{"rootless on v1", func(h *Host) { h.Engine.Rootless, h.Engine.CgroupVersion = true, "1" }, "rootless", Fail, "cgroup v2", false},
		{"remote", func(h *Host) { h.Engine.Local, h.Kernel = false, nil }, "endpoint", Warn, "--api-address", false},
		{"remote kernel", func(h *Host) { h.Kernel = nil }, "kernel", Skipped, "", false},
		{"old kernel", func(h *Host) { h.Engine.KernelVersion = "3.10.0-1160.el7" }, "kernel", Warn, "Update", false},
		{"no nf_tables", func(h *Host) { delete(h.Kernel.Features, "nf_tables") }, "kernel", Warn, "modprobe -a nf_tables", false},
		{"few instances", func(h *Host) { h.Kernel.Sysctls[sysctlInstances] = 128 }, "inotify instances", Warn, "sysctl -w fs.inotify.max_user_instances=512", false},
		{"instances used up", func(h *Host) { h.Kernel.InotifyInstances = 1000 }, "inotify instances", Warn, "sysctl -w", false},
		{"instances of others are hidden", func(h *Host) { h.Kernel.InotifyInstances = -1 }, "inotify instances", OK, "", false},
		{"no instances", func(h *Host) { h.Kernel.Sysctls[sysctlInstances] = 16 }, "inotify instances", Fail, "sysctl -w", true},
		{"unreadable sysctl", func(h *Host) { delete(h.Kernel.Sysctls, sysctlInstances) }, "inotify instances", Skipped, "", false},
		{"few watches", func(h *Host) { h.Kernel.Sysctls[sysctlWatches] = 4096 }, "inotify watches", Warn, "max_user_watches=524288", false},
		{"no watches", func(h *Host) { h.Kernel.Sysctls[sysctlWatches] = 100 }, "inotify watches", Fail, "sysctl -w", true},
		{"few files", func(h *Host) { h.Kernel.OpenFiles = 1024 }, "open files", Warn, "LimitNOFILE", false},
		{"small file-max", func(h *Host) { h.Kernel.Sysctls["fs.file-max"] = 1000 }, "open files", Warn, "fs.file-max", false},
		{"full disk", func(h *Host) { h.Kernel.DiskFree = 1e8 }, "disk", Fail, "docker system", false},
		{"nearly full disk", func(h *Host) { h.Kernel.DiskFree = 3e9 }, "disk", Warn, "docker system", false},
		{"hidden disk", func(h *Host) { h.Kernel.DiskTotal = 0 }, "disk", Skipped, "", false},
		{"tiny memory", func(h *Host) { h.Engine.MemoryBytes = 256e6 }, "memory", Fail, "more memory", false},
		{"small memory", func(h *Host) { h.Engine.MemoryBytes = 1e9 }, "memory", Warn, "more memory", false},
		{"memory in use", func(h *Host) { h.Kernel.MemoryAvailable = 1e8 }, "memory", Warn, "skiff list", false},
		{"old images", func(h *Host) {
			h.Unused = []cluster.Image{{Tags: []string{"skiff-node:1"}}, {Tags: []string{"skiff-node:2"}}}
		}, "node images", Warn, "'docker image rm skiff-node:1 skiff-node:2'", false},
		{"images that cannot be listed", func(h *Host) { h.UnusedError = errors.New("EOF") }, "node images", Skipped, "", false},
		{"one processor", func(h *Host) { h.Engine.CPUs = 1 }, "processors", Warn, "two", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := healthy()
			tc.spoil(&h)
			findings := Examine(h)
			for _, f := range findings {
				if f.Check != tc.check {
					continue
				}
				if f.Level != tc.want || !strings.Contains(f.Fix, tc.fix) || f.Message == "" {
					t.Errorf("got %+v, want %s with %q", f, tc.want, tc.fix)
				}
			}
			if tc.want == Fail != Failed(findings) {
				t.Errorf("Failed is %v", Failed(findings))
			}
			for _, f := range findings {
				if (f.Level == Fail || f.Level == Warn) && f.Fix == "" {
					t.Errorf("%s: no advice", f.Check)
				}
			}
			if _, err := preflight(h); (err != nil) != tc.stops {
				t.Errorf("create is refused: %v, want %v", err, tc.stops)
			}
		})
	}
}

// TestPreflightWarns: create speaks of what the next node may lack, and not of what is merely less than good.
func TestPreflightWarns(t *testing.T) {
	h := healthy()
	h.Kernel.Sysctls[sysctlInstances], h.Kernel.InotifyInstances = 128, 98
	if warnings, err := preflight(h); err != nil || warnings != nil {
		t.Errorf("30 are left: %+v, %v", warnings, err)
	}
	h.Kernel.InotifyInstances++
	warnings, err := preflight(h)
	if err != nil || len(warnings) != 1 {
		t.Fatalf("29 are left: %+v, %v", warnings, err)
	}
	if w := warnings[0]; w.Check != "inotify instances" || !strings.Contains(w.Message, "128 per user, 99 in use") ||
		!strings.Contains(w.Fix, "sudo sysctl -w fs.inotify.max_user_instances=512") {
		t.Errorf("%+v", w)
	}
}

// TestNoEngine: nothing is said of a kernel when nobody knows which one nodes would run on.
func TestNoEngine(t *testing.T) {
	for _, f := range Examine(Host{EngineError: errors.New("EOF")}) {
		want := Finding{Check: f.Check, Level: Skipped, Message: noEngine}
		if f.Check == "docker" {
			want = Finding{Check: f.Check, Level: Fail, Message: "EOF", Fix: "Start Docker, then run 'skiff doctor' again."}
		}
		if f != want {
			t.Errorf("%+v", f)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"1.41", "1.41", 0}, {"1.9", "1.41", -1}, {"1.100", "1.41", 1}, {"2", "1.41", 1}, {"", "1.41", -1}} {
		if got := compareVersions(tc.a, tc.b); got < 0 != (tc.want < 0) || got > 0 != (tc.want > 0) {
			t.Errorf("%q %q: %d", tc.a, tc.b, got)
		}
	}
}
