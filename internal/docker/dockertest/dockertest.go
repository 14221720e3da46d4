// Package dockertest is an engine in memory, for the tests of everything that stands on [cluster.Engine]. It
// behaves as Docker does as far as package enginetest can tell, and adds what Docker cannot: calls that fail or
// block on demand, containers whose "program" is a function of the test, and a record of every call.
//
//	e := dockertest.New()
//	e.AddImage(cluster.Image{Tags: []string{"skiff-node:1"}})
//	e.OnStart(func(p *dockertest.Process) int { p.Emit(nodeapi.Event{Kind: nodeapi.EventReady}); <-p.Stopping(); return 0 })
//	e.Fail("StartContainer", 1, someError)
//
// It imports package cluster, so tests of package cluster that use it are in package cluster_test.
package dockertest

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

var _ cluster.Engine = (*Engine)(nil)

// Engine is a container engine in memory. Its methods may be called concurrently.
type Engine struct {
	mu         sync.Mutex
	info       cluster.EngineInfo
	containers map[string]*container
	networks   map[string]*cluster.Network
	dynamic    map[string]netip.Prefix // where containers on a network get their IPv4 addresses of, by its name
	volumes    map[string]*volume
	images     []*storedImage
	takenPorts map[uint16]bool
	listen     bool     // on published ports
	imageDirs  []string // what every image has
	nextID     int
	onStart    StartFunc
	onExec     ExecFunc
	calls      []string
	counts     map[string]int
	rules      []rule
}

// volume is a volume and the files on it, by path relative to its root.
type volume struct {
	cluster.Volume
	files fileTree
}

// New returns an engine without objects that describes itself as a local Docker of today.
func New() *Engine {
	return &Engine{
		info: cluster.EngineInfo{
			Version: "28.5.2", APIVersion: "1.51", Endpoint: "unix:///var/run/docker.sock", Local: true,
			OS: "linux", Architecture: "amd64", KernelVersion: "6.12.0", CgroupVersion: "2", CgroupDriver: "systemd",
			StorageDriver: "overlay2", RootDir: "/var/lib/docker", CPUs: 2, MemoryBytes: 8 << 30,
		},
		containers: map[string]*container{},
		networks:   map[string]*cluster.Network{},
		dynamic:    map[string]netip.Prefix{},
		volumes:    map[string]*volume{},
		takenPorts: map[uint16]bool{},
		counts:     map[string]int{},
	}
}

// SetInfo replaces what Info returns.
func (e *Engine) SetInfo(info cluster.EngineInfo) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.info = info
}

// HaveDirectories gives every container that is made from now on some empty directories, as its image would.
func (e *Engine) HaveDirectories(dirs ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.imageDirs = append(e.imageDirs, dirs...)
}

// TakePort makes a host port one that a program outside the engine listens on.
func (e *Engine) TakePort(port uint16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.takenPorts[port] = true
}

// Objects names all containers, networks and volumes, as "container skiff-a-server-1", sorted: what a test
// that cleans up after itself finds empty.
func (e *Engine) Objects() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for name := range e.containers {
		names = append(names, "container "+name)
	}
	for name := range e.networks {
		names = append(names, "network "+name)
	}
	for name := range e.volumes {
		names = append(names, "volume "+name)
	}
	slices.Sort(names)
	return names
}

// Spec returns what a container was created with.
func (e *Engine) Spec(containerName string) (cluster.ContainerSpec, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.find(containerName)
	if err != nil {
		return cluster.ContainerSpec{}, false
	}
	return c.spec, true
}

// Runs says if a container runs and is not paused.
func (e *Engine) Runs(containerName string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.find(containerName)
	return err == nil && c.state == "running"
}

// id makes an identifier that looks like Docker's. The caller holds mu.
func (e *Engine) id() string {
	e.nextID++
	return fmt.Sprintf("%064x", e.nextID)
}

// find looks a container up by name or ID. The caller holds mu.
func (e *Engine) find(name string) (*container, error) {
	if c, ok := e.containers[name]; ok {
		return c, nil
	}
	for _, c := range e.containers {
		if c.id == name {
			return c, nil
		}
	}
	return nil, notFound("container", name)
}

func notFound(kind, name string) error {
	return &fault.Error{Code: fault.NotFound, Summary: fmt.Sprintf("no such %s: %s", kind, name),
		Hint: "Look at what there is with 'docker ps -a'."}
}

func conflict(format string, args ...any) error {
	return &fault.Error{Code: fault.Conflict, Summary: fmt.Sprintf(format, args...), Hint: "Remove it, or take another name."}
}

// sortedValues returns a map's values in the order of its keys, so that lists are stable.
func sortedValues[V any](m map[string]V) []V {
	values := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		values = append(values, m[k])
	}
	return values
}

// now is Docker's resolution of creation times in lists.
func now() time.Time { return time.Now().Truncate(time.Second) }

// begin is the first line of every method: it records the call and runs what the test asked for.
func (e *Engine) begin(ctx context.Context, method, subject string) (end func(error) error, err error) {
	e.mu.Lock()
	e.counts[method]++
	n := e.counts[method]
	call := method
	if subject != "" {
		call += " " + subject
	}
	e.calls = append(e.calls, call)
	before, after := e.matching(method, call, n, false), e.matching(method, call, n, true)
	e.mu.Unlock()
	for _, f := range before {
		if err := f(ctx); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", call, err)
	}
	return func(result error) error {
		for _, f := range after {
			if err := f(ctx); err != nil && result == nil {
				result = err
			}
		}
		return result
	}, nil
}
