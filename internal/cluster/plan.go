package cluster

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Plan is all that a creation will do.
type Plan struct {
	Cluster    string       `json:"cluster"`
	Kubernetes string       `json:"kubernetes"`
	Image      string       `json:"image"`
	Endpoint   string       `json:"endpoint"`
	Subnet     netip.Prefix `json:"subnet"`
	Steps      []Step       `json:"steps"`

	title   string // what is done, up to the cluster's name
	spec    Spec   // with the port decided
	engine  EngineInfo
	network NetworkSpec
	nodes   []plannedNode
	// others are the names of servers that are there already.
	others []string
	// entry is the node that publishes the API.
	entry string
	// archive is the node image to be loaded.
	archive NodeImage
}

// Step is one thing to do. Steps that do not wait for each other are done at the same time.
type Step struct {
	// ID is that of the step's events.
	ID      string     `json:"id"`
	Kind    event.Kind `json:"kind"`
	Subject string     `json:"subject,omitempty"`
	Detail  string     `json:"detail,omitempty"`
	// After are the IDs of the steps that must be done before.
	After []string `json:"after,omitempty"`
	// Skip is true if there is nothing to do; Detail says why.
	Skip bool `json:"skip,omitempty"`
}

// PlanCreate says what Create would do, or refuses what it would refuse. It changes nothing.
func (s *Service) PlanCreate(ctx context.Context, spec Spec) (*Plan, error) {
	plan, err := s.plan(ctx, spec, avoided{})
	if err != nil {
		return nil, canceled(ctx, "the planning of cluster "+spec.Name, err)
	}
	return plan, nil
}

func (s *Service) plan(ctx context.Context, spec Spec, avoid avoided) (*Plan, error) {
	spec, err := validate(spec)
	if err != nil {
		return nil, err
	}
	o, err := observe(ctx, s.Engine)
	if err != nil {
		return nil, err
	}
	if err := o.refuse(spec); err != nil {
		return nil, err // what it says matters more than what is wrong with the image
	}
	image, err := s.findImage(ctx, spec.ImageRef, o.engine)
	if err != nil {
		return nil, err
	}
	s.probe(o, spec, avoid)
	if err := o.refusePorts(); err != nil {
		return nil, err
	}
	return planCreate(o, spec, image, s.Version, avoid)
}

// foundImage is the node image of a creation.
type foundImage struct {
	ref        string
	kubernetes string
	archive    NodeImage // to be loaded; nil if the engine has it
}

// findImage finds the node image, and refuses one that would not work.
func (s *Service) findImage(ctx context.Context, ref string, engine EngineInfo) (foundImage, error) {
	if ref != "" {
		image, err := s.Engine.Image(ctx, ref)
		if fault.CodeOf(err) == fault.NotFound {
			return foundImage{}, &fault.Error{Code: fault.NotFound, Summary: fmt.Sprintf("Docker has no image %s", ref), Field: "kubernetes.image",
				Hint: fmt.Sprintf("Get it with 'docker pull %s' or 'docker load', or name none to use the one that this program carries.", ref)}
		}
		if err != nil {
			return foundImage{}, err
		}
		return foundImage{ref: ref, kubernetes: image.Labels[nodeapi.LabelKubernetes]}, checkImage(ref, image.Labels, image.Architecture, engine)
	}
	if s.Image == nil {
		return foundImage{}, &fault.Error{Code: fault.NoImage, Summary: "this program carries no node image",
			Hint: "Name one that Docker has with --image, or use a released skiff."}
	}
	archive, err := s.Image()
	if err != nil {
		return foundImage{}, err
	}
	found := foundImage{ref: archive.Ref(), kubernetes: archive.Labels()[nodeapi.LabelKubernetes], archive: archive}
	if err := checkImage(found.ref, archive.Labels(), architectureOf(archive), engine); err != nil {
		return foundImage{}, err
	}
	image, err := s.Engine.Image(ctx, found.ref)
	switch {
	case err == nil:
		present := true
		for k, v := range archive.Labels() {
			present = present && image.Labels[k] == v
		}
		if present {
			found.archive = nil
		}
	case fault.CodeOf(err) != fault.NotFound:
		return foundImage{}, err
	}
	return found, nil
}

