//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestDockerIsNotThere(t *testing.T) {
	t.Parallel()
	c := New(t, "If Docker cannot be reached, every command says so, says where it looked and what to do, and does nothing").NewCluster("")
	socket := "unix://" + filepath.Join(t.TempDir(), "docker.sock")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	c.Must(err, "find a free port")
	port := "tcp://" + closed.Addr().String()
	c.Must(closed.Close(), "close the port")
	for _, host := range []string{socket, port} {
		env := append(c.env(), "DOCKER_HOST="+host)
		for _, args := range [][]string{{"create"}, {"list"}, {"status"}, {"delete"}, {"load", "x"}, {"kubectl", "get", "nodes"}, {"bundle"}} {
			c.Fails(skiffRun(t.Context(), env, args...), exitDocker, "Docker is not running", host, "DOCKER_HOST")
		}
	}

	c.Step("doctor makes a finding of it")
	r := skiffRun(t.Context(), append(c.env(), "DOCKER_HOST="+socket), "doctor")
	if r.Code != exitDocker || !strings.Contains(r.Stdout, "FAIL  docker ") || strings.Contains(r.Stdout, "another kernel") {
		t.Errorf("%s", r)
	}

	c.Step("a Docker context that does not exist")
	env := append(c.env(), "DOCKER_CONTEXT="+run.prefix()+"nowhere", "DOCKER_HOST=")
	c.Fails(skiffRun(t.Context(), env, "create"), exitDocker, run.prefix()+"nowhere", "docker context ls")

	c.Step("as JSON the error is one line with a code that programs can read")
	r = skiffRun(t.Context(), append(c.env(), "DOCKER_HOST="+socket), "create", "--output", "json")
	if last := lastLine(r.Stderr); r.Code != exitDocker || r.Stdout != "" || !strings.Contains(last, `"code":"docker-unreachable"`) || !strings.Contains(last, `"hint":`) {
		t.Errorf("%s", r)
	}
	if _, err := os.Stat(c.Kubeconfig); err == nil {
		t.Error("there is a kubeconfig")
	}
}

func TestDockerIsFoundAsDockerFindsIt(t *testing.T) {
	t.Parallel()
	c := New(t, "skiff talks to the engine that docker talks to: DOCKER_HOST, DOCKER_CONTEXT, the selected context").NewCluster("")
	var asked atomic.Int32
	engine := c.NewEngine(Intercept(c.RealEngine(), func(http.ResponseWriter, *http.Request) bool {
		asked.Add(1)
		return false
	}))
	config := t.TempDir()
	docker := func(args ...string) {
		if r := (command{env: []string{"DOCKER_CONFIG=" + config, "DOCKER_HOST="}, args: append([]string{"docker"}, args...)}).run(t.Context()); r.Code != 0 {
			t.Fatalf("%s", r)
		}
	}
	docker("context", "create", "there", "--docker", "host="+engine.Host)
	list := func(env ...string) {
		asked.Store(0)
		if r := skiffRun(t.Context(), append(append(c.env(), "DOCKER_CONFIG="+config), env...), "list"); r.Code != 0 || asked.Load() == 0 {
			t.Errorf("with %v the engine was asked %d times: %s", env, asked.Load(), r)
		}
	}
	list("DOCKER_HOST="+engine.Host, "DOCKER_CONTEXT=")
	list("DOCKER_HOST=", "DOCKER_CONTEXT=there")
	docker("context", "use", "there")
	list("DOCKER_HOST=", "DOCKER_CONTEXT=")
}

func TestDockerIsTooOld(t *testing.T) {
	t.Parallel()
	c := New(t, "An engine that is too old is refused at once, with the version that is needed").NewCluster("")
	engine := c.NewEngine(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.40")
		if strings.HasSuffix(r.URL.Path, "/_ping") {
			fmt.Fprint(w, "OK")
			return
		}
		refuse(w, r, http.StatusNotFound, "page not found")
	}))
	c.Fails(skiffRun(t.Context(), engine.env(c), "create"), exitDocker, "1.40", "1.41", "20.10", "Update Docker")
}

func TestDockerSocketRefusesTheUser(t *testing.T) {
	t.Parallel()
	c := New(t, "Whoever may not use Docker's socket learns how to get the right").NewCluster("")
	engine := c.NewEngine(c.RealEngine())
	mode := os.FileMode(0o600)
	if os.Getuid() != 0 {
		mode = 0 // the same to its owner as 0600 to others
	}
	c.Must(os.Chmod(engine.Socket, mode), "close the socket to others")
	env := append(engine.env(c), "KUBECONFIG="+filepath.Join(c.PublicDir(), "none"))
	c.Fails(c.AsNobody(env, "list"), exitDocker, "refuses this user", "permission denied", "usermod -aG docker")
}

