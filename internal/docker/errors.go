package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"strings"
	"sync"

	cerrdefs "github.com/containerd/errdefs"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// daemonPrefix is what the client puts before everything that the engine answers.
const daemonPrefix = "Error response from daemon: "

// known is a failure that the catalogue knows by what the engine, its runtime or the client says.
type known struct {
	code fault.Code
	// texts are parts of messages, in lower case; one of them must be there.
	texts []string
	// is may recognise the error instead.
	is func(error) bool
	// say is what happened and hint what to do next.
	say, hint string
}

// catalogue holds the known failures; the first that matches counts, so the particular is before the general.
var catalogue = []known{
	{fault.DockerPermission, []string{"permission denied while trying to connect", "dial unix /var/run/docker.sock: connect: permission denied"}, nil,
		"Docker's socket refuses this user",
		"Join its group with 'sudo usermod -aG docker $USER' and log in again, or use rootless Docker: https://docs.docker.com/engine/security/rootless/"},
	{fault.DockerTooOld, []string{"maximum supported api version"}, nil,
		"Docker is older than Skiff needs", "Update Docker: https://docs.docker.com/engine/install/"},
	{fault.DockerRefused, []string{"minimum supported api version"}, nil,
		"Docker no longer speaks with this version of Skiff", "Update Skiff, and unset DOCKER_API_VERSION if it is set."},
	{fault.DockerUnreachable, []string{"tls-enabled daemon without tls", "http request to an https server", "http response to https client",
		"x509:", "tls: ", "--tlsverify", "bad certificate"}, nil,
		"Docker and this client do not agree on TLS", "Check DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or the TLS files of the Docker context."},
	{fault.DockerUnreachable, []string{"docker system dial-stdio", "dial-stdio] has exited"}, nil,
		"Docker cannot be reached through SSH", "Try the same with 'ssh HOST docker version': it must work without a password."},
	{fault.DockerUnreachable, []string{"cannot connect to the docker daemon", "docker desktop is not running", "error during connect", "is the docker daemon running"}, nil,
		"Docker is not running", ""}, // the hint depends on the endpoint

	{fault.NoSpace, []string{"no space left on device", "disk quota exceeded", "not enough space on the disk"}, nil,
		"Docker's disk is full", "See what takes the space with 'docker system df', and free it with 'docker system prune'."},

	{fault.PortInUse, []string{"port is already allocated", "bind: address already in use", "ports are not available",
		"bind: an attempt was made to access a socket in a way forbidden"}, nil,
		"a host port is already in use", "Stop what uses it ('docker ps' shows the ports of containers); a new cluster can have another port."},
	{fault.DockerRefused, []string{"cannot expose privileged port", "ip_unprivileged_port_start"}, nil,
		"rootless Docker may not publish a port below 1024", "Choose a higher port."},
	{fault.NetworkOverlap, []string{"pool overlaps with other one", "non-overlapping ipv4 address pool", "address pools have been fully subnetted",
		"have overlapping ipv", "non-overlapping ipv6 address pool", "predefined address pools"}, nil,
		"there is no free subnet for a network", "Remove networks that are not in use with 'docker network prune', or leave a VPN that takes the same addresses."},

	{fault.DockerRefused, []string{"cannot read ipv6 setup for bridge", "unable to enable ipv6 addresses on bridge", "failed to add ipv6 address",
		"initialize ip6tables table", "ip6tables is missing", "\" ipv6 to "}, nil,
		"Docker's host has no IPv6", "Do without IPv6, or enable it on Docker's host: https://docs.docker.com/engine/daemon/ipv6/"},
	{fault.DockerRefused, []string{"does not belong to any of this network's subnets", "no configured subnet", "supported only when connecting to networks with user configured subnets"}, nil,
		"the network does not carry the container's address", "See its subnets with 'docker network inspect', and remove it if it is from an earlier attempt."},

	{fault.NotFound, []string{"bind source path does not exist"}, nil,
		"a file or directory to be mounted does not exist on Docker's host", "Create it, or correct the path: it is one of the machine that Docker runs on, and Docker does not make it."},
	{fault.DockerRefused, []string{"mounts denied", "is not shared from the host"}, nil,
		"Docker Desktop does not share a file or directory that is to be mounted", "Share it in the settings of Docker Desktop, under Resources and File sharing."},
	{fault.DockerRefused, []string{"trying to mount a directory onto a file"}, nil,
		"Docker cannot mount a file onto a directory or the other way round", "Mount a file onto a file, and a directory onto a directory."},
	{fault.DockerRefused, []string{"invalid mount config", "duplicate mount point"}, nil,
		"Docker does not accept what is to be mounted", "Give absolute paths, and mount each at a place of its own."},

	{fault.DockerRefused, []string{"range of cpus is from", "minimum memory limit", "memory limit too low"}, nil,
		"Docker refuses a limit of processors or memory", "Choose another limit: 'docker info' shows how many processors and how much memory there are."},
	{fault.DockerRefused, []string{"unable to apply caps", "unable to apply bounding set", "capability not supported by your kernel", "unknown capability",
		"invalid capadd", "can't drop bounding"}, nil,
		"Docker refuses a capability that a node needs", "Run 'skiff doctor'. Docker may itself run in a container, or without rights that it needs."},
	{fault.DockerRefused, []string{"error gathering device information"}, nil,
		"a device that a node needs is missing on Docker's host", "Run 'skiff doctor'."},
	{fault.DockerRefused, []string{"cgroup namespaces aren't enabled", "cgroup v2 mode", "cgroups: cgroup mountpoint does not exist", "devices cgroup isn't mounted",
		"nanocpus can not be set"}, nil,
		"Docker's host lacks control groups that a node needs", "Run 'skiff doctor'."},
	{fault.DockerRefused, []string{"iptables failed", "no chain/target/match by that name"}, nil,
		"Docker's firewall rules are gone, probably because a firewall was reloaded", "Restart Docker: 'sudo systemctl restart docker'."},
	{fault.DockerRefused, []string{"operation not permitted"}, nil,
		"Docker lacks a right that a node needs", "Run 'skiff doctor'. Docker may itself run in a container, or without rights that it needs."},

	{fault.Conflict, []string{"is already in use by container", "already exists"}, nil,
		"the name is taken", "Remove what has it ('docker ps -a', 'docker network ls'), or take another name."},
	{fault.Conflict, []string{"address already in use"}, nil,
		"another container has the address", "See what is on the network with 'docker network inspect', and remove it."},
	{fault.Conflict, []string{"has active endpoints", "volume is in use", "is using its referenced image", "is being used by", "must be forced"}, nil,
		"it is in use", "Remove the containers that use it first ('docker ps -a')."},
	{fault.Conflict, []string{"is not paused"}, nil,
		"the container is not paused", "Look at its state with 'docker ps -a'."},
	{fault.Conflict, []string{"is paused", "already paused", "a paused container"}, nil,
		"the container is paused", "Let it go on with 'docker unpause NAME'."},
	{fault.Conflict, []string{"is not running", "container not running", "is restarting, wait until"}, nil,
		"the container is not running", "Look at its state with 'docker ps -a', and start it with 'docker start NAME'."},
	{fault.DockerRefused, []string{"cannot pause container", "cannot unpause container"}, nil,
		"Docker cannot freeze it", "Stop it instead. Rootless Docker can freeze containers only with control groups of version 2."},
	{fault.NotFound, []string{"no such image"}, cerrdefs.IsNotFound, "Docker does not have it", "Look at what there is with 'docker ps -a', 'docker network ls', 'docker volume ls' and 'docker image ls'."},
	{fault.Conflict, nil, cerrdefs.IsConflict, "something else uses it", "Look at it with 'docker ps -a', then try again."},
}

