package kit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/kubeconfig"
)

// Kubeconfig is what a command does to the user's kubeconfig. Its steps are events with the ID "kubeconfig".
type Kubeconfig struct {
	// Skip leaves the kubeconfig alone.
	Skip bool
	// Getenv reads the environment.
	Getenv func(string) string

	path string
}

// AddFlag adds --kubeconfig.
func (k *Kubeconfig) AddFlag(flags *pflag.FlagSet) {
	flags.StringVar(&k.path, "kubeconfig", "", "`file` to write (default: as KUBECONFIG says, or ~/.kube/config)")
}

// ContextOf is the name of a cluster's context, which its cluster and its user have, too; "" if none is written.
func (k *Kubeconfig) ContextOf(cluster string) string {
	if k.Skip {
		return ""
	}
	return contextOf(cluster)
}

func contextOf(cluster string) string { return "skiff-" + cluster }

// Check says if Merge would succeed, and changes nothing.
func (k *Kubeconfig) Check(ctx context.Context) error {
	if k.Skip {
		return nil
	}
	files, err := kubeconfig.Locate(k.path, k.Getenv)
	if err != nil {
		return err
	}
	return files.Check(ctx)
}

// Merge writes a cluster's context and selects it.
func (k *Kubeconfig) Merge(ctx context.Context, creds *cluster.Credentials, sink event.Sink) error {
	if k.Skip {
		return nil
	}
	name := contextOf(creds.Cluster)
	sink.Emit(event.Event{ID: "kubeconfig", Kind: event.KindKubeconfig, State: event.Started, Subject: name})
	files, err := kubeconfig.Locate(k.path, k.Getenv)
	changed := false
	if err == nil {
		changed, err = files.Merge(ctx, entry(creds))
	}
	return k.end(name, event.Done, changed, err, sink)
}

// withoutContext says of a new cluster that its context is missing; the exit code is that of the kubeconfig's fault.
func (k *Kubeconfig) withoutContext(name string, err error) error {
	return &fault.Error{Code: fault.CodeOf(err), Cause: err, Hint: k.catchUp("merge", name, err),
		Summary: fmt.Sprintf("cluster %s is ready, but its context could not be written", name)}
}

// ContextLeft says of a deleted cluster that its context is still there; the exit code is that of the kubeconfig's fault.
func (k *Kubeconfig) ContextLeft(name string, err error) error {
	return &fault.Error{Code: fault.CodeOf(err), Cause: err, Hint: k.catchUp("remove", name, err),
		Summary: fmt.Sprintf("cluster %s is deleted, but its context %s is still in the kubeconfig", name, contextOf(name))}
}

// RemoveHint says how to remove the context of a cluster that there is not, "" if it has none.
func (k *Kubeconfig) RemoveHint(cluster string) string {
	files, err := kubeconfig.Locate(k.path, k.Getenv)
	if err != nil {
		return ""
	}
	if has, err := files.Has(contextOf(cluster)); err != nil || !has {
		return "" // a file that cannot be read is no matter of a cluster that does not exist
	}
	return fmt.Sprintf("Its context is still in the kubeconfig. If no other Docker has the cluster, run '%s'.", k.command("remove", cluster))
}

// catchUp says how to make up for a step that failed: by the command that does only that to the same file, once the
// reason is gone.
func (k *Kubeconfig) catchUp(verb, cluster string, err error) string {
	var f *fault.Error
	if errors.As(err, &f) && f.Hint != "" {
		return fmt.Sprintf("%s\nThen run '%s'.", f.Hint, k.command(verb, cluster))
	}
	return fmt.Sprintf("Run '%s'.", k.command(verb, cluster))
}

// command is the command that does something with a cluster's context in the same file.
func (k *Kubeconfig) command(verb, cluster string) string {
	command := "skiff kubeconfig " + verb + " " + cluster
	if k.path != "" {
		command += " --kubeconfig " + k.path
	}
	return command
}

// Remove removes a cluster's context, and what only that uses.
func (k *Kubeconfig) Remove(ctx context.Context, cluster string, sink event.Sink) error {
	if k.Skip {
		return nil
	}
	name := contextOf(cluster)
	files, err := kubeconfig.Locate(k.path, k.Getenv)
	changed := false
	if err == nil {
		changed, err = files.Remove(ctx, name)
	}
	return k.end(name, event.Undone, changed, err, sink)
}

// end tells of the end of a step: what was done, or that there was nothing to do, or why it failed.
func (k *Kubeconfig) end(name string, done event.State, changed bool, err error, sink event.Sink) error {
	e := event.Event{ID: "kubeconfig", Kind: event.KindKubeconfig, State: done, Subject: name, Err: err}
	switch {
	case err != nil:
		e.State = event.Failed
	case !changed:
		e.State = event.Skipped
	}
	sink.Emit(e)
	return err
}

func entry(creds *cluster.Credentials) kubeconfig.Entry {
	return kubeconfig.Entry{Name: contextOf(creds.Cluster), Server: creds.Server, CA: creds.CA, ClientCert: creds.ClientCert, ClientKey: creds.ClientKey}
}

// RenderKubeconfig returns a kubeconfig of one cluster, as YAML or as JSON, which kubectl reads as well.
func RenderKubeconfig(creds *cluster.Credentials, asJSON bool) ([]byte, error) {
	out, err := kubeconfig.Render(entry(creds))
	if err != nil || !asJSON {
		return out, err
	}
	if out, err = yaml.YAMLToJSON(out); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, out, "", "  "); err != nil {
		return nil, err
	}
	return append(b.Bytes(), '\n'), nil
}