// architectureOf is the machine that an image is for: a program carries the one for its own, unless the image
// knows better.
func architectureOf(image NodeImage) string {
	if i, ok := image.(interface{ Architecture() string }); ok {
		return i.Architecture()
	}
	return runtime.GOARCH
}

// planCreate decides all that can be decided before anything is done.
func planCreate(o *observation, spec Spec, image foundImage, version string, avoid avoided) (*Plan, error) {
	if err := o.chooseSubnets(&spec, avoid); err != nil {
		return nil, err
	}
	port, err := o.choosePort(spec, avoid)
	if err != nil {
		return nil, err
	}
	spec.APIPort = port
	labels := func(role nodeapi.Role) map[string]string {
		m := map[string]string{nodeapi.LabelCluster: spec.Name, nodeapi.LabelVersion: version}
		if role != "" {
			m[nodeapi.LabelRole] = string(role)
		}
		return m
	}
	p := &Plan{
		title: "Create", Cluster: spec.Name, Kubernetes: image.kubernetes, Image: image.ref, Subnet: spec.Networks.subnet(true),
		Endpoint: endpointURL(o.engine, spec.APIAddress, port),
		spec:     spec, engine: o.engine, archive: image.archive,
		network: NetworkSpec{Name: networkName(spec.Name), Labels: labels(""), Subnet: spec.Networks.subnet(true), Subnet6: spec.Networks.subnet(false),
			Dynamic: spec.Networks.dynamic(true, spec.Count("")), Dynamic6: spec.Networks.dynamic(false, spec.Count(""))},
		entry: nodeName(spec.Name, nodeapi.RoleServer, 1),
	}
	number := map[nodeapi.Role]int{}
	for _, role := range []nodeapi.Role{nodeapi.RoleServer, nodeapi.RoleAgent} { // servers first: see steps
		for _, group := range spec.Groups {
			for range choose(group.Role == role, group.Count, 0) {
				number[role]++
				p.add(plannedNode{name: nodeName(spec.Name, role, number[role]), role: role, index: len(p.nodes), labels: labels(role), group: group},
					firstNode+len(p.nodes))
			}
		}
	}
	if number[nodeapi.RoleServer] > 1 {
		// Any one server may go, and what the kubeconfig names must stay.
		p.entry = nodeName(spec.Name, nodeapi.RoleEdge, 1)
		p.add(plannedNode{name: p.entry, role: nodeapi.RoleEdge, labels: labels(nodeapi.RoleEdge)}, spec.Networks.edgeNumber())
	}
	p.Steps = p.steps()
	return p, nil
}

// add plans a node at a place in the cluster's subnets.
func (p *Plan) add(n plannedNode, number int) {
	n.address, n.address6 = nth(p.spec.Networks.subnet(true), number), nth(p.spec.Networks.subnet(false), number)
	p.nodes = append(p.nodes, n)
}

// chooseSubnets finds subnets for a cluster's network where none was asked for: one for IPv4, which Docker needs in any
// case, and one for IPv6 if pods have it.
func (o *observation) chooseSubnets(spec *Spec, avoid avoided) error {
	networks := &spec.Networks
	inside := slices.Concat(networks.PodCIDRs, networks.ServiceCIDRs)
	for _, is4 := range []bool{true, false} {
		if networks.subnet(is4).IsValid() || !is4 && !networks.has6() {
			continue
		}
		subnet, err := o.chooseSubnet(choose(is4, subnets, subnets6)(spec.Name), inside, avoid)
		if err != nil {
			return err
		}
		networks.Subnets = append(slices.Clone(networks.Subnets), subnet)
	}
	return nil
}

