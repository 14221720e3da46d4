package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

func TestModuleName(t *testing.T) {
	for in, want := range map[string]string{
		"kernel/net/netfilter/nf_tables.ko":    "nf_tables",
		"kernel/net/netfilter/nf_tables.ko.xz": "nf_tables",
		"kernel/drivers/net/veth.ko.zst":       "veth",
		"kernel/net/bridge/br-netfilter.ko":    "br_netfilter",
	} {
		if got := moduleName(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestParseConfig(t *testing.T) {
	found := map[string]bool{}
	parseConfig(strings.NewReader("CONFIG_VETH=y\nCONFIG_NF_TABLES=m\n# CONFIG_BRIDGE is not set\nCONFIG_OVERLAY_FS=n\n"), found)
	if !found["veth"] || !found["nf_tables"] || found["bridge"] || found["overlay"] {
		t.Errorf("%v", found)
	}
}

func TestMemAvailable(t *testing.T) {
	if got := memAvailable(strings.NewReader("MemTotal: 5 kB\nMemAvailable:   2048 kB\n")); got != 2<<20 {
		t.Errorf("%d", got)
	}
}

// TestInotifyOf counts the instances of one user and of nobody else.
func TestInotifyOf(t *testing.T) {
	self := uint32(os.Geteuid()) //nolint:gosec // a user's ID is an uint32 to the kernel
	proc := t.TempDir()
	files := filepath.Join(proc, "42", "fd")
	if err := os.MkdirAll(files, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"3": "anon_inode:inotify", "4": "anon_inode:[eventpoll]", "5": "anon_inode:inotify"} {
		if err := os.Symlink(target, filepath.Join(files, name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := inotifyOf(proc, self); got != 2 {
		t.Errorf("%d instances, want 2", got)
	}
	if got := inotifyOf(proc, self+1); got != 0 {
		t.Errorf("%d instances of another user", got)
	}
}

// TestReadKernel runs on whatever kernel the test runs on: it must find something, and not fail.
func TestReadKernel(t *testing.T) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	info := cluster.EngineInfo{Local: true, KernelVersion: unix.ByteSliceToString(u.Release[:]), RootDir: t.TempDir()}
	if !isThisKernel(info) {
		t.Fatal("does not know its own kernel")
	}
	k := readKernel(info)
	if k.DiskTotal == 0 || k.MemoryAvailable == 0 || len(k.Sysctls) == 0 || k.OpenFiles == 0 {
		t.Errorf("%+v", k)
	}
	info.KernelVersion = "0.0.1-other"
	if isThisKernel(info) {
		t.Error("takes another kernel for its own")
	}
}
