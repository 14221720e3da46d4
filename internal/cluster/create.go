package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/pki"
)

const (
	defaultWait = 2 * time.Minute
	// maxAttempts bounds how often a creation begins anew because someone else was faster to take its port or
	// subnet.
	maxAttempts = 5
)

// Create makes a cluster and returns when it is ready. If it fails, or ctx ends, all that it made is removed
// again, unless opts say otherwise; the node image stays in the engine, for the next time.
func (s *Service) Create(ctx context.Context, spec Spec, opts CreateOptions) (*Created, error) {
	began := time.Now()
	what := "the creation of cluster " + spec.Name
	avoid := avoided{ports: map[uint16]bool{}}
	for attempt := 1; ; attempt++ {
		plan, err := s.plan(ctx, spec, avoid)
		if err != nil {
			return nil, canceled(ctx, what, err)
		}
		c := &creation{service: s, plan: plan, opts: opts, id: rand.Text(), readiness: s.newReadiness(plan.Cluster, opts.Wait, howToLook(plan.Cluster, opts.Retain))}
		again := func(err error) string {
			if attempt == maxAttempts || ctx.Err() != nil {
				return ""
			}
			return plan.takenMeanwhile(spec, err)
		}
		err = executor{emit: s.emit, do: c.do, again: again}.run(ctx, plan.Steps)
		var cluster *Cluster
		if err == nil {
			// It is observed, not derived from the plan, so that whoever looks at it next sees the same.
			cluster, err = s.Get(ctx, plan.Cluster)
		}
		if err == nil {
			return &Created{Cluster: *cluster, Credentials: c.credentials, Took: time.Since(began)}, nil
		}
		retry, taken := again(err) != "", fault.CodeOf(err)
		err = canceled(ctx, what, c.explain(ctx, err))
		if retry || !opts.Retain {
			if rollbackErr := c.rollback(ctx, retry); rollbackErr != nil {
				return nil, errors.Join(err, rollbackErr)
			}
		}
		if !retry {
			return nil, err
		}
		if taken == fault.NetworkOverlap {
			avoid.subnets = append(avoid.subnets, plan.Subnet)
		} else {
			avoid.ports[plan.spec.APIPort] = true
		}
	}
}

// takenMeanwhile says if a step failed only because what the plan chose is taken, and another choice may do.
func (p *Plan) takenMeanwhile(asked Spec, err error) string {
	switch code := fault.CodeOf(err); {
	case code == fault.NetworkOverlap && len(asked.Networks.Subnets) == 0:
		return fmt.Sprintf("subnet %s is taken, trying another", p.Subnet)
	case code == fault.PortInUse && asked.APIPort == 0:
		return fmt.Sprintf("port %d is taken, trying another", p.spec.APIPort)
	}
	return ""
}

// creation is one attempt to carry out a plan.
type creation struct {
	service *Service
	plan    *Plan
	opts    CreateOptions
	// id is on every object that is made, and tells them from those of others.
	id string
	// keep are the nodes that a rollback leaves alone.
	keep []string
	// leftovers says what to do about what a rollback could not remove; "" to delete the cluster.
	leftovers string

	// Set by the step that makes the certificates, read by those that wait for it.
	files       map[string]pki.Files
	credentials Credentials

	readiness *readiness
}

// do does one step.
func (c *creation) do(ctx context.Context, step Step) error {
	switch step.Kind {
	case event.KindImage:
		return c.loadImage(ctx)
	case event.KindCerts:
		return c.makeCertificates()
	case event.KindVolume:
		return c.createVolume(ctx, c.plan.node(step.Subject))
	case event.KindNetwork:
		return c.createNetwork(ctx)
	case event.KindNode:
		return c.startNode(ctx, c.plan.node(step.Subject))
	case event.KindStart:
		return c.readiness.await(ctx, step.Subject)
	case event.KindCheck: // the last step: all nodes are there, and the endpoint
		if err := c.readiness.checkAPI(ctx, &c.credentials); err != nil {
			return err
		}
		return c.labelNodes(ctx)
	}
	return &fault.Error{Code: fault.Internal, Summary: fmt.Sprintf("nobody knows how to do step %s", step.ID)}
}

func (c *creation) loadImage(ctx context.Context) error {
	archive := c.plan.archive
	r, err := archive.Open()
	if err != nil {
		return fmt.Errorf("open the node image: %w", err)
	}
	defer r.Close()
	progress := c.service.progress(event.Event{ID: "image", Kind: event.KindImage, Subject: archive.Ref()}, archive.Size())
	if err := c.service.Engine.LoadImage(ctx, io.TeeReader(r, progress)); err != nil {
		return err
	}
	image, err := c.service.Engine.Image(ctx, archive.Ref())
	if err != nil {
		return fmt.Errorf("the node image after it was loaded: %w", err)
	}
	return checkImage(archive.Ref(), image.Labels, image.Architecture, c.plan.engine)
}

