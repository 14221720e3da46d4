//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// packages are what the machine consists of, beside what every Debian has. AppArmor is there because Debian's
// Docker recommends it: it confines containers on nearly every user's machine.
func (d debian) packages() []string {
	list := []string{
		"apparmor", "ca-certificates", "docker.io", "initramfs-tools", "iproute2", "kmod",
		"linux-image-cloud-amd64", "systemd-sysv", "udev", "zstd",
	}
	if d.Suite != "bookworm" {
		list = append(list, "docker-cli") // a package of its own since trixie
	}
	return list
}

//go:embed build-rootfs.sh rootfs
var recipe embed.FS

// rootFS is a Debian as the machine boots it.
type rootFS struct{ Disk, Kernel, Initrd string }

// debian says which Debian to build.
type debian struct {
	Suite, Mirror string
	// Cache is the directory that keeps what was built.
	Cache string
}

// key names the content: the same recipe and packages are built once.
func (d debian) key() (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, d.Suite, d.Mirror, d.packages())
	err := fs.WalkDir(recipe, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := recipe.ReadFile(path)
		fmt.Fprintf(hash, "%s %d\n%s", path, len(data), data)
		return err
	})
	return d.Suite + "-" + hex.EncodeToString(hash.Sum(nil)[:6]), err
}

// build returns the root file system, from the cache if it is there.
func (d debian) build(ctx context.Context, log io.Writer) (rootFS, error) {
	key, err := d.key()
	if err != nil {
		return rootFS{}, err
	}
	dir := filepath.Join(d.Cache, key)
	built := rootFS{Disk: filepath.Join(dir, "root.img"), Kernel: filepath.Join(dir, "vmlinuz"), Initrd: filepath.Join(dir, "initrd.img")}
	if _, err := os.Stat(dir); err == nil {
		return built, nil
	}
	if err := checkTools(buildTools(os.Geteuid() == 0)); err != nil {
		return rootFS{}, err
	}
	if err := os.MkdirAll(d.Cache, 0o755); err != nil {
		return rootFS{}, err
	}
	work, err := os.MkdirTemp(d.Cache, "build-")
	if err != nil {
		return rootFS{}, err
	}
	defer os.RemoveAll(work)
	fmt.Fprintf(log, "building a Debian %s from packages (once, some minutes)\n", d.Suite)
	if err := d.runRecipe(ctx, work, log); err != nil {
		return rootFS{}, &fault.Error{
			Code: fault.Internal, Summary: "the Debian of the machine could not be built", Cause: err,
			Hint: "Read the messages above; -mirror chooses another source of packages.",
		}
	}
	d.removeOutdated()
	return built, os.Rename(filepath.Join(work, "out"), dir)
}

// removeOutdated removes what older recipes made, best effort: it would never be used again, and it is large.
func (d debian) removeOutdated() {
	old, err := filepath.Glob(filepath.Join(d.Cache, d.Suite+"-*"))
	if err != nil {
		return
	}
	for _, dir := range old {
		_ = os.RemoveAll(dir)
	}
}

func (d debian) runRecipe(ctx context.Context, work string, log io.Writer) error {
	// mmdebstrap may work as another user, who must be able to look into the directory.
	if err := os.Chmod(work, 0o755); err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(work, "recipe"), recipe); err != nil {
		return err
	}
	out := filepath.Join(work, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "sh", "../recipe/build-rootfs.sh", d.Suite, d.Mirror, strings.Join(d.packages(), ","), "../recipe/rootfs")
	cmd.Dir = out
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	cmd.Stdout, cmd.Stderr = log, log
	endGently(cmd)
	return cmd.Run()
}
