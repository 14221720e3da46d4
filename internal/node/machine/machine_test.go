package machine

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPodResolvConf(t *testing.T) {
	node := []netip.Addr{netip.MustParseAddr("172.30.0.2")}
	for _, tc := range []struct{ name, own, want string }{
		{
			"Docker's embedded DNS", "# generated\nnameserver 127.0.0.11\nsearch lan\noptions ndots:0\n",
			"nameserver 172.30.0.2\nsearch lan\noptions ndots:0\n",
		},
		{"a server of the network", "nameserver 192.168.1.1\n", "nameserver 192.168.1.1\n"},
		{
			"two on loopback", "nameserver 127.0.0.1\nnameserver ::1\nnameserver 9.9.9.9\n",
			"nameserver 172.30.0.2\nnameserver 9.9.9.9\n",
		},
		{"nothing", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := string(podResolvConf([]byte(tc.own), node)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestMoveProcesses uses ordinary files: the kernel empties cgroup.procs of the one group as the other's is
// written, which files do not, so a group that cannot be emptied is what this shows.
func TestMoveProcesses(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(from, "cgroup.procs"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	if err := moveProcesses(from, to); err != nil {
		t.Errorf("a group without processes: %v", err)
	}
	write("1\n")
	synctest.Test(t, func(t *testing.T) {
		if err := moveProcesses(from, to); err == nil || !strings.Contains(err.Error(), "still has processes") {
			t.Errorf("a group that keeps its process: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		time.AfterFunc(time.Second, func() { write("") })
		if err := moveProcesses(from, to); err != nil {
			t.Errorf("a group that takes a second to lose its last process: %v", err)
		}
	})
	moved, err := os.ReadFile(filepath.Join(to, "cgroup.procs"))
	if err != nil || string(moved) != "1" {
		t.Errorf("moved %q, %v", moved, err)
	}
}
