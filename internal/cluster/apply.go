package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// ApplyPlan is what has to be done to make a cluster what a specification says.
type ApplyPlan struct {
	Cluster string `json:"cluster"`
	// Create is the plan of its creation if there is no such cluster; then there is nothing else.
	Create      *Plan        `json:"create,omitempty"`
	Differences []Difference `json:"differences"`
	// Steps are done one after the other.
	Steps []Step `json:"steps"`

	spec     Spec // as it was asked for
	cluster  *Cluster
	compared *comparison
	image    foundImage
}

// Empty is true if the cluster is what it should be.
func (p *ApplyPlan) Empty() bool { return p.Create == nil && len(p.Differences) == 0 }

// NewNodes are how many servers and agents there will be besides those that there are.
func (p *ApplyPlan) NewNodes() (servers, agents int) {
	groups := []Group(nil)
	if p.Create != nil {
		groups = p.Create.spec.Groups
	} else if p.compared != nil {
		groups = p.compared.missing
	}
	spec := Spec{Groups: groups}
	return spec.Count(nodeapi.RoleServer), spec.Count(nodeapi.RoleAgent)
}

// Refusal is why the plan cannot be carried out, nil if it can.
func (p *ApplyPlan) Refusal() error {
	var fixed []string
	for _, d := range p.Differences {
		if d.Class == Recreate {
			fixed = append(fixed, fmt.Sprintf("%s: %s, and the file says %s: %s", d.Path, orElse(d.From, "nothing"), orElse(d.To, "nothing"), d.Why))
		}
	}
	if len(fixed) == 0 {
		return nil
	}
	return &fault.Error{Code: fault.Invalid, Summary: fmt.Sprintf("cluster %s cannot become what the file says: some of it is decided when a cluster is made", p.Cluster),
		Details: fixed, Hint: fmt.Sprintf("Correct the file, or make the cluster anew, with all that is in it: 'skiff delete %s', then apply the file again.", p.Cluster)}
}

// PlanApply says what Apply would do. It changes nothing. What it would refuse is in the plan.
func (s *Service) PlanApply(ctx context.Context, spec Spec) (*ApplyPlan, error) {
	plan, err := s.planApply(ctx, spec)
	if err != nil {
		return nil, canceled(ctx, "the planning of changes to cluster "+spec.Name, err)
	}
	return plan, nil
}

func (s *Service) planApply(ctx context.Context, spec Spec) (*ApplyPlan, error) {
	wanted, err := validate(spec)
	if err != nil {
		return nil, err
	}
	o, err := observe(ctx, s.Engine)
	if err != nil {
		return nil, err
	}
	p := &ApplyPlan{Cluster: wanted.Name, spec: spec, Differences: []Difference{}, Steps: []Step{}}
	if o.objects[wanted.Name] == nil {
		if p.Create, err = s.plan(ctx, spec, avoided{}); err != nil {
			return nil, err
		}
		p.Steps = p.Create.Steps
		return p, nil
	}
	if p.cluster, err = o.get(wanted.Name); err != nil {
		return nil, err
	}
	if err := o.changeable(p.cluster); err != nil {
		return nil, err
	}
	if err := o.refuseGroups(wanted.Groups); err != nil {
		return nil, err
	}
	if wanted.ImageRef != "" {
		if p.image, err = s.findImage(ctx, wanted.ImageRef, o.engine); err != nil {
			return nil, err
		}
	}
	configs, err := s.configs(ctx, p.cluster)
	if err != nil {
		return nil, err
	}
	if p.compared, err = s.comparison(ctx, o, p.cluster, configs, wanted, p.image); err != nil {
		return nil, err
	}
	p.decide()
	return p, nil
}

// changeable refuses a cluster that nothing can be done with. One that has nodes that do not run will do, if a majority
// of its servers does, and the node that the API is behind.
func (o *observation) changeable(c *Cluster) error {
	at := o.objects[c.Name]
	servers, running, frozen := c.counts()
	if len(c.Lost) > 0 {
		return c.withoutContainer(c.Lost[0])
	}
	if err := c.withoutEdge(); err != nil {
		return err
	}
	made := servers > 0 && len(at.networks) > 0 && len(at.volumes) > 0
	if c.State == StateIncomplete && !made {
		return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s is incomplete: its creation or deletion did not finish", c.Name),
			Hint: fmt.Sprintf("Run 'skiff delete %s', then create it again.", c.Name)}
	}
	if frozen > 0 || running < majority(servers) {
		return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s is %s, and only one that runs can be changed", c.Name, c.State), Hint: c.wake()}
	}
	return c.reachable()
}

