// Package enginetest is the conformance suite of [cluster.Engine]: what package cluster may rely on, whatever the
// engine is. It runs on the engine in memory with every test, and on Docker with the end-to-end tests, so that the
// former cannot drift away from the latter.
//
// Its containers are made from scratch and run [Program], which is the test binary itself on Docker.
package enginetest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/nodeimage/imagetar"
)

// labelRun is on everything that a run of the suite makes; its value is the run's.
const labelRun = "dev.skiff.enginetest"

// programPath is where containers have the program.
const programPath = "/program"

// Harness is an engine to be tested.
type Harness struct {
	Engine cluster.Engine
	// Executable is a static binary for the engine that calls [Main]; "" if the engine runs Program by itself.
	Executable string
}

// Run runs the suite. It removes everything it makes.
func Run(t *testing.T, h Harness) {
	id := strings.ToLower(rand.Text()[:8])
	s := &suite{Engine: h.Engine, executable: h.Executable, name: "skiff-enginetest-" + id, label: labelRun + "=" + id,
		labels: map[string]string{labelRun: id}}
	info, err := h.Engine.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.info = info
	t.Run("Info", s.testInfo)
	s.image = s.loadImage(t, "base", nil)
	for _, test := range []struct {
		name string
		f    func(*testing.T)
	}{
		{"Containers", s.testContainers}, {"Pause", s.testPause}, {"Limits", s.testLimits}, {"Binds", s.testBinds},
		{"Network", s.testNetwork}, {"IPv6", s.testIPv6}, {"Volume", s.testVolume}, {"Files", s.testFiles},
		{"Output", s.testOutput}, {"Exec", s.testExec}, {"Images", s.testImages}, {"Inspect", s.testInspect},
		{"Missing", s.testMissing}, {"Cancelled", s.testCancelled}, {"Concurrent", s.testConcurrent},
	} {
		t.Run(test.name, test.f)
	}
	t.Run("NothingIsLeft", s.testNothingIsLeft)
}

// suite is one run on one engine.
type suite struct {
	cluster.Engine
	info       cluster.EngineInfo
	executable string
	name       string            // what the names of all objects begin with
	label      string            // what they are found by
	labels     map[string]string // the same, as they carry it
	image      string            // that containers are made of
}

// loadImage makes an image with further labels, loads it, and removes it after the test.
func (s *suite) loadImage(t *testing.T, tag string, labels map[string]string) string {
	t.Helper()
	ref := s.name + ":" + tag
	if err := s.LoadImage(t.Context(), bytes.NewReader(s.archive(t, ref, labels))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := s.RemoveImage(context.Background(), ref)
		if err != nil && fault.CodeOf(err) != fault.NotFound {
			t.Errorf("clean up: %v", err)
		}
	})
	return ref
}

// archive is an image as `docker save` writes it.
func (s *suite) archive(t *testing.T, ref string, labels map[string]string) []byte {
	t.Helper()
	tree := &imagetar.Tree{}
	if s.executable != "" {
		tree.File(programPath, s.executable, 0o755)
	}
	tree.Dir("/data", 0o755)
	tree.Data("/etc/greeting", []byte("hello from the image\n"), 0o640)
	layer, err := imagetar.NewLayer(tree)
	if err != nil {
		t.Fatal(err)
	}
	config := imagetar.Config{Architecture: s.info.Architecture, Entrypoint: []string{programPath}, Env: []string{programEnv + "=1"},
		Labels: map[string]string{}}
	for _, more := range []map[string]string{s.labels, labels} {
		for k, v := range more {
			config.Labels[k] = v
		}
	}
	image, err := imagetar.New(config, layer)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := image.WriteArchive(&b, ref); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// spec is a container that runs the program.
func (s *suite) spec(name string, args ...string) cluster.ContainerSpec {
	return cluster.ContainerSpec{Name: s.name + "-" + name, Hostname: name, Image: s.image, Cmd: args, Labels: s.labels, Restart: "no"}
}

// create creates a container and removes it after the test.
func (s *suite) create(t *testing.T, spec cluster.ContainerSpec) string {
	t.Helper()
	id, err := s.CreateContainer(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cleanUp(t, s.RemoveContainer(context.Background(), spec.Name)) })
	return id
}

