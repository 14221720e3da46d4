package enginetest

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// testPause freezes containers, and looks at what can be done with them then.
func (s *suite) testPause(t *testing.T) {
	spec := s.spec("pause", "serve")
	s.create(t, spec)
	s.want(t, s.PauseContainer(t.Context(), spec.Name), fault.Conflict) // it does not run
	s.want(t, s.UnpauseContainer(t.Context(), spec.Name), fault.Conflict)
	s.restart(t, spec.Name)
	s.want(t, s.UnpauseContainer(t.Context(), spec.Name), fault.Conflict) // it is not paused
	s.must(t, s.PauseContainer(t.Context(), spec.Name))
	s.state(t, spec.Name, "paused")

	t.Run("what a paused container refuses", func(t *testing.T) {
		s.want(t, s.PauseContainer(t.Context(), spec.Name), fault.Conflict)
		s.want(t, s.StartContainer(t.Context(), spec.Name), fault.Conflict)
		_, err := s.Exec(t.Context(), spec.Name, cluster.ExecSpec{Cmd: []string{programPath, "count", "1"}})
		s.want(t, err, fault.Conflict)
		_, err = s.Attach(t.Context(), spec.Name)
		s.want(t, err, fault.Conflict)
	})
	t.Run("what it does not", func(t *testing.T) {
		s.must(t, s.Logs(t.Context(), spec.Name, 0, io.Discard))
		s.must(t, s.CopyTo(t.Context(), spec.Name, "/", tarball(t, map[string]string{"file": "x"})))
		if files, _ := s.fetch(t, spec.Name, "/file"); files["file"] != "x" {
			t.Errorf("%v", files)
		}
	})
	t.Run("it goes on", func(t *testing.T) {
		s.must(t, s.UnpauseContainer(t.Context(), spec.Name))
		s.state(t, spec.Name, "running")
		if code, out, _ := s.run(t, spec.Name, cluster.ExecSpec{}, "count", "1"); code != 0 || out != "1\n" {
			t.Errorf("%d, %q", code, out)
		}
	})
	t.Run("stop while it is paused", func(t *testing.T) {
		s.must(t, s.PauseContainer(t.Context(), spec.Name))
		s.must(t, s.StopContainer(t.Context(), spec.Name, 10*time.Second))
		s.state(t, spec.Name, "exited")
		s.restart(t, spec.Name)
		s.state(t, spec.Name, "running")
	})
	t.Run("remove while it is paused", func(t *testing.T) {
		s.must(t, s.PauseContainer(t.Context(), spec.Name))
		s.must(t, s.RemoveContainer(t.Context(), spec.Name))
		s.want(t, s.UnpauseContainer(t.Context(), spec.Name), fault.NotFound)
	})
	t.Run("its program is frozen", s.testFrozen)
}

// testFrozen connects to a paused container, which answers when it goes on.
func (s *suite) testFrozen(t *testing.T) {
	if !s.info.Local {
		t.Skip("the engine's ports are on another machine")
	}
	port := freePort(t)
	spec := s.spec("frozen", "listen", "8080")
	spec.Ports = []cluster.Port{{HostIP: "127.0.0.1", HostPort: port, ContainerPort: 8080, Protocol: "tcp"}}
	s.start(t, spec)
	s.must(t, s.PauseContainer(t.Context(), spec.Name))
	if got := s.container(t, spec.Name).Ports; len(got) != 1 || got[0] != spec.Ports[0] {
		t.Errorf("ports %+v", got)
	}
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 10*time.Second)
	s.must(t, err)
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if answer, err := io.ReadAll(conn); err == nil || len(answer) > 0 {
		t.Errorf("it answers %q, %v", answer, err)
	}
	s.must(t, s.UnpauseContainer(t.Context(), spec.Name))
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if answer, err := io.ReadAll(conn); err != nil || string(answer) != "hello\n" {
		t.Errorf("then it answers %q, %v", answer, err)
	}
}