// reachable refuses a cluster whose API cannot be reached, because the node that its address belongs to does not run.
func (c *Cluster) reachable() error {
	n := c.named(c.entry)
	if c.entry == "" || n.State == NodeRunning {
		return nil
	}
	return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("node %s is %s, and the API of cluster %s is behind it", n.Name, n.State, c.Name), Hint: c.wake()}
}

// comparison compares a cluster with what is wanted.
func (s *Service) comparison(ctx context.Context, o *observation, c *Cluster, configs map[string]nodeapi.Config, wanted Spec, image foundImage) (*comparison, error) {
	current, err := o.specOf(c, configs[c.server()])
	if err != nil {
		return nil, err
	}
	cmp := &comparison{wanted: wanted, current: current, entry: c.entry}
	ids := map[string]string{}
	for _, n := range c.Nodes { // they are in order
		for _, container := range o.objects[c.Name].containers {
			if container.Name == n.Name {
				cmp.nodes = append(cmp.nodes, newExisting(container, configs[n.Name]))
				ids[n.Name] = container.ImageID
			}
		}
	}
	if wanted.ImageRef != "" {
		described, err := s.Engine.Image(ctx, image.ref)
		if err != nil {
			return nil, err
		}
		cmp.image = otherImage{ref: image.ref, id: described.ID, kubernetes: image.kubernetes, same: func(name string) bool { return ids[name] == described.ID }}
	}
	cmp.compare()
	return cmp, nil
}

// decide makes steps of the differences. Nodes that do not run come first, because there is more room with them, and servers
// among them count for a majority. Then comes what makes room for pods. Then nodes go, those that do not run first, and
// those that stay are restarted, servers before agents, because no kubelet may be newer than its API server. Then nodes
// come: their names and ports may be those of nodes that have gone. What keeps pods away from nodes comes last.
func (p *ApplyPlan) decide() {
	c := p.compared
	p.Differences = append(p.Differences, c.found...)
	if p.Refusal() != nil {
		return
	}
	for _, m := range c.nodes {
		switch {
		case m.state == NodeRunning:
		case m.impact == remade:
			p.add(event.KindRestart, m.name, p.how(m))
		case m.at >= 0:
			p.add(event.KindStart, m.name, "start, with the configuration that the file says; wait until it is ready")
		}
	}
	p.addObjects(false)
	for _, m := range c.goingOrder() {
		detail := "move its pods, then remove the node with its data"
		if m.state != NodeRunning {
			detail = "remove the node with its data; it does not run"
		}
		p.add(event.KindDelete, m.name, detail)
	}
	for _, m := range c.nodes {
		if m.impact >= process && m.state == NodeRunning {
			p.add(event.KindRestart, m.name, p.how(m))
		}
	}
	for _, m := range c.staying() {
		if m.impact == noted && m.state == NodeRunning {
			p.add(event.KindSettings, m.name, "write its configuration, for its next start")
		}
	}
	p.addMissing()
	p.addObjects(true)
	if len(p.Steps) > 0 {
		p.add(event.KindCheck, nodeapi.ConditionAPI, "answers at "+p.cluster.Endpoint)
	}
}

// add appends a step, to be done after the one before.
func (p *ApplyPlan) add(kind event.Kind, subject, detail string) {
	step := Step{ID: "apply/" + string(kind) + "/" + subject, Kind: kind, Subject: subject, Detail: detail}
	if n := len(p.Steps); n > 0 {
		step.After = []string{p.Steps[n-1].ID}
	}
	p.Steps = append(p.Steps, step)
}

// addObjects adds the changes of the nodes' objects: those that keep pods away from nodes are later than the others.
func (p *ApplyPlan) addObjects(later bool) {
	for _, m := range p.compared.staying() {
		if m.object && m.later == later {
			p.add(event.KindObject, m.name, "change labels and taints through the API")
		}
	}
}

// addMissing adds the nodes that the file has and the cluster has not.
func (p *ApplyPlan) addMissing() {
	c := p.compared
	if len(c.missing) == 0 {
		return
	}
	var names []string
	for i := range c.wanted.Groups {
		names = append(names, c.newNames()[i]...)
	}
	detail := "create and start, wait until ready"
	if servers, _ := p.NewNodes(); servers > 0 && c.moves() {
		detail += "; first the container of " + c.entry + " is made anew, and an edge takes the API's port over"
	}
	p.add(event.KindNode, strings.Join(names, ", "), detail)
}