func TestDockerRefuses(t *testing.T) {
	t.Parallel()
	const runtime = "OCI runtime create failed: runc create failed: unable to start container process: "
	for _, refusal := range []struct {
		name           string
		method, suffix string
		code           int
		message        string
		exit           int
		words          []string
	}{
		{"a capability it does not know", "POST", "/containers/create", http.StatusBadRequest,
			`invalid CapAdd: unknown capability: "CAP_SYS_PTRACE"`, exitDocker, []string{"capability", "CAP_SYS_PTRACE", "skiff doctor"}},
		{"a capability it does not have", "POST", "/start", http.StatusInternalServerError,
			"failed to create task for container: " + runtime + "unable to apply caps: operation not permitted: unknown",
			exitDocker, []string{"capability", "unable to apply caps", "skiff doctor"}},
		{"a right it does not have", "POST", "/start", http.StatusInternalServerError,
			runtime + `error during container init: error mounting "cgroup" to rootfs: operation not permitted: unknown`,
			exitDocker, []string{"lacks a right", "skiff doctor"}},
		{"a container, because its disk is full", "POST", "/containers/create", http.StatusInternalServerError,
			"mkdir /var/lib/docker/overlay2/abc-init: no space left on device", exitHost, []string{"disk is full", "docker system prune"}},
		{"a volume", "POST", "/volumes/create", http.StatusInternalServerError,
			"create skiff: error while creating volume: disk quota exceeded", exitHost, []string{"disk is full", "docker system prune"}},
		{"every subnet", "POST", "/networks/create", http.StatusForbidden,
			"Pool overlaps with other one on this address space", exitHost, []string{"subnet", "docker network prune"}},
		{"a network, because its firewall rules are gone", "POST", "/networks/create", http.StatusInternalServerError,
			"Failed to Setup IP tables: Unable to enable SKIP DNAT rule: (iptables failed: No chain/target/match by that name.)",
			exitDocker, []string{"firewall", "systemctl restart docker"}},
	} {
		t.Run(refusal.name, func(t *testing.T) {
			t.Parallel()
			c := New(t, "What Docker refuses is told with Docker's reason and a next step, and all that was made before is removed").NewCluster("")
			var made atomic.Int32
			engine := c.NewEngine(Intercept(c.RealEngine(), func(w http.ResponseWriter, r *http.Request) bool {
				if asks(r, refusal.method, refusal.suffix) {
					return refuse(w, r, refusal.code, refusal.message)
				}
				if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/create") {
					made.Add(1)
				}
				return false
			}))
			c.Fails(skiffRun(t.Context(), engine.env(c), "create"), refusal.exit, append(refusal.words, refusal.message)...)
			if made.Load() == 0 && refusal.suffix != "/volumes/create" {
				t.Error("nothing was made before, so nothing is proven of the rollback")
			}
			c.Gone()
		})
	}
}

func TestImageStoreIsFull(t *testing.T) {
	t.Parallel()
	c := New(t, "If the node image does not fit into Docker's store, create says so and removes all that it made").NewCluster("")
	engine := c.NewEngine(withoutNodeImage(c.RealEngine(), func(w http.ResponseWriter, r *http.Request) {
		// A real engine answers 200 at the first byte, and tells of the failure in the stream.
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_, _ = io.Copy(io.Discard, r.Body)
		const why = "Error processing tar file(exit status 1): write /usr/bin/skiff-kubernetes: no space left on device"
		fmt.Fprintf(w, `{"errorDetail":{"message":%q},"error":%q}`+"\r\n", why, why)
	}))
	c.Fails(skiffRun(t.Context(), engine.env(c), "create"), exitHost, "load image", "disk is full", "no space left on device", "docker system prune")
	c.Gone()
}

func TestDockerEndsDuringCreate(t *testing.T) {
	t.Parallel()
	c := New(t, "If Docker ends in the middle of a create, the error names the command that removes the rest later").NewCluster("")
	var gone atomic.Bool
	engine := c.NewEngine(Intercept(c.RealEngine(), func(w http.ResponseWriter, r *http.Request) bool {
		if asks(r, "POST", "/start") {
			gone.Store(true)
		}
		if gone.Load() {
			hangUp(w)
		}
		return gone.Load()
	}))
	c.Fails(skiffRun(t.Context(), engine.env(c), "create"), exitDocker, "skiff delete "+c.Name)
	c.Step("Docker is back: list shows what there is, delete removes it, and then the name is free")
	if len(c.remains()) == 0 {
		t.Error("there is nothing to be removed")
	}
	if out := c.Skiff("list"); !strings.Contains(out, c.Name) {
		t.Errorf("list: %s", out)
	}
	c.Skiff("delete", c.Name)
	c.Gone()
}

func TestDockerHangs(t *testing.T) {
	t.Parallel()
	c := New(t, "Ctrl-C ends a skiff whose Docker does not answer").NewCluster("")
	asked := make(chan struct{}, 100)
	engine := c.NewEngine(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	for _, args := range [][]string{{"create"}, {"list"}, {"delete"}} {
		p := c.Start(engine.env(c), append([]string{run.skiff}, args...)...)
		<-asked
		c.Must(p.Signal(syscall.SIGINT), "interrupt skiff")
		select {
		case <-p.Done():
		case <-time.After(within):
			t.Fatalf("skiff %v does not end", args)
		}
		if r := p.Wait(); r.Code != exitCanceled {
			t.Errorf("%s", r)
		}
	}
}

// withoutNodeImage lets an engine appear as one that never had a node image, until load has taken one.
func withoutNodeImage(next http.Handler, load http.HandlerFunc) http.Handler {
	var loaded atomic.Bool
	return Intercept(next, func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case asks(r, "POST", "/images/load"):
			load(w, r)
			loaded.Store(true)
			return true
		case !loaded.Load() && strings.Contains(r.URL.Path, "/images/skiff-node"):
			return refuse(w, r, http.StatusNotFound, "No such image: skiff-node")
		}
		return false
	})
}

// hangUp ends a connection as an engine does that is killed.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
