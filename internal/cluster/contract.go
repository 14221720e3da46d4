package cluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// IDs of the steps that look at a cluster as a whole, at the end of what makes it ready.
const (
	stepAPI    = "ready/api"
	stepSettle = "ready/nodes"
)

// readiness is what is known of nodes that are being started, until they meet the readiness contract.
type readiness struct {
	service *Service
	cluster string
	// wait is how long the contract may take, for each node from its own start: servers that are added start one after the
	// other.
	wait time.Duration
	// hint is the next step for whoever sees it fail.
	hint string

	mu      sync.Mutex
	streams map[string]io.ReadCloser // of nodes that have been started
	// restarts are how often each component of a node had been restarted before it was begun anew.
	restarts map[string]map[string]int
	// deadlines are those of the nodes' parts of the readiness contract.
	deadlines map[string]time.Time
}

func (s *Service) newReadiness(cluster string, wait time.Duration, hint string) *readiness {
	if wait <= 0 {
		wait = defaultWait
	}
	return &readiness{service: s, cluster: cluster, wait: wait, hint: hint, streams: map[string]io.ReadCloser{}, restarts: map[string]map[string]int{},
		deadlines: map[string]time.Time{}}
}

// start starts a node's container with an ear to what it will say.
func (r *readiness) start(ctx context.Context, node string) (err error) {
	engine := r.service.Engine
	stream, err := engine.Attach(ctx, node)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, stream.Close())
		}
	}()
	starting, cancel := lasting(ctx, r.service.grace)
	defer cancel()
	if err := engine.StartContainer(starting, node); err != nil {
		return err
	}
	r.follow(node, stream, nil)
	return nil
}

// follow notes what is to be listened to by await.
func (r *readiness) follow(node string, stream io.ReadCloser, restarts map[string]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams[node], r.restarts[node], r.deadlines[node] = stream, restarts, time.Now().Add(r.wait)
}

// deadline is that of the cluster's part of the contract: the last of the nodes', or from now on if all ran before.
func (r *readiness) deadline() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.deadlines) == 0 {
		return time.Now().Add(r.wait)
	}
	return slices.MaxFunc(slices.Collect(maps.Values(r.deadlines)), time.Time.Compare)
}

// listen is await for a node that runs already: it may be ready, or say later that it is.
func (r *readiness) listen(ctx context.Context, node string) error {
	stream, err := r.service.Engine.Attach(ctx, node)
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, min(r.wait, statusTimeout))
	defer cancel()
	report, err := r.service.report(asking, node)
	if err != nil || report.Ready {
		_ = stream.Close() // whatever it says, the node has answered
		return err
	}
	r.follow(node, stream, restartsOf(report, 0))
	return r.await(ctx, node)
}

// restartsOf are how often a node's components were restarted, and how often more that is no failure.
func restartsOf(report *nodeapi.Status, more int) map[string]int {
	restarts := map[string]int{}
	for _, c := range report.Components {
		restarts[c.Name] = c.Restarts + more
	}
	return restarts
}

// restart lets the Kubernetes process of a running node begin anew, with an ear to what the node will say: ctx is that of
// the listening. change is done before, while nothing has happened yet.
func (r *readiness) restart(ctx context.Context, node string, change func(context.Context) error) (err error) {
	asking, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	report, err := r.service.report(asking, node)
	if err != nil {
		return err
	}
	restarts := restartsOf(report, 1) // the one that is asked for
	stream, err := r.service.Engine.Attach(ctx, node)
	if err != nil {
		return err
	}
	err = change(asking)
	if err == nil {
		_, err = r.service.ask(asking, node, "restart")
	}
	if err != nil {
		return errors.Join(err, stream.Close())
	}
	r.follow(node, stream, restarts)
	return nil
}

// await follows what a node that was started says of itself until its part of the readiness contract is met.
func (r *readiness) await(ctx context.Context, node string) error {
	r.mu.Lock()
	stream, restarts, deadline := r.streams[node], r.restarts[node], r.deadlines[node]
	r.mu.Unlock()
	waiting, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	// Closing is what ends a read that waits.
	closed := make(chan error, 1)
	stop := context.AfterFunc(waiting, func() { closed <- stream.Close() })
	w := &watch{node: node, step: "start/" + node, restarts: restarts, emit: r.service.emit}
	err := w.follow(stream)
	if stop() {
		closed <- stream.Close()
	}
	<-closed // what was said has been heard, so how that went does not matter
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case waiting.Err() != nil:
		return r.notReady(ctx, w)
	}
	return r.nodeFailed(ctx, w, err)
}

