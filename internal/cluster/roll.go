package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/pki"
)

// form is what a node is made of: its configuration, and what its container is made with.
type form struct {
	config            []byte // as it is on the volume
	group             Group
	image, kubernetes string
	ephemeral         bool
}

// roll restarts a node so that it is what the file says, and returns when it is ready. If it does not become ready, it
// becomes what it was.
func (a *application) roll(ctx context.Context, m *existing) (err error) {
	s, how := a.service, m.impact
	if m.state != NodeRunning && how != remade {
		how = restarted // there is no process to restart
	}
	if err := a.expendable(ctx, m); err != nil {
		return err
	}
	was, will, err := a.forms(ctx, m)
	if err != nil {
		return err
	}
	keys, err := a.edgeFiles(ctx, m)
	if err != nil {
		return err
	}
	drain := Step{ID: "drain/" + m.name, Kind: event.KindDrain, Subject: m.name, Detail: "move its pods"}
	restart := Step{ID: "restart/" + m.name, Kind: event.KindRestart, Subject: m.name, Detail: "with its new configuration"}
	start := Step{ID: "start/" + m.name, Kind: event.KindStart, Subject: m.name, Detail: "wait until it is ready", After: []string{restart.ID}}
	steps := []Step{restart, start}
	cordoned := false
	if a.plan.drained(m) {
		steps[0].After = []string{drain.ID}
		steps = append([]Step{drain}, steps...)
		defer func() {
			if cordoned { // by us, not by the user
				err = errors.Join(err, s.uncordon(ctx, a.creds, a.plan.Cluster, m.name))
			}
		}()
	}
	r, begun := a.readiness(), false
	err = s.carryOut(ctx, a.what(), steps, func(ctx context.Context, step Step) error {
		switch step.Kind {
		case event.KindDrain:
			var err error
			cordoned, err = a.vacate(ctx, m, step)
			return err
		case event.KindRestart:
			fresh, err := a.prepare(ctx, m, will, how, keys)
			if err != nil {
				return err // nothing has happened to the node
			}
			begun = true
			return a.begin(ctx, r, m, will, how, keys, fresh)
		}
		return r.await(ctx, step.Subject)
	})
	if err == nil || !begun || ctx.Err() != nil {
		return err
	}
	return a.restore(ctx, m, was, how, keys, err)
}

// expendable refuses to restart a server if too few of the others work to go on without it. Of two, none is expendable,
// and somebody has to be restarted all the same.
func (a *application) expendable(ctx context.Context, m *existing) error {
	if m.role != nodeapi.RoleServer || m.state != NodeRunning {
		return nil
	}
	var broken []string
	var causes error
	servers, working := 1, 0
	for _, other := range a.plan.compared.staying() {
		if other == m || other.role != nodeapi.RoleServer {
			continue
		}
		servers++
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		report, err := a.service.report(asking, other.name)
		cancel()
		if err == nil && works(report, datastore) {
			working++
		} else {
			broken, causes = append(broken, other.name), errors.Join(causes, err)
		}
	}
	if working >= min(majority(servers), servers-1) {
		return nil
	}
	return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("server %s is not restarted: the datastore of %s does not work, and without a majority nothing would", m.name, strings.Join(broken, " and ")), Cause: causes,
		Hint: fmt.Sprintf("See what is wrong with 'skiff status %s', and apply the file again when it works.", a.plan.Cluster)}
}

// datastore is the component of servers that a majority is needed of.
const datastore = "etcd"

// works says if a component of a node serves.
func works(report *nodeapi.Status, component string) bool {
	return slices.ContainsFunc(report.Components, func(c nodeapi.ComponentStatus) bool { return c.Name == component && c.State == nodeapi.StateReady })
}

// forms are what a node is and what it is to be.
func (a *application) forms(ctx context.Context, m *existing) (was, will form, err error) {
	c, s := a.plan.compared, a.service
	was = form{group: m.group, image: m.image, kubernetes: m.labels[nodeapi.LabelKubernetes], ephemeral: m.labels[nodeapi.LabelEphemeral] == "true"}
	if was.config, err = s.readFile(ctx, m.name, nodeapi.ConfigPath); err != nil {
		return was, will, err
	}
	will = was
	will.ephemeral = c.wanted.Ephemeral
	if c.image.ref != "" {
		will.image, will.kubernetes = c.image.ref, c.image.kubernetes
	}
	if m.role == nodeapi.RoleEdge {
		return was, will, nil
	}
	will.group = c.wanted.Groups[m.at]
	will.config, err = editedConfig(m.name, was.config, func(config *nodeapi.Config) { a.settings(m, config) })
	return was, will, err
}

