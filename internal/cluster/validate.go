package cluster

import (
	"fmt"
	"net/netip"
	"regexp"

	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// maxName leaves room in a DNS label (63) for what names of nodes add.
const maxName = 32

var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// ValidateName refuses what cannot be the name of a cluster.
func ValidateName(name string) error {
	if len(name) <= maxName && validName.MatchString(name) {
		return nil
	}
	return &fault.Error{Code: fault.Invalid, Summary: fmt.Sprintf("%q cannot be the name of a cluster", name),
		Hint: fmt.Sprintf("A name has at most %d characters: lower-case letters, digits and '-', with a letter or digit at both ends.", maxName)}
}

// validate refuses a specification that no engine could fulfil, and fills in what was left out.
func validate(spec Spec) (Spec, error) {
	if err := ValidateName(spec.Name); err != nil {
		return spec, err
	}
	if spec.Servers != 1 {
		return spec, &fault.Error{Code: fault.Invalid, Summary: fmt.Sprintf("a cluster of %d servers is not supported yet", spec.Servers),
			Hint: "Create a cluster of one server."}
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
	if !o.engine.Local && netip.MustParseAddr(spec.APIAddress).IsLoopback() {
		return &fault.Error{Code: fault.Invalid,
			Summary: fmt.Sprintf("Docker runs on another host (%s), whose address %s cannot be reached from here", o.engine.Endpoint, spec.APIAddress),
			Hint:    "Publish the API on an address of that host: --api-address 0.0.0.0. Whoever reaches that address can then try to log in."}
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