// steps orders the work. The volume of the first node is made before everything else of the cluster: names of
// volumes are unique in an engine and its labels say who made it, so of several creations of one name exactly one
// gets past it. (Names of networks are not unique in Docker, and a container needs its network first.)
func (p *Plan) steps() []Step {
	const image, certs, network = "image", "certs", "network"
	lock := "volume/" + p.nodes[0].name
	load := Step{ID: image, Kind: event.KindImage, Subject: p.Image, Detail: "load into Docker"}
	if p.archive == nil {
		load.Skip, load.Detail = true, "Docker has it"
	}
	steps := []Step{
		load,
		{ID: certs, Kind: event.KindCerts, Subject: p.Cluster, Detail: "an authority of its own, ECDSA keys"},
	}
	for _, n := range p.nodes {
		if n.role == nodeapi.RoleEdge {
			continue // it has nothing to remember
		}
		step := Step{ID: "volume/" + n.name, Kind: event.KindVolume, Subject: n.name, Detail: "create"}
		if step.ID != lock {
			step.After = []string{lock}
		}
		steps = append(steps, step)
	}
	steps = append(steps, Step{ID: network, Kind: event.KindNetwork, Subject: p.network.Name, Detail: "create, " + p.network.subnets(), After: []string{lock}})
	check := Step{ID: stepAPI, Kind: event.KindCheck, Subject: nodeapi.ConditionAPI, Detail: "answers at " + p.Endpoint}
	for _, n := range p.nodes {
		detail := "create and start, " + p.detail(n)
		after := []string{image, certs, network}
		if n.role != nodeapi.RoleEdge {
			after = []string{image, certs, "volume/" + n.name, network}
		}
		steps = append(steps, Step{ID: "node/" + n.name, Kind: event.KindNode, Subject: n.name, Detail: detail, After: after})
	}
	for _, n := range p.nodes {
		start := Step{ID: "start/" + n.name, Kind: event.KindStart, Subject: n.name, Detail: "wait until it is ready", After: []string{"node/" + n.name}}
		check.After = append(check.After, start.ID)
		steps = append(steps, start)
	}
	return append(steps, check)
}

// detail says which node it is, and with what.
func (p *Plan) detail(n plannedNode) string {
	detail := fmt.Sprintf("%s at %s", n.role, n.address)
	if n.group.CPUMillis != 0 {
		detail += fmt.Sprintf(", %s CPUs", strconv.FormatFloat(float64(n.group.CPUMillis)/1000, 'g', -1, 64))
	}
	if n.group.MemoryBytes != 0 {
		detail += fmt.Sprintf(", %d MiB of memory", n.group.MemoryBytes>>20)
	}
	for _, b := range n.group.Binds {
		detail += fmt.Sprintf(", %s at %s", b.Source, b.Target)
	}
	for _, port := range n.group.Ports {
		detail += fmt.Sprintf(", port %d (%s) on %s", port.ContainerPort, port.Protocol, net.JoinHostPort(port.HostIP, strconv.Itoa(int(port.HostPort))))
	}
	if n.name == p.entry {
		detail += fmt.Sprintf(", API on %s", netip.AddrPortFrom(netip.MustParseAddr(p.spec.APIAddress), p.spec.APIPort))
	}
	return detail
}

// subnets are those of a network in words.
func (n NetworkSpec) subnets() string {
	if n.Subnet6.IsValid() {
		return n.Subnet.String() + " and " + n.Subnet6.String()
	}
	return n.Subnet.String()
}

// node returns a planned node by name.
func (p *Plan) node(name string) plannedNode {
	return p.nodes[slices.IndexFunc(p.nodes, func(n plannedNode) bool { return n.name == name })]
}

// String is the plan for people.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s cluster %s: Kubernetes %s at %s\n\n", p.title, p.Cluster, p.Kubernetes, p.Endpoint)
	numbers := map[string]string{}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i, s := range p.Steps {
		numbers[s.ID] = strconv.Itoa(i + 1)
		detail := s.Detail
		if s.Skip {
			detail = "nothing to do: " + detail
		}
		if len(s.After) > 0 {
			var after []string
			for _, id := range s.After {
				after = append(after, numbers[id])
			}
			detail += " (after " + strings.Join(after, ", ") + ")"
		}
		fmt.Fprintf(w, "%3d\t%s\t%s\t%s\n", i+1, s.Kind, s.Subject, detail)
	}
	_ = w.Flush() // a strings.Builder does not fail
	return strings.TrimRight(b.String(), "\n")
}
