//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Daemon is a Docker of the scenario's own, which can be restarted. It has its own data, socket, and network namespace,
// so that it and the host's Docker do not change each other's rules; a pair of interfaces leads there.
type Daemon struct {
	s       *Scenario
	dir     string
	netns   string
	link    string // what the names of the two interfaces begin with
	process *exec.Cmd
	ended   chan struct{}
	log     lockedBuffer
	// Host is its address, as DOCKER_HOST has it.
	Host string
	// Address is where what it publishes can be reached from here.
	Address string
}

// daemonLimit bounds how long a daemon may take to start or to end: it starts and ends containers in that time.
const daemonLimit = 2 * time.Minute

// NewDaemon starts a Docker that ends with the scenario, or skips it, with the reason, where that is not possible.
func (s *Scenario) NewDaemon() *Daemon {
	s.Helper()
	if os.Getuid() != 0 {
		s.Skip("only root can start a Docker of its own")
	}
	for _, program := range []string{"dockerd", "ip", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			s.Skipf("a Docker of its own needs %v", err)
		}
	}
	id := run.id + randomHex(1)
	d := &Daemon{s: s, dir: s.PublicDir(), netns: "skiff-e2e-" + id, link: "skiff-" + id, Address: "10.211.77.2"}
	d.Host = "unix://" + filepath.Join(d.dir, "docker.sock")
	d.makeNetwork()
	if err := d.start(); err != nil {
		s.Skipf("no Docker of its own can be started here: %v", err)
	}
	s.Cleanup(func() {
		if err := d.end(); err != nil {
			s.Error(err)
		}
	})
	return d
}

// makeNetwork makes a network namespace and a way into it.
func (d *Daemon) makeNetwork() {
	d.s.Helper()
	inside := []string{"-n", d.netns}
	outer, inner := d.link+"-o", d.link+"-i"
	for _, args := range [][]string{
		{"netns", "add", d.netns},
		{"link", "add", outer, "type", "veth", "peer", "name", inner, "netns", d.netns},
		{"addr", "add", "10.211.77.1/30", "dev", outer},
		{"link", "set", outer, "up"},
		append(inside, "addr", "add", d.Address+"/30", "dev", inner),
		append(inside, "link", "set", inner, "up"),
		append(inside, "link", "set", "lo", "up"),
	} {
		r := command{args: append([]string{"ip"}, args...)}.run(d.s.Context())
		if r.Code != 0 {
			d.s.Skipf("no network namespace for a Docker of its own: %s", r)
		}
		if args[1] == "add" && args[0] != "addr" {
			d.s.Cleanup(func() {
				undo := []string{"ip", args[0], "delete", args[2]}
				if r := (command{args: undo}).run(context.Background()); r.Code != 0 {
					d.s.Errorf("%s", r)
				}
			})
		}
	}
}

// start starts the daemon and waits until it answers.
func (d *Daemon) start() error {
	config := filepath.Join(d.dir, "daemon.json")
	if err := os.WriteFile(config, []byte("{}"), 0o644); err != nil { // or it would take the host's
		return err
	}
	// Not `ip netns exec`: that mounts /sys anew, without control groups.
	d.process = exec.Command("nsenter", "--net=/run/netns/"+d.netns, "dockerd", "--host", d.Host, "--config-file", config,
		"--data-root", filepath.Join(d.dir, "data"), "--exec-root", filepath.Join(d.dir, "run"), "--pidfile", filepath.Join(d.dir, "pid"))
	d.process.Stdout, d.process.Stderr = &d.log, &d.log
	d.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the tests
	if err := d.process.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	d.ended = ended
	go func() {
		_ = d.process.Wait()
		close(ended)
	}()
	deadline := time.After(daemonLimit)
	for {
		if (command{env: d.env(), args: []string{"docker", "version"}}).run(context.Background()).Code == 0 {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("dockerd ended: %s", d.lastLog())
		case <-deadline:
			_ = d.stop()
			return fmt.Errorf("dockerd does not answer: %s", d.lastLog())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// stop ends the daemon, and its containers with it.
func (d *Daemon) stop() error {
	_ = d.process.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-d.ended:
		return nil
	case <-time.After(daemonLimit):
		_ = d.process.Process.Kill()
		return fmt.Errorf("dockerd did not end: %s", d.lastLog())
	}
}

// restart ends the daemon and starts it again.
func (d *Daemon) restart() {
	d.s.Helper()
	d.s.Must(d.stop(), "stop Docker")
	d.s.Must(d.start(), "start Docker again")
}

// end removes all containers, and ends the daemon.
func (d *Daemon) end() error {
	select {
	case <-d.ended: // in the middle of a restart
		if err := d.start(); err != nil {
			return err
		}
	default:
	}
	docker := func(args ...string) Result {
		return command{env: d.env(), args: append([]string{"docker"}, args...)}.run(context.Background())
	}
	var failed error
	if ids := strings.Fields(docker("ps", "--all", "--quiet").Stdout); len(ids) > 0 {
		if r := docker(append([]string{"rm", "--force", "--volumes"}, ids...)...); r.Code != 0 {
			failed = fmt.Errorf("%s", r)
		}
	}
	return errors.Join(failed, d.stop())
}

func (d *Daemon) env() []string { return []string{"DOCKER_HOST=" + d.Host, "DOCKER_CONTEXT="} }

// lastLog is the end of what it wrote.
func (d *Daemon) lastLog() string {
	text := []byte(strings.TrimSpace(d.log.String()))
	lines := bytes.Split(text, []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-5):], []byte("\n")))
}

// NewCluster names a cluster of this Docker, which goes with it.
func (d *Daemon) NewCluster(suffix string) *Cluster {
	c := &Cluster{
		Scenario: d.s, Name: run.clusterName(d.s.T.Name(), suffix), Namespace: "default",
		Kubeconfig: filepath.Join(d.s.TempDir(), "kubeconfig"), engine: d.env(),
	}
	d.s.Cleanup(c.collect)
	return c
}