// publishedAddress finds the host address in what Docker says of a port that is taken.
var publishedAddress = regexp.MustCompile(`(?i)(?:bind for|exposing port tcp|listen tcp[46]?:?|exposing port udp) ([0-9a-f.:\[\]]+:[0-9]+)`)

// bindSource finds the path in what Docker says of a bind whose source is missing.
var bindSource = regexp.MustCompile(`bind source path does not exist: (\S.*)`)

// explain turns a failure to do op ("create network x") into one of the catalogue, and passes on nil, what was
// explained already, and the end of a context.
func (e *Engine) explain(op string, err error) error {
	var already *fault.Error
	if err == nil || errors.As(err, &already) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", op, err)
	}
	text := strings.ToLower(err.Error())
	for _, k := range catalogue {
		if !k.matches(text, err) {
			continue
		}
		f := &fault.Error{Code: k.code, Summary: fmt.Sprintf("cannot %s: %s", op, k.say), Hint: k.hint, Cause: unprefixed{err}}
		if f.Hint == "" {
			f.Hint = e.endpoint.startHint(runtime.GOOS)
		}
		if m := publishedAddress.FindStringSubmatch(err.Error()); m != nil && k.code == fault.PortInUse {
			f.Summary = fmt.Sprintf("cannot %s: %s is already in use", op, m[1])
		}
		if m := bindSource.FindStringSubmatch(err.Error()); m != nil && k.code == fault.NotFound {
			f.Summary = fmt.Sprintf("cannot %s: there is no %s on Docker's host", op, m[1])
		}
		return f
	}
	if strings.HasPrefix(err.Error(), daemonPrefix) {
		return &fault.Error{Code: fault.DockerRefused, Summary: "cannot " + op,
			Hint: "Look into Docker's log (on most Linux systems with 'journalctl -u docker').", Cause: unprefixed{err}}
	}
	return fmt.Errorf("cannot %s: %w", op, err)
}

func (k known) matches(text string, err error) bool {
	for _, t := range k.texts {
		if strings.Contains(text, t) {
			return true
		}
	}
	return k.is != nil && k.is(err)
}

// unprefixed is an error of the engine without the words that the client puts before it.
type unprefixed struct{ error }

func (u unprefixed) Error() string { return strings.TrimPrefix(u.error.Error(), daemonPrefix) }
func (u unprefixed) Unwrap() error { return u.error }

// startHint says how to get an engine that does not answer to answer.
func (ep endpoint) startHint(goos string) string {
	switch {
	case ep.context != "" || ep.fromEnv:
		return fmt.Sprintf("Start the engine at %s. %s", ep.host, ep.settingHint())
	case goos == "linux":
		return "Start it with 'sudo systemctl start docker', or install it: https://docs.docker.com/engine/install/"
	}
	return "Start Docker Desktop, or install it: https://docs.docker.com/get-started/get-docker/"
}

// source remembers the error of the reader that a request's body is read from: the client reports it as a failure
// to reach the engine.
type source struct {
	r   io.Reader
	mu  sync.Mutex // the client may still read when the engine has answered
	err error
}

// Read reads on.
func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
	}
	return n, err
}

func (s *source) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// explainUpload is explain for a request whose body is s.
func (e *Engine) explainUpload(op string, s *source, err error) error {
	if failure := s.failure(); err != nil && failure != nil {
		return fmt.Errorf("cannot %s: %w", op, failure)
	}
	return e.explain(op, err)
}
