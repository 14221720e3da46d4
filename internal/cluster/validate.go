package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"regexp"
	"strconv"

	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// MaxName leaves room in a DNS label (63) for what names of nodes add.
const MaxName = 32

var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// ValidateName refuses what cannot be the name of a cluster.
func ValidateName(name string) error {
	if len(name) <= MaxName && validName.MatchString(name) {
		return nil
	}
	return &fault.Error{Code: fault.Invalid, Summary: fmt.Sprintf("%q cannot be the name of a cluster", name),
		Hint: fmt.Sprintf("A name has at most %d characters: lower-case letters, digits and '-', with a letter or digit at both ends.", MaxName)}
}

// validate refuses a specification that no engine could fulfil, and fills in what was left out.
func validate(spec Spec) (Spec, error) {
	if err := ValidateName(spec.Name); err != nil {
		return spec, err
	}
	if len(spec.Groups) == 0 {
		spec.Groups = Groups(1, 0)
	}
	if err := validateGroups(spec.Groups); err != nil {
		return spec, err
	}
	spec.Networks = spec.Networks.complete()
	if err := spec.Networks.validate(spec.Count("")); err != nil {
		return spec, err
	}
	if spec.APIAddress == "" {
		spec.APIAddress = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(spec.APIAddress)
	if err != nil || addr.Zone() != "" {
		return spec, &fault.Error{Code: fault.Invalid, Summary: fmt.Sprintf("%q is not an address to publish the API on", spec.APIAddress),
			Hint: "Give an IP address of Docker's host: 127.0.0.1 for this machine only, 0.0.0.0 for all of its addresses."}
	}
	spec.APIAddress = addr.Unmap().String()
	return spec, nil
}

// MaxServers is where more members of the datastore make it slower and no safer.
const MaxServers = 5

// MaxNodes is more than any laptop has room for, and less than the addresses of a subnet.
const MaxNodes = 100

// MinCPUMillis is the least that a node starts with, in thousandths of a processor.
const MinCPUMillis = 100

// MinMemoryBytes is the least that a node with a role starts with.
func MinMemoryBytes(role nodeapi.Role) int64 {
	if role == nodeapi.RoleServer {
		return 512 << 20
	}
	return 128 << 20
}

// Count is the number of nodes with a role, of all if role is "".
func (s Spec) Count(role nodeapi.Role) int {
	n := 0
	for _, g := range s.Groups {
		if role == "" || g.Role == role {
			n += g.Count
		}
	}
	return n
}

// validateAdded refuses groups that are added to a cluster, or that would make it one that cannot be. Agents can be added
// to one that has lost a server and so has an even number.
func validateAdded(all, added []Group) error {
	if err := validateEach(added); err != nil {
		return err
	}
	if (Spec{Groups: added}).Count(nodeapi.RoleServer) > 0 {
		if err := validateServers(all); err != nil {
			return err
		}
	}
	return validateSum(all)
}

func validateGroups(groups []Group) error {
	for _, validate := range []func([]Group) error{validateEach, validateServers, validateSum} {
		if err := validate(groups); err != nil {
			return err
		}
	}
	return nil
}

func validateServers(groups []Group) error {
	switch servers := (Spec{Groups: groups}).Count(nodeapi.RoleServer); {
	case servers < 1:
		return invalid("Create a cluster with at least one server.", "a cluster needs a server: agents have no control plane")
	case servers > MaxServers:
		return invalid("Have 1, 3 or 5 servers, and agents for more room.", "%d servers are more than %d: each write would wait for more of them, and the cluster would be no safer", servers, MaxServers)
	case servers%2 == 0:
		return invalid(fmt.Sprintf("Have %d %s, or %d.", servers-1, plural(servers-1, "server"), servers+1),
			"%d servers survive no more failures than %d: what counts is a majority", servers, servers-1)
	}
	return nil
}

func validateSum(groups []Group) error {
	if all := (Spec{Groups: groups}).Count(""); all > MaxNodes {
		return invalid(fmt.Sprintf("Have at most %d nodes.", MaxNodes), "%d nodes are too many", all)
	}
	return nil
}

// invalid is a specification's refusal.
func invalid(hint, format string, args ...any) error {
	return &fault.Error{Code: fault.Invalid, Summary: fmt.Sprintf(format, args...), Hint: hint}
}

// OwnLabels are those that the kubelet gives a node.
var OwnLabels = []string{"kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch"}

// validateEach refuses what no group can be.
func validateEach(groups []Group) error {
	for _, g := range groups {
		if g.Count < 0 {
			return invalid("Give a number from 0 on.", "there cannot be %d %ss", g.Count, g.Role)
		}
		if g.Role != nodeapi.RoleServer && g.Role != nodeapi.RoleAgent {
			return invalid("Nodes are servers or agents.", "there is no role %q", g.Role)
		}
		switch least := MinMemoryBytes(g.Role); {
		case g.CPUMillis != 0 && g.CPUMillis < MinCPUMillis:
			return invalid("Make it larger, or leave out its size: it is then the host's.", "a node needs at least %dm CPUs, and %dm are too little", MinCPUMillis, g.CPUMillis)
		case g.MemoryBytes != 0 && g.MemoryBytes < least:
			return invalid("Make it larger, or leave out its size: it is then the host's.", "a node of role %s needs at least %d MiB of memory, and %d bytes are too little", g.Role, least>>20, g.MemoryBytes)
		}
		for _, name := range OwnLabels {
			if _, given := g.Labels[name]; given {
				return invalid("Leave it out, or choose a label of your own.", "the label %s is set by the kubelet itself", name)
			}
		}
		if len(g.Ports) > 0 && g.Count > 1 {
			return invalid("Put one node into a group of its own.", "a port of the host leads to one node, not to %d", g.Count)
		}
	}
	return nil
}

// refuse finds what stands in the way of a creation at this engine.
func (o *observation) refuse(spec Spec) error {
	for i := range o.clusters {
		if o.clusters[i].Name == spec.Name {
			return exists(&o.clusters[i])
		}
	}
	for _, n := range o.networks {
		if n.Name == networkName(spec.Name) {
			return &fault.Error{Code: fault.Conflict, Summary: fmt.Sprintf("there is a network %s that is not Skiff's", n.Name),
				Hint: fmt.Sprintf("Remove it with 'docker network rm %s', or choose another name for the cluster.", n.Name)}
		}
	}
	for i, subnet := range spec.Networks.Subnets {
		for _, n := range o.networks {
			if overlaps(subnet, n.Subnets) {
				hint := fmt.Sprintf("Choose another subnet, leave it out to get a free one, or remove that network with 'docker network rm %s'.", n.Name)
				if n.Name == "bridge" { // Docker's own cannot be removed
					hint = "Choose another subnet, or leave it out to get a free one."
				}
				return &fault.Error{Code: fault.NetworkOverlap, Summary: fmt.Sprintf("the subnet %s overlaps Docker's network %s (%v)", subnet, n.Name, n.Subnets[0]), Hint: hint,
					Field: fmt.Sprintf("network.subnets[%d]", i)}
			}
		}
	}
	if err := o.refuseGroups(spec.Groups); err != nil {
		return err
	}
	if !o.engine.Local && netip.MustParseAddr(spec.APIAddress).IsLoopback() {
		return &fault.Error{Code: fault.Invalid,
			Summary: fmt.Sprintf("Docker runs on another host (%s), whose address %s cannot be reached from here", o.engine.Endpoint, spec.APIAddress),
			Field:   "api.address",
			Hint: "Publish the API on an address of that host: --api-address 0.0.0.0 of 'skiff create', or api.address in a cluster file. " +
				"Whoever reaches that address can then try to log in."}
	}
	return nil
}

// refuseGroups refuses nodes that the engine's host cannot have.
func (o *observation) refuseGroups(groups []Group) error {
	for i, g := range groups {
		field := fmt.Sprintf("nodes[%d]", i)
		if err := o.refuseSize(field, g.CPUMillis, g.MemoryBytes); err != nil {
			return err
		}
		if !o.engine.Local {
			continue // its files are not to be seen from here, and it says itself what is missing
		}
		for j, b := range g.Binds {
			if _, err := os.Stat(b.Source); errors.Is(err, fs.ErrNotExist) {
				return &fault.Error{Code: fault.NotFound, Summary: fmt.Sprintf("there is no %s to be mounted at %s", b.Source, b.Target),
					Hint: "Make it first, or correct the path.", Field: fmt.Sprintf("%s.mounts[%d].source", field, j)}
			}
		}
	}
	return nil
}

// refuseSize refuses a node that is larger than the engine's host. field is what a cluster file has of its group.
func (o *observation) refuseSize(field string, cpuMillis, memoryBytes int64) error {
	tooLarge := func(field, what, wanted, has string) error {
		return &fault.Error{Code: fault.Invalid, Summary: fmt.Sprintf("a node of %s %s is larger than Docker's host, which has %s", wanted, what, has),
			Hint: "Make the node smaller, or leave out its size: it is then the host's.", Field: field}
	}
	if host := int64(o.engine.CPUs) * 1000; host > 0 && cpuMillis > host {
		return tooLarge(field+".cpus", "CPUs", strconv.FormatFloat(float64(cpuMillis)/1000, 'g', -1, 64), strconv.Itoa(o.engine.CPUs))
	}
	if host := o.engine.MemoryBytes; host > 0 && memoryBytes > host {
		return tooLarge(field+".memory", "memory", fmt.Sprintf("%d MiB", memoryBytes>>20), fmt.Sprintf("%d MiB", host>>20))
	}
	return nil
}

// exists says how to go on with the cluster that has the name already.
func exists(c *Cluster) error {
	var hint string
	switch c.State {
	case StateRunning:
		hint = fmt.Sprintf("To use it, run 'skiff kubeconfig merge %s'.", c.Name)
	case StateIncomplete:
		hint = "Another skiff may be working on it. If none is, its creation was interrupted."
	default:
		hint = c.wake()
	}
	if f := (*fault.Error)(nil); errors.As(c.serverless(), &f) {
		hint = f.Hint
	}
	return &fault.Error{Code: fault.Exists, Summary: fmt.Sprintf("a cluster %s exists already (%s)", c.Name, c.State),
		Hint: fmt.Sprintf("%s\nTo remove it, with all that is in it, run 'skiff delete %s'.", hint, c.Name)}
}

// checkImage refuses an image that is no node image, speaks another contract, or is for another machine.
func checkImage(ref string, labels map[string]string, architecture string, engine EngineInfo) error {
	contract, isNode := labels[nodeapi.LabelContract]
	switch {
	case !isNode:
		return &fault.Error{Code: fault.Invalid, Summary: fmt.Sprintf("%s is not a node image of Skiff", ref),
			Hint: "Leave out --image to use the one that this program carries."}
	case contract != nodeapi.ContractVersion:
		return &fault.Error{Code: fault.Invalid,
			Summary: fmt.Sprintf("the node image %s speaks contract %q, and this program %q", ref, contract, nodeapi.ContractVersion),
			Hint:    "Leave out --image to use the one that this program carries, or use the Skiff that the image was made for."}
	case architecture != "" && engine.Architecture != "" && architecture != engine.Architecture:
		return &fault.Error{Code: fault.Invalid,
			Summary: fmt.Sprintf("the node image %s is for %s, and Docker's host is %s", ref, architecture, engine.Architecture),
			Hint:    fmt.Sprintf("Use the Skiff for %s, or name a node image for it with --image.", engine.Architecture)}
	}
	return nil
}
