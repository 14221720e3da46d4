package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	cerrdefs "github.com/containerd/errdefs"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// TestExplain holds what engines and their client say, word for word, to the fault that a user sees.
func TestExplain(t *testing.T) {
	e := &Engine{endpoint: endpoint{host: "unix:///var/run/docker.sock"}}
	for _, tc := range []struct {
		text string
		code fault.Code
		say  string
	}{
		{"permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \"http://%2Fvar%2Frun%2Fdocker.sock/v1.24/info\": dial unix /var/run/docker.sock: connect: permission denied", fault.DockerPermission, "usermod"},
		{"Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?", fault.DockerUnreachable, "start docker"},
		{"Error response from daemon: client version 1.52 is too new. Maximum supported API version is 1.38", fault.DockerTooOld, "Update Docker"},
		{"Error response from daemon: write /var/lib/docker/tmp/x: no space left on device", fault.NoSpace, "docker system df"},
		{"Error response from daemon: driver failed programming external connectivity on endpoint a (1f): Bind for 127.0.0.1:6443 failed: port is already allocated", fault.PortInUse, "127.0.0.1:6443 is already in use"},
		{"Error response from daemon: driver failed programming external connectivity on endpoint a (1f): Error starting userland proxy: listen tcp4 127.0.0.1:6443: bind: address already in use", fault.PortInUse, "127.0.0.1:6443"},
		{"Error response from daemon: Pool overlaps with other one on this address space", fault.NetworkOverlap, "docker network prune"},
		{"Error response from daemon: could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network", fault.NetworkOverlap, "VPN"},
		{"Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: unable to apply caps: operation not permitted: unknown", fault.DockerRefused, "capability"},
		{"Error response from daemon: error gathering device information while adding custom device \"/dev/kmsg\": no such file or directory", fault.DockerRefused, "device"},
		{"Error response from daemon: Conflict. The container name \"/a\" is already in use by container \"1f\". You have to remove (or rename) that container to be able to reuse that name.", fault.Conflict, "name is taken"},
		{"Error response from daemon: network with name a already exists", fault.Conflict, "name is taken"},
		{"Error response from daemon: Address already in use", fault.Conflict, "address"},
		{"Error response from daemon: error while removing network: network a id 1f has active endpoints", fault.Conflict, "in use"},
		{"Error response from daemon: Container 1f is not running", fault.Conflict, "docker start"},
		{"Error response from daemon: Container 1f is already paused", fault.Conflict, "docker unpause"},
		{"Error response from daemon: Container a is paused, unpause the container before exec", fault.Conflict, "docker unpause"},
		{"Error response from daemon: cannot start a paused container, try unpause instead", fault.Conflict, "docker unpause"},
		{errPaused.Error(), fault.Conflict, "docker unpause"},
		{"Error response from daemon: Container 1f is not paused", fault.Conflict, "is not paused"},
		{"Error response from daemon: cannot pause container 1f: OCI runtime pause failed: unable to freeze: unknown", fault.DockerRefused, "freeze"},
		{"Error response from daemon: cannot pause container 1f: OCI runtime pause failed: container not running: unknown", fault.Conflict, "docker start"},
		{"Error response from daemon: invalid mount config for type \"bind\": bind source path does not exist: /no/such dir", fault.NotFound, "there is no /no/such dir on Docker's host"},
		{"Error response from daemon: invalid mount config for type \"bind\": invalid mount path: 'rel' mount path must be absolute", fault.DockerRefused, "absolute"},
		{"Error response from daemon: failed to create task for container: error mounting \"/f\" to rootfs at \"/d\": not a directory: unknown: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type", fault.DockerRefused, "onto"},
		{"Error response from daemon: Mounts denied: \nThe path /srv/x is not shared from the host and is not known to Docker.", fault.DockerRefused, "File sharing"},
		{"Error response from daemon: Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available", fault.DockerRefused, "docker info"},
		{"Error response from daemon: Minimum memory limit allowed is 6MB", fault.DockerRefused, "docker info"},
		{"Error response from daemon: NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted", fault.DockerRefused, "control groups"},
		{"Error response from daemon: Cannot read IPv6 setup for bridge br-1f: open /proc/sys/net/ipv6/conf/br-1f/disable_ipv6: no such file or directory", fault.DockerRefused, "no IPv6"},
		{"Error response from daemon: Failed to Setup IP tables: Unable to enable NAT rule:  (iptables failed: ip6tables --wait -t nat -I POSTROUTING -s fd00::/64 ! -o br-1f -j MASQUERADE: ip6tables v1.8.9 (legacy): can't initialize ip6tables table `nat': Table does not exist (do you need to insmod?)", fault.DockerRefused, "no IPv6"},
		{"Error response from daemon: failed to set up container networking: failed to add interface veth1 to sandbox: error setting interface \"veth1\" IPv6 to fd00::2/64: permission denied", fault.DockerRefused, "no IPv6"},
		{"Error response from daemon: Invalid address fd00:98::12: It does not belong to any of this network's subnets", fault.DockerRefused, "docker network inspect"},
		{"Error response from daemon: no configured subnet or ip-range contain the IP address fd00::9", fault.DockerRefused, "docker network inspect"},
		{"Error response from daemon: cannot create network 1f (br-1f): conflicts with network 2f (br-2f): networks have overlapping IPv6", fault.NetworkOverlap, "docker network prune"},
		{"Error response from daemon: No such image: a:1", fault.NotFound, "docker image ls"},
		{"Error response from daemon: something new", fault.DockerRefused, "journalctl"},
	} {
		err := e.explain("do it", errors.New(tc.text))
		var f *fault.Error
		if !errors.As(err, &f) {
			t.Errorf("not a fault: %s", tc.text)
			continue
		}
		if f.Code != tc.code || f.Hint == "" || !strings.Contains(f.Summary+f.Hint, tc.say) || !strings.Contains(f.Summary, "do it") {
			t.Errorf("%s\nbecame %s: %s\n%s", tc.text, f.Code, f.Summary, f.Hint)
		}
		if strings.Contains(f.Error(), daemonPrefix) {
			t.Errorf("it says %q, which tells a user nothing", daemonPrefix)
		}
	}
}