// how says what is done to restart a node.
func (p *ApplyPlan) how(m *existing) string {
	var parts []string
	if p.drained(m) {
		parts = append(parts, "move its pods")
	}
	switch m.impact {
	case process:
		parts = append(parts, "restart its Kubernetes process")
	case restarted:
		parts = append(parts, "restart its container")
	default:
		parts = append(parts, "make its container anew")
	}
	parts = append(parts, "wait until it is ready")
	away, runs := "", m.state == NodeRunning
	switch api, pods := runs && m.name == p.compared.entry, runs && m.impact > process && m.role != nodeapi.RoleEdge && !p.drained(m); {
	case api && pods:
		away = "the API and its pods are"
	case api:
		away = "the API is"
	case pods:
		away = "its pods are"
	}
	text := strings.Join(parts, ", ")
	if away != "" {
		text += "; meanwhile " + away + " away for some seconds"
	}
	return text
}

// drained is true if the pods of a node can move before its container ends.
func (p *ApplyPlan) drained(m *existing) bool {
	if m.impact < restarted || m.state != NodeRunning || m.role == nodeapi.RoleEdge {
		return false
	}
	for _, other := range p.compared.staying() {
		if other == m {
			continue
		}
		if !slices.ContainsFunc(p.compared.wantedTaints(p.compared.wanted.Groups[other.at]), func(t nodeapi.Taint) bool { return t.Effect != "PreferNoSchedule" }) {
			return true
		}
	}
	return false
}