// start creates and starts a container, and waits until its program can be asked to stop.
func (s *suite) start(t *testing.T, spec cluster.ContainerSpec) {
	t.Helper()
	s.create(t, spec)
	s.restart(t, spec.Name)
}

// restart starts a container that exists.
func (s *suite) restart(t *testing.T, name string) {
	t.Helper()
	out, err := s.Attach(t.Context(), name)
	s.must(t, err)
	defer out.Close()
	s.must(t, s.StartContainer(t.Context(), name))
	said := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			line = err.Error()
		}
		said <- line
	}()
	select {
	case line := <-said:
		if line != "hello stdout\n" {
			t.Fatalf("container %s says %q", name, line)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("container %s says nothing", name)
	}
}

// volume creates a volume and removes it after the test.
func (s *suite) volume(t *testing.T, name string) string {
	t.Helper()
	name = s.name + "-" + name
	s.must(t, s.CreateVolume(t.Context(), cluster.VolumeSpec{Name: name, Labels: s.labels}))
	t.Cleanup(func() { s.cleanUp(t, s.RemoveVolume(context.Background(), name)) })
	return name
}

func (s *suite) cleanUp(t *testing.T, err error) {
	t.Helper()
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		t.Errorf("clean up: %v", err)
	}
}

func (s *suite) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want checks that an error is a fault with a code, and ends in a next step.
func (s *suite) want(t *testing.T, err error, code fault.Code) {
	t.Helper()
	var f *fault.Error
	switch {
	case !errors.As(err, &f):
		t.Errorf("want %s, got: %v", code, err)
	case f.Code != code:
		t.Errorf("want %s, got %s: %v", code, f.Code, err)
	case f.Hint == "" || f.Summary == "":
		t.Errorf("it does not say what to do: %+v", f)
	}
}

// container finds a container of this run.
func (s *suite) container(t *testing.T, name string) cluster.Container {
	t.Helper()
	list, err := s.Containers(t.Context(), s.label)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no container %s", name)
	return cluster.Container{}
}

// state waits until a container is in a state: engines learn of the end of a process a moment after the process
// has ended.
func (s *suite) state(t *testing.T, name string, want cluster.NodeState) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		state := s.container(t, name).State
		if state == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("container %s is %s, want %s", name, state, want)
		}
	}
}

// readAll reads a stream to its end, which must come.
func (s *suite) readAll(t *testing.T, r io.ReadCloser) string {
	t.Helper()
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := io.ReadAll(r)
		done <- result{data, err}
	}()
	select {
	case got := <-done:
		if got.err != nil {
			t.Errorf("read: %v", got.err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		return string(got.data)
	case <-time.After(30 * time.Second):
		_ = r.Close()
		t.Fatal("the stream does not end")
		return ""
	}
}

func (s *suite) testInfo(t *testing.T) {
	i := s.info
	if i.Version == "" || i.APIVersion == "" || i.Endpoint == "" || i.OS != "linux" || i.KernelVersion == "" || i.StorageDriver == "" ||
		i.CPUs < 1 || i.MemoryBytes < 1<<20 || i.CgroupVersion != "1" && i.CgroupVersion != "2" {
		t.Errorf("%+v", i)
	}
	if i.Time.IsZero() {
		t.Error("it does not tell the time")
	}
	if s.executable != "" && i.Architecture != runtime.GOARCH {
		t.Errorf("architecture %s", i.Architecture)
	}
}

// testNothingIsLeft looks at what the other tests have left; their own clean-up has run.
func (s *suite) testNothingIsLeft(t *testing.T) {
	containers, err := s.Containers(t.Context(), s.label)
	s.must(t, err)
	networks, err := s.Networks(t.Context(), s.label)
	s.must(t, err)
	volumes, err := s.Volumes(t.Context(), s.label)
	s.must(t, err)
	images, err := s.Images(t.Context(), s.label)
	s.must(t, err)
	if len(containers)+len(networks)+len(volumes) > 0 || len(images) != 1 { // that of all containers goes last
		t.Error(fmt.Sprint(containers, networks, volumes, images))
	}
}
