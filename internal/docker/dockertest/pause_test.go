package dockertest_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
)

// TestOutputWaitsWhilePaused holds back what a paused container's program writes until the container goes on, and
// no longer than the container lives.
func TestOutputWaitsWhilePaused(t *testing.T) {
	for name, tc := range map[string]struct {
		release func(*dockertest.Engine) error
		want    error
	}{
		"it goes on":   {func(e *dockertest.Engine) error { return e.UnpauseContainer(t.Context(), "a") }, nil},
		"it is killed": {func(e *dockertest.Engine) error { e.Kill("a", 137); return nil }, io.ErrClosedPipe},
	} {
		t.Run(name, func(t *testing.T) {
			e := dockertest.New()
			e.AddImage(cluster.Image{Tags: []string{"i:1"}})
			write, wrote := make(chan struct{}), make(chan error, 1)
			e.OnStart(func(p *dockertest.Process) int {
				<-write
				_, err := io.WriteString(p.Stdout(), "x")
				wrote <- err
				<-p.Stopping()
				return 0
			})
			_, err := e.CreateContainer(t.Context(), cluster.ContainerSpec{Name: "a", Image: "i:1"})
			if err := errors.Join(err, e.StartContainer(t.Context(), "a"), e.PauseContainer(t.Context(), "a")); err != nil {
				t.Fatal(err)
			}
			close(write)
			select {
			case <-wrote:
				t.Error("it writes while it is paused")
			case <-time.After(20 * time.Millisecond):
			}
			if err := tc.release(e); err != nil {
				t.Fatal(err)
			}
			if err := <-wrote; !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
			e.Kill("a", 0)
		})
	}
}
