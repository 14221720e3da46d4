//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// nodeCapabilities are all that a node has, with their numbers in the kernel. Reasons are in
// internal/cluster/node.go; whoever changes the list there must come here and mean it.
var nodeCapabilities = map[string]uint{
	"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6, "SETUID": 7, "SETPCAP": 8,
	"NET_BIND_SERVICE": 10, "NET_ADMIN": 12, "NET_RAW": 13, "SYS_CHROOT": 18, "SYS_PTRACE": 19, "SYS_ADMIN": 21,
	"MKNOD": 27, "AUDIT_WRITE": 29, "SETFCAP": 31,
}

// nodeInspection is what docker inspect says of a node.
type nodeInspection struct {
	HostConfig struct {
		Privileged                                         bool
		CapAdd, CapDrop, Binds                             []string
		Devices                                            []any
		NetworkMode, PidMode, IpcMode, UTSMode, UsernsMode string
		PortBindings                                       map[string][]struct{ HostIP, HostPort string }
	}
	Mounts []struct{ Type, Name, Source, Destination string }
}

func TestNodeContainer(t *testing.T) {
	c := Shared(t, "A node has the capabilities it needs, no more, and nothing of the host")
	var all []nodeInspection
	c.Must(json.Unmarshal([]byte(c.Docker("inspect", c.Node())), &all), "read docker inspect")
	node := all[0]
	host := node.HostConfig

	c.Step("it is not privileged, and its capabilities are an exact list")
	var added []string
	for _, name := range host.CapAdd {
		added = append(added, strings.TrimPrefix(name, "CAP_"))
	}
	slices.Sort(added)
	var wanted []string
	var mask uint64
	for name, bit := range nodeCapabilities {
		wanted = append(wanted, name)
		mask |= 1 << bit
	}
	slices.Sort(wanted)
	if host.Privileged || !slices.Equal(host.CapDrop, []string{"ALL"}) || !slices.Equal(added, wanted) {
		t.Errorf("privileged %t, dropped %v, added %v, want %v", host.Privileged, host.CapDrop, added, wanted)
	}
	c.Step("the kernel agrees")
	for _, set := range []string{"CapEff", "CapBnd"} {
		if got := statusField(c.InNode("cat", "/proc/1/status"), set); got != fmt.Sprintf("%016x", mask) {
			t.Errorf("%s is %s, want %016x", set, got, mask)
		}
	}

	c.Step("it shares no namespace, device or directory with the host, and has no Docker socket")
	for what, mode := range map[string]string{"network": host.NetworkMode, "pid": host.PidMode, "ipc": host.IpcMode, "uts": host.UTSMode, "user": host.UsernsMode} {
		if mode == "host" {
			t.Errorf("it has the host's %s namespace", what)
		}
	}
	if len(host.Devices) != 0 || len(host.Binds) != 0 {
		t.Errorf("devices %v, binds %v", host.Devices, host.Binds)
	}
	if len(node.Mounts) != 1 || node.Mounts[0].Type != "volume" || node.Mounts[0].Name != c.Node() {
		t.Errorf("mounts: %+v", node.Mounts)
	}
	if found := c.InNode("find", "/", "-xdev", "-name", "docker*.sock"); found != "" {
		t.Errorf("found %s", found)
	}

	c.Step("only the API is published, on 127.0.0.1")
	for port, bindings := range host.PortBindings {
		if port != "6443/tcp" || len(bindings) != 1 || bindings[0].HostIP != "127.0.0.1" {
			t.Errorf("%s is published on %+v", port, bindings)
		}
	}
	if len(host.PortBindings) != 1 {
		t.Errorf("published ports: %v", host.PortBindings)
	}
}

func TestPrivateKeys(t *testing.T) {
	c := Shared(t, "Private keys and administrators' configurations are readable by root of the node only")
	files := strings.Fields(c.InNode("sh", "-c", `grep -rl "PRIVATE KEY" /var/lib/skiff/pki /run/skiff /etc /root 2>/dev/null; ls /run/skiff/kubeconfig/*`))
	if len(files) < 10 {
		t.Fatalf("these cannot be all: %v", files)
	}
	for _, file := range files {
		if got := strings.TrimSpace(c.InNode("stat", "-L", "-c", "%a %u", file)); got != "600 0" {
			t.Errorf("%s has mode and owner %s", file, got)
		}
	}
	c.Step("so is the datastore's socket, and its files")
	if got := strings.TrimSpace(c.InNode("stat", "-c", "%a %u %F", "/run/skiff/etcd.sock")); got != "600 0 socket" {
		t.Errorf("etcd's socket: %s", got)
	}
	if got := strings.TrimSpace(c.InNode("stat", "-c", "%a", "/var/lib/skiff/etcd")); got != "700" {
		t.Errorf("etcd's directory: %s", got)
	}
}

// nodePorts are the TCP ports that a node opens to its network: the resolver of the host's names, the API, cluster
// DNS and its metrics, the kubelet, and kube-proxy's health.
var nodePorts = []string{"53", "6443", "9153", "10053", "10250", "10256"}

func TestNodePorts(t *testing.T) {
	c := Shared(t, "etcd and all that is not meant for others cannot be reached from outside the node")
	// The ports above belong to NodePort Services and to other scenarios.
	scan := c.Docker("run", "--rm", "--network=skiff-"+c.Name, Image(1), "scan", "--last=29999", c.Node())
	open := strings.Fields(scan)
	for _, port := range open {
		if !slices.Contains(nodePorts, port) {
			t.Errorf("port %s is open", port)
		}
	}
	for _, port := range nodePorts {
		if !slices.Contains(open, port) {
			t.Errorf("port %s is not: the scan saw %v", port, open)
		}
	}
	c.Step("in the node too, the datastore has no port, and other components listen on loopback")
	for line := range strings.Lines(c.InNode("netstat", "-ltn")) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "tcp") {
			continue
		}
		address := fields[3]
		i := strings.LastIndex(address, ":")
		ip, port := address[:i], address[i+1:]
		if number, _ := strconv.Atoi(port); number >= 2379 && number <= 2382 {
			t.Errorf("a datastore listens on %s", address)
		}
		if number, _ := strconv.Atoi(port); !strings.HasPrefix(ip, "127.") && number < 30000 && !slices.Contains(nodePorts, port) {
			t.Errorf("something listens on %s", address)
		}
	}
}

// statusField returns a field of /proc/PID/status.
func statusField(status, name string) string {
	for line := range strings.Lines(status) {
		if key, value, ok := strings.Cut(line, ":"); ok && key == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