// watch is what a node has said of itself so far.
type watch struct {
	node, step string
	// restarts of each component from before, which do not count.
	restarts map[string]int
	emit     func(event.Event)
	// components and conditions are in the order in which they were first heard of.
	components []nodeapi.ComponentStatus
	conditions []nodeapi.Condition
}

// fatal is the end of a node that it announced itself.
type fatal struct{ message string }

func (f fatal) Error() string { return f.message }

// errSilent is the end of a node's output before it was ready.
var errSilent = errors.New("it ended")

// follow reads events until the node is ready; every other end is an error.
func (w *watch) follow(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := readLine(lines)
		if e, ok := parseEvent(line); ok {
			if over, err := w.apply(e); over {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return errSilent
		}
		if err != nil {
			return err
		}
	}
}

// maxLine is more than an event can have: its log lines are few and cut.
const maxLine = 1 << 20

// readLine reads to the end of a line. Of one that is longer than any event only the end is left, which parses
// as nothing.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			line = line[:0]
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// parseEvent reads a line of a node's output; whatever else is printed there is no event.
func parseEvent(line []byte) (nodeapi.Event, bool) {
	line = bytes.Trim(line, " \t\r\n") // JSON's white space
	if len(line) == 0 || line[0] != '{' {
		return nodeapi.Event{}, false
	}
	var e nodeapi.Event
	if json.Unmarshal(line, &e) != nil || e.Kind == "" {
		return nodeapi.Event{}, false
	}
	return e, true
}

// lastRestart is the restart of a component after which its failure is taken for final: what fails for a passing
// reason has been tried three times by then.
const lastRestart = 2

// apply takes an event in, tells of it, and says if the waiting is over. Kinds that a newer node may send are
// ignored.
func (w *watch) apply(e nodeapi.Event) (over bool, err error) {
	switch {
	case e.Kind == nodeapi.EventReady:
		return true, nil
	case e.Kind == nodeapi.EventFatal:
		return true, fatal{e.Message}
	case e.Kind == nodeapi.EventComponent && e.Component != nil:
		w.component(e.Time, *e.Component)
		if c := *e.Component; c.State == nodeapi.StateGivenUp || c.State == nodeapi.StateFailed && c.Restarts-w.restarts[c.Name] >= lastRestart {
			return true, fatal{c.Name + " does not start"}
		}
	case e.Kind == nodeapi.EventCondition && e.Condition != nil:
		w.condition(e.Time, *e.Condition)
	}
	return false, nil
}

func (w *watch) component(at time.Time, c nodeapi.ComponentStatus) {
	i := slices.IndexFunc(w.components, func(o nodeapi.ComponentStatus) bool { return o.Name == c.Name })
	if i < 0 {
		w.components = append(w.components, c)
	} else {
		w.components[i] = c
	}
	out := event.Event{Time: at, ID: w.step + "/" + c.Name, Parent: w.step, Kind: event.KindComponent, Subject: c.Name}
	switch c.State {
	case nodeapi.StateStarting:
		out.State = event.Started
	case nodeapi.StateReady:
		out.State = event.Done
	case nodeapi.StateFailed, nodeapi.StateGivenUp:
		out.State, out.Err = event.Failed, errors.New(orElse(c.LastError, "it ended"))
	case nodeapi.StateUnhealthy, nodeapi.StateBackoff:
		out.State, out.Detail = event.Progress, orElse(c.LastError, string(c.State))
	default:
		return // it waits, and what it waits for is told
	}
	w.emit(out)
	ready := 0
	for _, o := range w.components {
		if o.State == nodeapi.StateReady {
			ready++
		}
	}
	w.emit(event.Event{Time: at, ID: w.step, Kind: event.KindStart, State: event.Progress, Subject: w.node,
		Done: int64(ready), Total: int64(len(w.components)), Unit: "components"})
}