func (c *creation) makeCertificates() error {
	authority, err := pki.NewCluster(time.Now(), c.plan.Cluster)
	if err != nil {
		return fmt.Errorf("make the cluster's authority: %w", err)
	}
	if c.files, err = c.plan.certificates(authority); err != nil {
		return err
	}
	admin := c.files[c.plan.nodes[0].name]
	c.credentials = Credentials{Cluster: c.plan.Cluster, Server: c.plan.Endpoint,
		CA: admin[pki.CACert], ClientCert: admin[pki.AdminCert], ClientKey: admin[pki.AdminKey]}
	return nil
}

// certificates are the files of each planned node.
func (p *Plan) certificates(authority *pki.Cluster) (map[string]pki.Files, error) {
	files := map[string]pki.Files{}
	for _, n := range p.nodes {
		var err error
		switch n.role {
		case nodeapi.RoleServer:
			files[n.name], err = authority.Server(pki.ServerNames{
				Node: n.name, Addresses: n.addresses(), ServiceCIDRs: p.spec.Networks.ServiceCIDRs, ClusterDomain: clusterDomain,
				Extra: []string{endpointHost(p.engine, p.spec.APIAddress)},
			})
		case nodeapi.RoleAgent:
			files[n.name], err = authority.Agent(pki.NodeNames{Node: n.name, Addresses: n.addresses()})
		case nodeapi.RoleEdge:
			files[n.name] = authority.Edge()
		}
		if err != nil {
			return nil, fmt.Errorf("make the certificates of %s: %w", n.name, err)
		}
	}
	return files, nil
}

// labelled adds the creation's own label.
func (c *creation) labelled(labels map[string]string) map[string]string {
	labels[nodeapi.LabelCreation] = c.id
	return labels
}

func (c *creation) createVolume(ctx context.Context, n plannedNode) error {
	ctx, cancel := lasting(ctx, c.service.grace)
	defer cancel()
	spec := n.volume()
	spec.Labels = c.labelled(spec.Labels)
	return c.service.Engine.CreateVolume(ctx, spec)
}

func (c *creation) createNetwork(ctx context.Context) error {
	ctx, cancel := lasting(ctx, c.service.grace)
	defer cancel()
	spec := c.plan.network
	spec.Labels = c.labelled(spec.Labels)
	return c.service.Engine.CreateNetwork(ctx, spec)
}

// startNode creates a node's container and starts it.
func (c *creation) startNode(ctx context.Context, n plannedNode) error {
	if err := c.createNode(ctx, n); err != nil {
		return err
	}
	return c.readiness.start(ctx, n.name)
}

// createNode creates a node's container, and gives it its configuration and keys.
func (c *creation) createNode(ctx context.Context, n plannedNode) error {
	archive, err := nodeFiles(c.plan.config(n), c.files[n.name])
	if err != nil {
		return err
	}
	spec := c.plan.container(n)
	spec.Labels = c.labelled(spec.Labels)
	creating, cancel := lasting(ctx, c.service.grace)
	defer cancel()
	if _, err := c.service.Engine.CreateContainer(creating, spec); err != nil {
		return err
	}
	return c.service.Engine.CopyTo(ctx, n.name, nodeapi.StateDir, archive)
}

// labelNodes gives agents the labels that they may not give themselves.
func (c *creation) labelNodes(ctx context.Context) error {
	for _, n := range c.plan.nodes {
		reserved := maps.Clone(n.group.Labels)
		maps.DeleteFunc(reserved, func(name, _ string) bool { return !nodeapi.IsReservedLabel(name) })
		if n.role != nodeapi.RoleAgent || len(reserved) == 0 {
			continue
		}
		if err := c.service.Kube.ChangeNode(ctx, &c.credentials, n.name, NodeChange{SetLabels: reserved}); err != nil {
			return fmt.Errorf("label node %s: %w", n.name, err)
		}
	}
	return nil
}

// explain says in the user's words what an engine's refusal means for the creation.
func (c *creation) explain(ctx context.Context, err error) error {
	if fault.CodeOf(err) != fault.Conflict || ctx.Err() != nil {
		return err
	}
	// Someone has one of the names. If it is a cluster, another skiff was faster.
	o, observeErr := observe(ctx, c.service.Engine)
	if observeErr != nil {
		return err
	}
	at := o.objects[c.plan.Cluster]
	if at == nil || !at.madeByOthers(c.id) {
		return err
	}
	return &fault.Error{Code: fault.Conflict, Summary: fmt.Sprintf("another skiff is working on a cluster %s", c.plan.Cluster), Cause: err,
		Hint: fmt.Sprintf("Wait for it and see 'skiff list', or choose another name. If nobody works on it, remove it with 'skiff delete %s'.", c.plan.Cluster)}
}

// madeByOthers is true if one of the objects is not from the creation with this ID.
func (o *objects) madeByOthers(id string) bool {
	for _, c := range o.containers {
		if c.Labels[nodeapi.LabelCreation] != id {
			return true
		}
	}
	for _, n := range o.networks {
		if n.Labels[nodeapi.LabelCreation] != id {
			return true
		}
	}
	for _, v := range o.volumes {
		if v.Labels[nodeapi.LabelCreation] != id {
			return true
		}
	}
	return false
}