// TestHints holds all hints to the form that fault.Error asks for.
func TestHints(t *testing.T) {
	hints := map[string]string{}
	for _, k := range catalogue {
		hints[k.say] = k.hint
	}
	for name, ep := range map[string]endpoint{
		"default": {host: "unix:///x"}, "context": {host: "tcp://h:1", context: "c"}, "environment": {host: "tcp://h:1", fromEnv: true},
	} {
		hints["setting of "+name] = ep.settingHint()
		for _, goos := range []string{"linux", "darwin"} {
			hints["start of "+name+" on "+goos] = ep.startHint(goos)
		}
	}
	for _, offered := range []string{"1.38", "1.47"} {
		var f *fault.Error
		if err := tooOld("1.38", offered); errors.As(err, &f) {
			hints["too old for "+offered] = f.Hint
		}
	}
	form := regexp.MustCompile(`^[A-Z][^` + "`" + `]*(\.|https://\S+)$`)
	for say, hint := range hints {
		if hint == "" && say == "Docker is not running" {
			continue // it is the endpoint's
		}
		if !form.MatchString(hint) || strings.Count(strings.ReplaceAll(hint, "Docker's", ""), "'")%2 != 0 {
			t.Errorf("%s: %q", say, hint)
		}
	}
	if len(hints) < 25 {
		t.Errorf("only %d hints", len(hints))
	}
}

func TestExplainPassesOn(t *testing.T) {
	e := &Engine{}
	known := &fault.Error{Code: fault.Exists}
	if err := e.explain("x", nil); err != nil {
		t.Errorf("%v", err)
	}
	if err := e.explain("x", fmt.Errorf("while: %w", known)); fault.CodeOf(err) != fault.Exists {
		t.Errorf("%v", err)
	}
	if err := e.explain("x", context.Canceled); !errors.Is(err, context.Canceled) || fault.CodeOf(err) != fault.Internal {
		t.Errorf("%v", err)
	}
	if err := e.explain("x", cerrdefs.ErrNotFound); fault.CodeOf(err) != fault.NotFound || !errors.Is(err, cerrdefs.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if err := e.explain("x", io.ErrUnexpectedEOF); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}

// TestExplainUpload prefers the reader's own error to what the client makes of it.
func TestExplainUpload(t *testing.T) {
	broken := errors.New("broken disk")
	s := &source{r: iotest.ErrReader(broken)}
	_, _ = io.ReadAll(s)
	if err := new(Engine).explainUpload("x", s, errors.New("error during connect: EOF")); !errors.Is(err, broken) || fault.CodeOf(err) != fault.Internal {
		t.Errorf("%v", err)
	}
	whole := &source{r: strings.NewReader("x")}
	_, _ = io.ReadAll(whole)
	if err := new(Engine).explainUpload("x", whole, errors.New("error during connect: EOF")); fault.CodeOf(err) != fault.DockerUnreachable {
		t.Errorf("%v", err)
	}
}

func TestStreamError(t *testing.T) {
	for in, want := range map[string]string{
		"": "", `{"stream":"Loaded"}` + "\n" + `{"status":"x"}`: "",
		`{"stream":"x"}{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}`: "no space left on device",
		`{"error":"bad"}`: "bad", `{"stream":`: "unexpected EOF",
	} {
		err := streamError(strings.NewReader(in))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
}
