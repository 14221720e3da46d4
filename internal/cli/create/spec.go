package create

import (
	"fmt"
	"slices"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/config"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// readFile reads the cluster file, or what holds without one, and tells what of a configuration of kind has no
// counterpart here.
func readFile(o *Options) (*config.Cluster, error) {
	if o.File == "" {
		return config.Default(), nil
	}
	file, unmapped, err := config.Load(o.File, o.In)
	if err != nil {
		return nil, err
	}
	name := o.File
	if name == config.Stdin {
		name = "stdin"
	}
	for _, u := range unmapped {
		o.Say("%s: not used: %s", name, u)
	}
	return file, nil
}

// makeSpec makes the specification of the cluster file and the flags, which have the last word.
func makeSpec(o *Options, file *config.Cluster) (cluster.Spec, error) {
	spec, err := file.Spec()
	if err != nil {
		return spec, err
	}
	if spec.Name == "" || o.Changed("name") {
		spec.Name = o.Spec.Name
	}
	if o.Changed("ephemeral") {
		spec.Ephemeral = o.Spec.Ephemeral
	}
	if o.Changed("api-address") {
		spec.APIAddress = o.Spec.APIAddress
	}
	if o.Changed("api-port") {
		spec.APIPort = o.Spec.APIPort
	}
	if o.Changed("image") {
		spec.ImageRef = o.Spec.ImageRef
	}
	for _, f := range []struct {
		flag  string
		role  nodeapi.Role
		count int
	}{{"servers", nodeapi.RoleServer, o.Servers}, {"agents", nodeapi.RoleAgent, o.Agents}} {
		if !o.Changed(f.flag) {
			continue
		}
		if spec.Groups, err = withCount(spec.Groups, f.role, f.count); err != nil {
			return spec, err
		}
	}
	return spec, nil
}

// withCount changes the number of nodes with a role.
func withCount(groups []cluster.Group, role nodeapi.Role, count int) ([]cluster.Group, error) {
	groups = slices.Clone(groups)
	at := -1
	for i, g := range groups {
		if g.Role != role {
			continue
		}
		if at >= 0 {
			return nil, &fault.Error{Code: fault.Usage, Summary: fmt.Sprintf("the cluster file has several groups of %ss, and --%ss does not say which of them is meant", role, role),
				Hint: "Change the number in the file."}
		}
		at = i
	}
	if at < 0 {
		return append(groups, cluster.Group{Role: role, Count: count}), nil
	}
	groups[at].Count = count
	return groups, nil
}