// String is the plan for people.
func (p *ApplyPlan) String() string {
	var b strings.Builder
	switch {
	case p.Create != nil:
		fmt.Fprintf(&b, "There is no cluster %s yet.\n\n%s", p.Cluster, p.Create)
		return b.String()
	case p.Empty():
		return fmt.Sprintf("Cluster %s is what the file says: there is nothing to do.", p.Cluster)
	}
	number := choose(len(p.Differences) == 1, "one difference", strconv.Itoa(len(p.Differences))+" differences")
	fmt.Fprintf(&b, "Cluster %s, %s to the file:\n\n", p.Cluster, number)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  FIELD\tNODES\tIS\tBECOMES\tHOW\tWHY")
	for _, d := range p.Differences {
		nodes := make([]string, len(d.Nodes))
		for i, n := range d.Nodes {
			nodes[i] = strings.TrimPrefix(n, networkName(p.Cluster)+"-")
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\n", d.Path, orElse(short(strings.Join(nodes, ", ")), "-"), orElse(short(d.From), "-"), orElse(short(d.To), "-"), d.Class, d.Why)
	}
	_ = w.Flush() // a strings.Builder does not fail
	b.WriteString("\n")
	if p.Refusal() != nil {
		fmt.Fprintf(&b, "This needs another cluster: nothing is changed. Correct the file, or run 'skiff delete %s' and apply it again.", p.Cluster)
		return b.String()
	}
	for i, s := range p.Steps { // a kind is no news beside the words
		fmt.Fprintf(w, "%3d\t%s\t%s\n", i+1, s.Subject, s.Detail)
	}
	_ = w.Flush()
	return strings.TrimRight(b.String(), "\n")
}

// maxCell is what a column shows of a value; all of it is in the plan as JSON.
const maxCell = 40

func short(text string) string {
	if runes := []rune(text); len(runes) > maxCell {
		return string(runes[:maxCell-1]) + "…"
	}
	return text
}

// Applied is what came of applying a specification.
type Applied struct {
	Cluster Cluster
	// Credentials are those of a cluster that was created; nil if it was there.
	Credentials *Credentials
}

// Apply carries a plan out. If the cluster has changed since it was made, nothing is done. A cancellation takes effect
// between two steps, or while something is awaited: what was done stays, and another Apply goes on from there. A node
// that does not become ready with its new configuration gets back the one that it had.
func (s *Service) Apply(ctx context.Context, plan *ApplyPlan, opts CreateOptions) (*Applied, error) {
	now, err := s.PlanApply(ctx, plan.spec)
	if err != nil {
		return nil, err
	}
	if !now.same(plan) {
		return nil, &fault.Error{Code: fault.Conflict, Summary: fmt.Sprintf("cluster %s has changed since the plan was made", plan.Cluster),
			Hint: "Nothing was done. Apply the file again to see what there is to do now."}
	}
	if now.Create != nil {
		created, err := s.Create(ctx, plan.spec, opts)
		if err != nil {
			return nil, err
		}
		return &Applied{Cluster: created.Cluster, Credentials: &created.Credentials}, nil
	}
	if err := now.Refusal(); err != nil {
		return nil, err
	}
	a := &application{service: s, plan: now, opts: opts}
	if a.creds, err = s.credentials(ctx, now.cluster); err != nil {
		return nil, canceled(ctx, a.what(), err)
	}
	if err := s.uncordonInterrupted(ctx, a.creds, plan.Cluster); err != nil {
		return nil, canceled(ctx, a.what(), err)
	}
	for _, step := range now.Steps {
		if ctx.Err() != nil {
			return nil, canceled(ctx, a.what(), context.Cause(ctx))
		}
		if err := a.do(ctx, step); err != nil {
			return nil, canceled(ctx, a.what(), err)
		}
	}
	c, err := s.Get(ctx, plan.Cluster)
	if err != nil {
		return nil, canceled(ctx, a.what(), err)
	}
	return &Applied{Cluster: *c}, nil
}

// same is true if another plan does the same. One for a new cluster may find another port or subnet free; there is nothing
// else that could have changed.
func (p *ApplyPlan) same(other *ApplyPlan) bool {
	if p.Create != nil || other.Create != nil {
		return p.Create != nil && other.Create != nil
	}
	return alike(p.Differences, other.Differences) && alike(p.Steps, other.Steps)
}

// application is a plan that is being carried out.
type application struct {
	service *Service
	plan    *ApplyPlan
	opts    CreateOptions
	creds   *Credentials
}

func (a *application) what() string { return "changing cluster " + a.plan.Cluster }

func (a *application) readiness() *readiness {
	return a.service.newReadiness(a.plan.Cluster, a.opts.Wait,
		lookCloser(a.plan.Cluster))
}

// do does one step of the plan, which may have parts that are told of as steps.
func (a *application) do(ctx context.Context, step Step) error {
	s, c := a.service, a.plan.compared
	// alone tells of a step that has no parts.
	alone := func(f func() error) error {
		step.After = nil
		return s.carryOut(ctx, a.what(), []Step{step}, func(context.Context, Step) error { return f() })
	}
	switch step.Kind {
	case event.KindNode:
		_, err := s.addNodes(ctx, a.plan.Cluster, c.missing, a.opts)
		return err
	case event.KindDelete:
		return s.RemoveNode(ctx, a.plan.Cluster, step.Subject, RemoveOptions{})
	case event.KindCheck:
		return alone(func() error { return a.readiness().checkAPI(ctx, a.creds) })
	}
	m := c.nodes[slices.IndexFunc(c.nodes, func(m *existing) bool { return m.name == step.Subject })]
	switch step.Kind {
	case event.KindObject:
		return alone(func() error { return a.changeObject(ctx, m) })
	case event.KindSettings:
		return alone(func() error { return a.writeSettings(ctx, m) })
	}
	return a.roll(ctx, m)
}

// changeObject changes labels and taints, first where they count and then where the next start finds them, so that
// whoever is interrupted begins with the former again.
func (a *application) changeObject(ctx context.Context, m *existing) error {
	wanted := a.plan.compared.configFor(m)
	change := NodeChange{SetLabels: map[string]string{}}
	for name, value := range wanted.Labels {
		if was, is := m.config.Labels[name]; !is || was != value {
			change.SetLabels[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.config.Labels)) {
		if _, stays := wanted.Labels[name]; !stays {
			change.RemoveLabels = append(change.RemoveLabels, name)
		}
	}
	for _, t := range wanted.Taints {
		if !slices.Contains(m.config.Taints, t) {
			change.SetTaints = append(change.SetTaints, t)
		}
	}
	for _, t := range m.config.Taints {
		if !slices.Contains(wanted.Taints, t) {
			change.RemoveTaints = append(change.RemoveTaints, t)
		}
	}
	if err := a.service.Kube.ChangeNode(ctx, a.creds, m.name, change); err != nil {
		return fmt.Errorf("change labels and taints of node %s: %w", m.name, err)
	}
	return a.service.editConfig(ctx, m.name, func(c *nodeapi.Config) {
		if m.impact == object { // nothing comes after it that would write what is only noted
			a.settings(m, c)
		}
		c.Labels, c.Taints = wanted.Labels, wanted.Taints
	})
}

// writeSettings gives a node its configuration without a restart.
func (a *application) writeSettings(ctx context.Context, m *existing) error {
	return a.service.editConfig(ctx, m.name, func(c *nodeapi.Config) { a.settings(m, c) })
}

// settings makes a node's configuration what it should be, except for what its object has, which is changed through the
// API first.
func (a *application) settings(m *existing, c *nodeapi.Config) {
	labels, taints := c.Labels, c.Taints
	*c = a.plan.compared.configFor(m)
	c.Labels, c.Taints = labels, taints
}
