package create

import (
	"fmt"
	"slices"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/config"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// readFile reads the cluster file, or what holds without one.
func readFile(o *Options) (*kit.ClusterFile, error) {
	if o.File == "" {
		return &kit.ClusterFile{Config: config.Default()}, nil
	}
	return o.ReadClusterFile(o.File)
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
		file.Forget("api.address")
	}
	if o.Changed("api-port") {
		spec.APIPort = o.Spec.APIPort
		file.Forget("api.port")
	}
	if o.Changed("image") {
		spec.ImageRef = o.Spec.ImageRef
		file.Forget("kubernetes.image")
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
