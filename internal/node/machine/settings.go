package machine

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// sysctlDir is where the kernel shows its settings.
const sysctlDir = "/proc/sys"

// setting is a setting of the container's network namespace.
type setting struct {
	key, value string
	optional   bool // the kernel may have no IPv6
}

// networkSettings are the settings of a node whose pods have these networks.
func networkSettings(pods []netip.Prefix) []setting {
	settings := []setting{
		{key: "net/ipv4/ip_forward", value: "1"},
		{key: "net/ipv6/conf/all/forwarding", value: "1", optional: true},
	}
	if slices.ContainsFunc(pods, func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		// Docker turns IPv6 on for its own interface only, and kube-proxy looks at the whole.
		settings = append(settings, setting{key: "net/ipv6/conf/all/disable_ipv6", value: "0"},
			setting{key: "net/ipv6/conf/default/disable_ipv6", value: "0"})
	}
	return settings
}

// hostSettings are the whole host's. The kubelet insists on these values and would write them; a program that is
// to be tried on a laptop must not make its kernel reboot on a warning. So the kubelet is shown the values that
// it wants to see (see [ShowSettings]), and the host keeps its own.
var hostSettings = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

func sysctls(pods []netip.Prefix) error {
	for _, s := range networkSettings(pods) {
		err := os.WriteFile(filepath.Join(sysctlDir, s.key), []byte(s.value), 0o644)
		if err != nil && !(s.optional && errors.Is(err, os.ErrNotExist)) {
			return fmt.Errorf("set %s to %s: %w", strings.ReplaceAll(s.key, "/", "."), s.value, err)
		}
	}
	return nil
}

// ShowSettings covers those of the host's settings that the kubelet wants otherwise. It is for the process that hosts the
// kubelet, in a mount namespace of its own: for a pod with a user namespace the kernel makes a new /proc only where
// nothing of it is covered, so what starts pods must not see this.
func ShowSettings() error {
	if err := unix.Mount("", "/proc", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("keep the mounts below /proc to this process: %w", err)
	}
	for key, value := range hostSettings {
		path := filepath.Join(sysctlDir, key)
		now, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || string(bytes.TrimSpace(now)) == value {
			continue
		}
		if err != nil {
			return err
		}
		if err := bindData(path, value+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// identity gives the machine the ID that agents and operators know it by (systemd's machine-id(5)). It is made at the
// first start and kept on the node's volume.
func identity() error {
	kept := filepath.Join(nodeapi.StateDir, "machine-id")
	id, err := os.ReadFile(kept)
	if errors.Is(err, os.ErrNotExist) {
		random := make([]byte, 16)
		rand.Read(random)
		id = fmt.Appendf(nil, "%x\n", random)
		err = os.WriteFile(kept, id, 0o444)
	}
	if err != nil {
		return err
	}
	return os.WriteFile("/etc/machine-id", id, 0o444)
}

// resolver writes the resolv.conf of pods with dnsPolicy Default. It names those addresses of the node that pods can reach.
func resolver(pods []netip.Prefix) error {
	own, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return err
	}
	var addresses []netip.Addr
	list, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsGlobalUnicast() {
			addresses = append(addresses, p.Addr().Unmap())
		}
	}
	addresses = slices.DeleteFunc(addresses, func(a netip.Addr) bool {
		return !slices.ContainsFunc(pods, func(p netip.Prefix) bool { return p.Addr().Is4() == a.Is4() })
	})
	return os.WriteFile(nodeapi.ResolvConfPath, podResolvConf(own, addresses), 0o644)
}

// podResolvConf is the container's own resolv.conf with the node's addresses in the place of name servers that
// listen on loopback, where a pod would find itself: Docker's embedded DNS does. The node forwards to it.
func podResolvConf(own []byte, node []netip.Addr) []byte {
	var out bytes.Buffer
	replaced := false
	scanner := bufio.NewScanner(bytes.NewReader(own))
	for scanner.Scan() {
		line := scanner.Text()
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") || strings.HasPrefix(fields[0], ";") {
			continue
		}
		if fields[0] == "nameserver" && len(fields) > 1 {
			server, err := netip.ParseAddr(fields[1])
			if err == nil && server.IsLoopback() {
				if !replaced {
					for _, a := range node {
						fmt.Fprintf(&out, "nameserver %s\n", a)
					}
				}
				replaced = true
				continue
			}
		}
		fmt.Fprintln(&out, line)
	}
	return out.Bytes()
}
