package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/nodeimage/imagetar"
)

// imagePackages are the Debian packages with files in the image, and debianPrograms those files.
var imagePackages = []string{"busybox-static", "ca-certificates", "mount", "nftables"}

var debianPrograms = []string{
	"/usr/bin/busybox", // the shell of `skiff node shell` and what one looks around with
	"/usr/sbin/nft",    // kube-proxy and the CNI plugins run it
	"/usr/bin/mount",   // the kubelet runs both, with options that busybox does not know
	"/usr/bin/umount",
}

// sharedLibraries matches the packages that shared libraries are in.
var sharedLibraries = regexp.MustCompile(`^lib`)

// applets are the names under which busybox is on the PATH. Its shell knows all of its applets without them.
var applets = strings.Fields(`
	awk base64 basename cat chmod chown clear cmp cp cut date dd df diff dirname dmesg du env find free grep gunzip gzip
	head hexdump hostname id ip kill killall less ln ls lsmod mkdir mknod modprobe more mv nc netstat nproc nsenter
	nslookup pidof ping ps pwd readlink realpath rm rmdir route sed seq sh sha256sum sleep sort stat stty sync sysctl tail
	tar tee test time timeout top touch tr traceroute uname uniq uptime vi watch wc wget which who xargs zcat`)

// directories that must be there, with their modes. Most are mount points of the node's volume or of Docker.
var directories = map[string]int64{
	"/dev": 0o755, "/proc": 0o555, "/sys": 0o555, "/run": 0o755, "/root": 0o700, "/tmp": 0o1777, "/var/tmp": 0o1777,
	"/var/log": 0o755, nodeapi.StateDir: 0o755, nodeapi.KubeletRootDir: 0o755, "/usr/lib/modules": 0o755,
}

// links are symbolic links: one place for programs and libraries, as in Debian.
var links = map[string]string{
	"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64", "/var/run": "/run",
}

// files are the small ones that are the same in every image.
var files = map[string]string{
	"/etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
	"/etc/group":         "root:x:0:\nnogroup:x:65534:\n",
	"/etc/nsswitch.conf": "hosts: files dns\n",
	// nft writes protocols by name if it finds them here. kube-proxy, started again, compares what nft lists with the
	// names that it uses itself, and would take its own elements away: every Service would be refused.
	"/etc/protocols":  "icmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6-icmp 58 IPv6-ICMP\nsctp 132 SCTP\n",
	"/etc/os-release": "NAME=\"Skiff\"\nID=skiff\nPRETTY_NAME=\"Skiff\"\n",
}

// baseTree is the lower layer: what changes when a dependency does.
func (b *builder) baseTree(pause string) (*imagetar.Tree, error) {
	var tree imagetar.Tree
	for name, mode := range directories {
		tree.Dir(name, mode)
	}
	for name, target := range links {
		tree.Symlink(name, target)
	}
	for name, content := range files {
		tree.Data(name, []byte(content), 0o644)
	}
	for _, name := range debianPrograms {
		if err := b.addProgram(&tree, name); err != nil {
			return nil, err
		}
	}
	if err := b.addLoader(&tree); err != nil {
		return nil, err
	}
	if err := b.addApplets(&tree); err != nil {
		return nil, err
	}
	if err := b.addCertificates(&tree); err != nil {
		return nil, err
	}
	for name, p := range upstream {
		tree.File(p.target, filepath.Join(b.bin(), name), 0o755)
	}
	tree.File(nodeapi.PauseArchivePath, pause, 0o644)
	return &tree, nil
}

// skiffTree is the upper layer: what changes when Skiff does.
func (b *builder) skiffTree(seed string) (*imagetar.Tree, error) {
	var tree imagetar.Tree
	for name, target := range ours {
		tree.File(target, filepath.Join(b.bin(), name), 0o755)
	}
	tree.File(nodeapi.SeedPath, seed, 0o644)
	versions, err := json.MarshalIndent(b.versions, "", "  ")
	if err != nil {
		return nil, err
	}
	tree.Data(nodeapi.VersionsPath, append(versions, '\n'), 0o644)
	return &tree, nil
}

// addLoader links the dynamic loader from where programs look for it to where it is among the libraries.
func (b *builder) addLoader(tree *imagetar.Tree) error {
	link := "/usr" + b.machine.loader
	target := "/usr/lib/" + b.machine.triplet + "/" + path.Base(link)
	if !tree.Has(target) {
		if _, err := b.addDebianFile(tree, target, 0o755); err != nil {
			return err
		}
	}
	tree.Symlink(link, target)
	return nil
}

// addApplets links busybox's names to it. A name that this busybox does not have is an error.
func (b *builder) addApplets(tree *imagetar.Tree) error {
	file, _, err := b.debian.find("/usr/bin/busybox")
	if err != nil {
		return err
	}
	binary, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for _, name := range applets {
		// The names of applets lie one after the other in the program, each ended by a zero.
		if !bytes.Contains(binary, []byte("\x00"+name+"\x00")) {
			return fmt.Errorf("busybox has no %s", name)
		}
		tree.Symlink("/usr/bin/"+name, "busybox")
	}
	return nil
}

// addCertificates joins the certificates of the authorities that Debian trusts, for pulling images over TLS.
func (b *builder) addCertificates(tree *imagetar.Tree) error {
	const pkg = "ca-certificates"
	names, err := filepath.Glob(filepath.Join(b.debian.root(pkg), "usr/share/ca-certificates/mozilla/*.crt"))
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("the package %s holds no certificates", pkg)
	}
	slices.Sort(names)
	var bundle bytes.Buffer
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		bundle.Write(bytes.TrimSpace(data))
		bundle.WriteByte('\n')
	}
	tree.Data("/etc/ssl/certs/ca-certificates.crt", bundle.Bytes(), 0o644)
	b.versions[pkg] = b.debian.versions[pkg]
	return nil
}