// edgeFiles are the keys of an edge, which has no volume to keep them when its container goes.
func (a *application) edgeFiles(ctx context.Context, m *existing) (pki.Files, error) {
	if m.role != nodeapi.RoleEdge {
		return nil, nil
	}
	ca, err := a.service.readFile(ctx, m.name, path.Join(nodeapi.PKIDir, pki.CACert))
	return pki.Files{pki.CACert: ca}, err
}

// vacate moves the pods of a node.
func (a *application) vacate(ctx context.Context, m *existing, step Step) (cordoned bool, err error) {
	cordoned, err = a.service.Kube.Vacate(ctx, a.creds, m.name, a.service.tellPods(step))
	if err != nil && ctx.Err() == nil {
		return cordoned, &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("the pods of node %s did not move, so that it was not restarted", m.name), Cause: err,
			Hint: fmt.Sprintf("See what is in their way with 'skiff --cluster %s kubectl get pods -A -o wide', and apply the file again.", a.plan.Cluster)}
	}
	return cordoned, err
}

// tellPods tells of the pods that leave a node in a step, one after the other.
func (s *Service) tellPods(step Step) func(pod string) {
	return func(pod string) {
		s.emit(event.Event{ID: step.ID, Kind: step.Kind, Subject: step.Subject, State: event.Progress, Detail: pod})
	}
}

// uncordonTimeout bounds how long it is tried to let pods come to a node again.
const uncordonTimeout = 15 * time.Second

// uncordon lets pods come to a node again, whatever came of its restart or removal: a cordon that nobody remembers is worse
// than pods that wait for a node that is late.
func (s *Service) uncordon(ctx context.Context, creds *Credentials, cluster, node string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), uncordonTimeout)
	defer cancel()
	if err := s.Kube.Uncordon(ctx, creds, node); err != nil {
		return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("node %s takes no new pods yet", node), Cause: err,
			Hint: fmt.Sprintf("Run 'skiff --cluster %s kubectl uncordon %s'.", cluster, node)}
	}
	s.emit(event.Event{ID: "drain/" + node, Kind: event.KindDrain, Subject: node, State: event.Undone})
	return nil
}

// uncordonInterrupted lets pods come again to nodes that a change which was killed keeps them away from. Another skiff that
// is at work on one loses nothing: what comes there meanwhile moves with the rest.
func (s *Service) uncordonInterrupted(ctx context.Context, creds *Credentials, cluster string) error {
	nodes, err := s.Kube.Interrupted(ctx, creds)
	if err != nil {
		return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s does not say whether an interrupted change left nodes without new pods", cluster), Cause: err, Hint: lookCloser(cluster)}
	}
	for _, node := range nodes {
		err = errors.Join(err, s.uncordon(ctx, creds, cluster, node))
	}
	return err
}

// prepare makes the container that a node is to have, if it gets another. An edge, which has no volume, gets its files with
// it. It is not interrupted: a container that appears after the client hung up would be nobody's.
func (a *application) prepare(ctx context.Context, m *existing, f form, how impact, keys pki.Files) (id string, err error) {
	if how != remade {
		return "", nil
	}
	var files io.Reader
	if m.role == nodeapi.RoleEdge {
		if files, err = packFiles(m.name, f.config, keys); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), moveTimeout)
	defer cancel()
	return a.service.prepare(ctx, a.container(m, f), files)
}

// begin gives a node a form and starts it; fresh is the container that was prepared for it, if how is remade. What it does
// is not interrupted, because between two of its parts the node does not run, or does not know what it is.
func (a *application) begin(ctx context.Context, r *readiness, m *existing, f form, how impact, keys pki.Files, fresh string) error {
	engine := a.service.Engine
	listening := context.WithoutCancel(ctx) // what the node says is heard for longer than this takes
	if how == process {
		err := r.restart(listening, m.name, func(ctx context.Context) error { return a.service.writeConfig(ctx, m.name, f.config, keys) })
		if err == nil {
			return nil
		}
		how = restarted // a node that cannot be asked, or an older one that does not know how
	}
	ctx, cancel := context.WithTimeout(listening, moveTimeout)
	defer cancel()
	if how == remade {
		if err := a.service.replace(ctx, m.name, fresh); err != nil {
			return err
		}
	} else if err := engine.StopContainer(ctx, m.name, stopGrace); err != nil {
		return err
	}
	// Only now: whoever is interrupted before finds the difference again.
	if err := a.service.writeConfig(ctx, m.name, f.config, keys); err != nil {
		return err
	}
	return r.start(listening, m.name)
}

