package node

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/skiff-cluster/skiff/internal/node/balancer"
	"github.com/skiff-cluster/skiff/internal/node/machine"
	"github.com/skiff-cluster/skiff/internal/node/runtime"
	"github.com/skiff-cluster/skiff/internal/node/status"
	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// kubernetesName is the component that stands for the Kubernetes process itself.
const kubernetesName = "kubernetes"

// run is the node's life.
func run(ctx context.Context) error {
	if os.Getpid() != 1 {
		return errors.New("this is a node's PID 1: run it in a container, with 'skiff create'")
	}
	config, err := nodeapi.ReadConfig(nodeapi.ConfigPath)
	versions, versionsErr := readVersions()
	board := status.NewBoard(config, versions, os.Stdout, time.Now)
	if err = errors.Join(err, versionsErr); err == nil {
		err = live(ctx, config, board)
	}
	if err != nil {
		board.Fatal(err)
	}
	return err
}

// live prepares the container and keeps the node running until ctx ends.
func live(ctx context.Context, config nodeapi.Config, board *status.Board) error {
	if config.Role == nodeapi.RoleEdge {
		return liveAsEdge(ctx, config, board)
	}
	if err := machine.Prepare(config.PodCIDRs); err != nil {
		return err
	}
	if err := runtime.Configure(config.Registries, config.ContainerdPatches); err != nil {
		return err
	}
	err := superviseAll(ctx, components(board), board)
	endPods()
	return err
}

// liveAsEdge forwards connections to the API servers. An edge mounts nothing, sets nothing, and needs no capability.
func liveAsEdge(ctx context.Context, config nodeapi.Config, board *status.Board) error {
	for _, dir := range []string{nodeapi.RunDir, nodeapi.LogDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return superviseAll(ctx, []supervise.Component{balancer.Component(balancer.Config{
		Name: "edge", Listen: netip.AddrPortFrom(netip.IPv6Unspecified(), nodeapi.APIServerPort),
		CAFile: filepath.Join(nodeapi.PKIDir, "ca.crt"), Servers: config.Servers, Log: logFile("edge"),
	})}, board)
}

// superviseAll runs components and serves the node's status until ctx ends or a component gives up.
func superviseAll(ctx context.Context, components []supervise.Component, board *status.Board) error {
	manager, err := supervise.NewManager(components, board.Component)
	if err != nil {
		return err
	}
	board.Restart = manager.Restart
	stopReaping, err := supervise.Reap()
	if err != nil {
		return err
	}
	defer stopReaping()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return board.Serve(ctx, nodeapi.StatusSocket) })
	group.Go(func() error { return manager.Run(ctx) })
	return group.Wait()
}

// components that PID 1 supervises. The Kubernetes process names its own parts to the board.
func components(board *status.Board) []supervise.Component {
	return []supervise.Component{
		runtime.Containerd(logFile(runtime.Name)),
		{
			Name: kubernetesName,
			Runner: supervise.Process{
				Args: []string{nodeapi.KubernetesBinary},
				// For machine.ShowSettings.
				OwnMounts: true,
				// Upstream's components have some 400 timers a second, each of which would wake a CPU for a few
				// microseconds of work. What happens, as opposed to falls due, is not late.
				TimerSlack: 10 * time.Millisecond,
				Log:        logFile(kubernetesName + "-process"),
				Events:     board.Listen,
				Grace:      10 * time.Second,
			},
		},
	}
}

// logFile is a component's log on the node's volume, rotated by size.
func logFile(component string) io.Writer {
	return &lumberjack.Logger{Filename: filepath.Join(nodeapi.LogDir, component+".log"), MaxSize: 10, MaxBackups: 1}
}

// podGrace is how long pods may take to end when the node stops. Docker kills all that is left afterwards.
const podGrace = 5 * time.Second

// endPods asks every process that is left in the container to end, and waits until none is or podGrace is over.
// Containers' processes are not all children of this one, so there is no event for the end of the last. Whatever has
// ended counts until somebody has taken notice, and nobody else does any more.
func endPods() {
	if unix.Kill(-1, unix.SIGTERM) != nil {
		return // there is none
	}
	deadline := time.Now().Add(podGrace)
	for time.Now().Before(deadline) {
		for {
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 && err != unix.EINTR {
				break
			}
		}
		if unix.Kill(-1, 0) != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
