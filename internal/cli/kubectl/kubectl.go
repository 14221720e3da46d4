// Package kubectl is `skiff kubectl`: upstream's kubectl, pointed at a cluster.
//
// The credentials are read from the node and stay in memory: no file is written, and the user's kubeconfig is
// neither read nor changed, except by kubectl's own `config` sub-command, which is about that file.
package kubectl

import (
	"context"
	"net/url"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/logs"
	upstream "k8s.io/kubectl/pkg/cmd"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	_ "github.com/skiff-cluster/skiff/internal/cli/kubectl/lazytext" // before any other package of kubectl
	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/event"
)

// Options of the command.
type Options struct {
	*kit.Deps
	Args []string
}

// NewCmd returns the command. It parses no flag: all that follows is kubectl's.
func NewCmd(deps *kit.Deps) *cobra.Command {
	o := &Options{Deps: deps}
	return &cobra.Command{
		Use:   "kubectl [ARGUMENTS]",
		Short: "Run kubectl on a cluster",
		Long: `Run the kubectl that is built in, already pointed at the cluster. Everything after 'kubectl' is passed on, so
flags of skiff come before it. Plugins of kubectl are not run. 'skiff kubectl help' is kubectl's own help.`,
		Example: `  skiff kubectl get pods -A
  skiff --cluster demo kubectl apply -f app.yaml
  skiff kubectl exec -it deploy/web -- sh`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
				return cmd.Help()
			}
			o.Args = args
			return run(cmd.Context(), o)
		},
	}
}

func run(ctx context.Context, o *Options) error {
	// Not WithDeprecatedPasswordFlag: with it, kubectl asks for a user's name before it sees that there are keys.
	flags := genericclioptions.NewConfigFlags(true).WithDiscoveryBurst(300).WithDiscoveryQPS(50)
	if needsCluster(o.Args) {
		service, err := o.Service(ctx, event.Discard)
		if err != nil {
			return err
		}
		creds, err := service.Credentials(ctx, o.Flags.Cluster)
		if err != nil {
			return err
		}
		point(flags, creds)
	}
	streams := genericiooptions.IOStreams{In: o.In, Out: o.Out, ErrOut: o.Err}
	cmd := upstream.NewKubectlCommand(upstream.KubectlOptions{
		Arguments: append([]string{"kubectl"}, o.Args...), ConfigFlags: flags.WithWarningPrinter(streams), IOStreams: streams,
	})
	// What upstream's main adds to its command: -v and its kin.
	logs.AddFlags(cmd.PersistentFlags())
	cmd.SetArgs(o.Args)
	cmd.SetIn(o.In)
	cmd.SetOut(o.Out)
	cmd.SetErr(o.Err)
	cmd.SilenceErrors = false
	// kubectl has its own idea of Ctrl-C, which differs from sub-command to sub-command.
	o.ReleaseSignals()
	if err := cmd.ExecuteContext(ctx); err != nil {
		return kit.Exit{Code: 1} // it has been printed
	}
	return nil
}

// needsCluster is false for what works without a server, so that help is there before the first cluster.
func needsCluster(args []string) bool {
	for _, a := range args {
		if a == "--" {
			break
		}
		if a == "--help" || a == "-h" {
			return false
		}
	}
	if len(args) == 0 {
		return false
	}
	switch args[0] {
	case "help", "completion", "config", "kustomize", "options":
		return false
	case "version":
		return !slices.Contains(args, "--client") && !slices.Contains(args, "--client=true")
	}
	return true
}

// point directs kubectl at a cluster. The address travels in the --server flag and the keys are put into the
// finished client configuration. If the user named another server, that one does not get the keys.
func point(flags *genericclioptions.ConfigFlags, creds *cluster.Credentials) {
	none := os.DevNull // a kubeconfig's current context belongs to another cluster; "" would be the user's own file
	server := creds.Server
	flags.KubeConfig, flags.APIServer = &none, &server
	flags.WrapConfigFn = func(c *rest.Config) *rest.Config {
		if !sameHost(c.Host, creds.Server) {
			return c
		}
		c.CAData, c.CAFile = creds.CA, ""
		if c.BearerToken == "" && c.BearerTokenFile == "" && c.Username == "" && c.CertFile == "" { // nobody asked to be someone else
			c.CertData, c.KeyData = creds.ClientCert, creds.ClientKey
		}
		return c
	}
}

func sameHost(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	return errX == nil && errY == nil && x.Scheme == y.Scheme && x.Host == y.Host
}
