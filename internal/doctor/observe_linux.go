package doctor

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// isThisKernel says if the engine runs on the kernel under this process: it is local, and of the same release.
// Docker Desktop for Linux is local too, but in a virtual machine with a kernel of its own.
func isThisKernel(info cluster.EngineInfo) bool {
	var u unix.Utsname
	if !info.Local || unix.Uname(&u) != nil {
		return false
	}
	return unix.ByteSliceToString(u.Release[:]) == info.KernelVersion
}

func readKernel(info cluster.EngineInfo) *Kernel {
	k := &Kernel{Features: readFeatures(info.KernelVersion), Sysctls: readSysctls(), InotifyInstances: countInotify(info)}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		k.OpenFiles = int64(min(limit.Max, 1<<62))
	}
	var fs unix.Statfs_t
	if unix.Statfs(info.RootDir, &fs) == nil {
		k.DiskFree = int64(fs.Bavail) * int64(fs.Bsize)  //nolint:unconvert // the types differ between architectures
		k.DiskTotal = int64(fs.Blocks) * int64(fs.Bsize) //nolint:unconvert // as above
	}
	if f, err := os.Open("/proc/meminfo"); err == nil {
		defer f.Close()
		k.MemoryAvailable = memAvailable(f)
	}
	return k
}

func readSysctls() map[string]int64 {
	out := map[string]int64{}
	for _, name := range []string{sysctlInstances, sysctlWatches, "fs.file-max"} {
		b, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
		if err != nil {
			continue
		}
		// file-max is often the largest uint64.
		if v, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err == nil {
			out[name] = int64(min(v, 1<<62))
		}
	}
	return out
}

// readFeatures collects what the kernel says it has: file systems, loaded modules, built-in modules, and modules
// that it can load.
func readFeatures(release string) map[string]bool {
	found := map[string]bool{}
	read := func(path string, parse func(line string) string) {
		f, err := os.Open(path)
		if err != nil {
			return
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if name := parse(s.Text()); name != "" {
				found[name] = true
			}
		}
	}
	read("/proc/filesystems", lastField)
	read("/proc/modules", firstField)
	read("/lib/modules/"+release+"/modules.builtin", moduleName)
	read("/lib/modules/"+release+"/modules.dep", func(line string) string {
		path, _, _ := strings.Cut(line, ":")
		return moduleName(path)
	})
	// A module that is built in shows itself in /sys only if it has parameters or a version.
	if entries, err := os.ReadDir("/sys/module"); err == nil {
		for _, e := range entries {
			found[e.Name()] = true
		}
	}
	// Their settings give away two more.
	for path, name := range map[string]string{
		"/proc/sys/net/netfilter/nf_conntrack_max": "nf_conntrack",
		"/proc/sys/net/bridge":                     "bridge",
	} {
		if _, err := os.Stat(path); err == nil {
			found[name] = true
		}
	}
	readConfig(release, found)
	return found
}

func firstField(line string) string {
	name, _, _ := strings.Cut(line, " ")
	return name
}

func lastField(line string) string {
	f := strings.Fields(line)
	if len(f) == 0 {
		return ""
	}
	return f[len(f)-1]
}

// moduleName makes "nf_tables" of "kernel/net/netfilter/nf_tables.ko.xz".
func moduleName(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// memAvailable reads /proc/meminfo.
func memAvailable(r io.Reader) int64 {
	for s := bufio.NewScanner(r); s.Scan(); {
		if rest, found := strings.CutPrefix(s.Text(), "MemAvailable:"); found {
			kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// countInotify counts the inotify instances of the user that nodes run as: the limit is per user, and to the kernel
// that is root unless Docker is rootless. -1 means that this process may not look.
func countInotify(info cluster.EngineInfo) int64 {
	self, owner := os.Geteuid(), 0
	if info.Rootless {
		owner = self
	}
	if self != 0 && self != owner {
		return -1
	}
	return inotifyOf("/proc", uint32(owner)) //nolint:gosec // a user's ID is an uint32 to the kernel
}

func inotifyOf(proc string, owner uint32) int64 {
	processes, err := os.ReadDir(proc)
	if err != nil {
		return -1
	}
	var n int64
	for _, p := range processes {
		dir := filepath.Join(proc, p.Name(), "fd")
		if _, err := strconv.Atoi(p.Name()); err != nil || !isOwner(filepath.Dir(dir), owner) {
			continue
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			continue // it has ended
		}
		for _, f := range files {
			if target, err := os.Readlink(filepath.Join(dir, f.Name())); err == nil && target == "anon_inode:inotify" {
				n++
			}
		}
	}
	return n
}

func isOwner(path string, owner uint32) bool {
	var s unix.Stat_t
	return unix.Stat(path, &s) == nil && s.Uid == owner
}
