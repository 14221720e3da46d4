package kubernetes

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	"github.com/skiff-cluster/skiff/internal/node/component"
	"github.com/skiff-cluster/skiff/internal/node/role"
	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// host runs the components of the node's role and reports on them.
func host(ctx context.Context, node *component.Node, events *reporter) error {
	logs := newLogRouter(nodeapi.LogDir)
	klog.SetLoggerWithOptions(logs.Logger(), klog.ContextualLogger(true))
	log.SetOutput(logs.Standard())
	components, err := role.Components(node, logs)
	if err != nil {
		return err
	}
	contract := newContract(node, events.Condition)
	manager, err := supervise.NewManager(components, func(s nodeapi.ComponentStatus) {
		s.PID = os.Getpid()
		events.Component(s)
		contract.Component(s)
	})
	if err != nil {
		return err
	}
	rings := manager.Ring
	logs.rings.Store(&rings)

	for _, s := range manager.Status() {
		events.Component(s)
	}
	events.Hosted()

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return manager.Run(ctx) })
	group.Go(func() error { return contract.Watch(ctx) })
	group.Go(func() error {
		keepPace(ctx, contract.met)
		return nil
	})
	return group.Wait()
}

// reporter writes events to PID 1, one JSON document per line.
type reporter struct {
	mu  sync.Mutex
	out io.Writer
}

func newReporter(out io.Writer) *reporter { return &reporter{out: out} }

// Component reports a component's new status.
func (r *reporter) Component(s nodeapi.ComponentStatus) {
	r.write(nodeapi.Event{Time: time.Now(), Kind: nodeapi.EventComponent, Component: &s})
}

// Hosted tells that every component has been reported.
func (r *reporter) Hosted() { r.write(nodeapi.Event{Time: time.Now(), Kind: nodeapi.EventHosted}) }

// Condition reports a clause of the readiness contract.
func (r *reporter) Condition(c nodeapi.Condition) {
	r.write(nodeapi.Event{Time: time.Now(), Kind: nodeapi.EventCondition, Condition: &c})
}

func (r *reporter) write(e nodeapi.Event) {
	line, err := json.Marshal(e)
	if err != nil {
		klog.Background().Error(err, "encode an event")
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.out.Write(append(line, '\n')); err != nil {
		klog.Background().Error(err, "report an event to PID 1")
	}
}

// logFile returns the path of a component's log file.
func logFile(dir, name string) string { return filepath.Join(dir, name+".log") }