func (w *watch) condition(at time.Time, c nodeapi.Condition) {
	out := event.Event{Time: at, ID: w.step + "/check/" + c.Name, Parent: w.step, Kind: event.KindCheck, Subject: c.Name, State: event.Started, Detail: c.Message}
	i := slices.IndexFunc(w.conditions, func(o nodeapi.Condition) bool { return o.Name == c.Name })
	if i < 0 {
		w.conditions = append(w.conditions, c)
	} else {
		if !w.conditions[i].Met {
			out.State = event.Progress
		}
		w.conditions[i] = c
	}
	if c.Met {
		out.State, out.Detail = event.Done, ""
	}
	w.emit(out)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// askTimeout is how long a node that failed is asked for its last words.
const askTimeout = 5 * time.Second

// notReady is the error of a contract that was not met in time.
func (r *readiness) notReady(ctx context.Context, w *watch) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	// The node knows more than it has told: the last log lines of all components.
	if report, err := r.service.report(ctx, w.node); err == nil {
		w.components, w.conditions = report.Components, report.Conditions
	}
	var details []string
	for _, cond := range w.conditions {
		if !cond.Met {
			details = append(details, fmt.Sprintf("%s: not met: %s: %s", w.node, cond.Name, cond.Message))
		}
	}
	if len(w.conditions) == 0 {
		details = append(details, w.node+": has not said anything yet")
		details = append(details, r.output(ctx, w.node)...)
	}
	details = append(details, lastWords(w.components)...)
	return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s is not ready after %s", r.cluster, r.wait),
		Details: details, Hint: r.whatToDo(details)}
}

// nodeFailed is the error of a node that has ended, or says that it cannot go on.
func (r *readiness) nodeFailed(ctx context.Context, w *watch, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	details := lastWords(w.components)
	if len(details) == 0 {
		details = r.output(ctx, w.node)
	}
	return &fault.Error{Code: fault.NodeFailed, Summary: fmt.Sprintf("node %s failed while it started", w.node), Cause: cause,
		Details: details, Hint: r.whatToDo(append(details, cause.Error()))}
}

// whatToDo says what to do about what a node said before it failed, and how to find out more.
func (r *readiness) whatToDo(said []string) string {
	for _, line := range said {
		// The kernel says this of files and of inotify instances alike. Docker lets a node have very many files, but the
		// instances are few on most hosts, and all nodes and root's own programs share them.
		if strings.Contains(line, "too many open files") {
			return "The host's inotify instances (fs.inotify.max_user_instances) are probably used up.\n" +
				"Raise the limit with 'sudo sysctl -w fs.inotify.max_user_instances=512' on Docker's host, or delete clusters ('skiff list').\n" + r.hint
		}
	}
	return r.hint
}

// howToLook says how to find out more about a creation that failed.
func howToLook(cluster string, retained bool) string {
	if retained {
		return fmt.Sprintf("Collect all logs with 'skiff bundle %s'; then remove what is left with 'skiff delete %s'.", cluster, cluster)
	}
	return fmt.Sprintf("To look closer, keep what was made with 'skiff create %s --retain', and collect all logs with 'skiff bundle %s'.", cluster, cluster)
}

// lookCloser says how to find out more about a cluster that is there and not as it should be.
func lookCloser(cluster string) string {
	return fmt.Sprintf("See 'skiff status %s', and collect all logs with 'skiff bundle %s'.", cluster, cluster)
}

// lastLines is how much of a log is shown with an error.
const lastLines = 10

// lastWords are the components that are not ready, with their last log lines.
func lastWords(components []nodeapi.ComponentStatus) []string {
	var out []string
	for _, c := range components {
		if c.State == nodeapi.StateReady || c.State == nodeapi.StateStopped {
			continue
		}
		line := fmt.Sprintf("%s is %s", c.Name, c.State)
		if c.LastError != "" {
			line += ": " + c.LastError
		}
		out = append(out, line)
		if c.State == nodeapi.StateWaiting {
			continue // its log says nothing
		}
		for _, l := range c.LastLog[max(0, len(c.LastLog)-lastLines):] {
			out = append(out, "  "+l)
		}
	}
	return out
}

// output is the end of what a node's container wrote, without its events.
func (r *readiness) output(ctx context.Context, node string) []string {
	var b bytes.Buffer
	if r.service.Engine.Logs(ctx, node, 0, &b) != nil {
		return nil // the failure that is being told of matters more
	}
	var out []string
	for line := range bytes.Lines(b.Bytes()) {
		if _, isEvent := parseEvent(line); !isEvent && len(bytes.TrimSpace(line)) > 0 {
			out = append(out, string(bytes.TrimRight(line, "\r\n")))
		}
	}
	return out[max(0, len(out)-lastLines):]
}