// back makes a node what it was. Its former container may still be there.
func (a *application) back(ctx context.Context, r *readiness, m *existing, was form, how impact, keys pki.Files) error {
	ctx = context.WithoutCancel(ctx)
	if how == remade {
		looking, cancel := context.WithTimeout(ctx, moveTimeout)
		defer cancel()
		if _, err := a.service.Engine.Inspect(looking, KindContainer, m.id); err == nil {
			if err := a.service.finishRemake(looking, m.name); err != nil {
				return err
			}
			how = restarted
		}
	}
	fresh, err := a.prepare(ctx, m, was, how, keys)
	if err != nil {
		return err
	}
	return a.begin(ctx, r, m, was, how, keys, fresh)
}

// container is what a node's container is made with: what it had, except for what its form says.
func (a *application) container(m *existing, f form) ContainerSpec {
	labels := map[string]string{nodeapi.LabelVersion: a.service.Version}
	for _, own := range []string{nodeapi.LabelCluster, nodeapi.LabelRole, nodeapi.LabelCreation} { // others are the image's
		labels[own] = m.labels[own]
	}
	p := Plan{Cluster: a.plan.Cluster, Kubernetes: f.kubernetes, Image: f.image, network: NetworkSpec{Name: networkName(a.plan.Cluster)}, spec: a.plan.compared.current}
	p.spec.Ephemeral = f.ephemeral
	if m.name == a.plan.compared.entry {
		p.entry = m.name
	}
	return p.container(plannedNode{name: m.name, role: m.role, address: m.address, address6: m.address6, labels: labels, group: f.group})
}

// restore makes a node what it was before it failed with cause.
func (a *application) restore(ctx context.Context, m *existing, was form, how impact, keys pki.Files, cause error) error {
	r := a.readiness()
	steps := []Step{
		{ID: "restore/" + m.name, Kind: event.KindRestore, Subject: m.name, Detail: "as it was"},
		{ID: "start/" + m.name, Kind: event.KindStart, Subject: m.name, Detail: "wait until it is ready", After: []string{"restore/" + m.name}},
	}
	err := a.service.carryOut(ctx, a.what(), steps, func(ctx context.Context, step Step) error {
		if step.Kind == event.KindRestore {
			return a.back(ctx, r, m, was, how, keys)
		}
		return r.await(ctx, step.Subject)
	})
	out := &fault.Error{Code: fault.CodeOf(cause), Summary: fmt.Sprintf("node %s does not work with what the file says; it is again as it was", m.name), Cause: cause,
		Hint: "Correct the file, and apply it again."}
	var f *fault.Error
	if errors.As(cause, &f) {
		out.Details = f.Details
	}
	if err == nil {
		return out
	}
	out.Summary = fmt.Sprintf("node %s works neither with what the file says nor, any more, as it was", m.name)
	out.Hint = lookCloser(a.plan.Cluster) + " Correct the file, and apply it again."
	return errors.Join(out, err)
}

// editConfig changes what a node will be told at its next start.
func (s *Service) editConfig(ctx context.Context, node string, edit func(*nodeapi.Config)) error {
	content, err := s.readFile(ctx, node, nodeapi.ConfigPath)
	if err != nil {
		return err
	}
	edited, err := editedConfig(node, content, edit)
	if err != nil || bytes.Equal(edited, content) {
		return err
	}
	// Half a file would be the end of the node.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), moveTimeout)
	defer cancel()
	return s.writeConfig(ctx, node, edited, nil)
}

func editedConfig(node string, content []byte, edit func(*nodeapi.Config)) ([]byte, error) {
	var config nodeapi.Config
	if err := json.Unmarshal(content, &config); err != nil {
		return nil, fmt.Errorf("the configuration of %s: %w", node, err)
	}
	edit(&config)
	edited, err := changedConfig(content, config)
	if err != nil {
		return nil, fmt.Errorf("the configuration of %s: %w", node, err)
	}
	return edited, nil
}

// writeConfig writes a node's configuration, and keys if it has none on a volume.
func (s *Service) writeConfig(ctx context.Context, node string, content []byte, keys pki.Files) error {
	archive, err := packFiles(node, content, keys)
	if err != nil {
		return err
	}
	return s.Engine.CopyTo(ctx, node, nodeapi.StateDir, archive)
}
