package buildflags

import "context"

// CommandLine returns the linker flags of the command line, which is built from the module of the current directory.
// Its kubectl has the version of the cluster.
func CommandLine(ctx context.Context, version, commit string) ([]string, error) {
	kubernetes, err := Lookup(ctx, KubernetesModule)
	if err != nil {
		return nil, err
	}
	flags, err := Kubernetes(kubernetes)
	if err != nil {
		return nil, err
	}
	return append(Skiff(version, commit), flags...), nil
}
