// Package objects reads every object of a cluster for a diagnostics archive, without the secrets in them.
package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// pageSize bounds how much of a large cluster is in memory at once, per resource.
const pageSize = 500

// Dump lists every resource that can be listed and hands over one file of YAML documents for each that has
// objects: "core/pods.yaml", "apps/deployments.yaml". add is never called concurrently. A resource that cannot be
// read does not keep the others from being read; its error is among those returned.
func Dump(ctx context.Context, config *rest.Config, add func(name string, content []byte) error) error {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 200, 200 // one user, one time: the default is made for controllers
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	// A group whose server is down makes discovery fail in part; the rest is still returned.
	lists, discoveryErr := disco.ServerPreferredResources()
	if discoveryErr != nil && len(lists) == 0 {
		return fmt.Errorf("list the cluster's resources: %w", discoveryErr)
	}
	var (
		mu   sync.Mutex
		errs = []error{discoveryErr}
	)
	var group errgroup.Group
	group.SetLimit(8)
	for _, r := range listable(lists) {
		group.Go(func() error {
			content, err := read(ctx, client, r)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", fileName(r), err))
			}
			if len(content) > 0 {
				return add(fileName(r), content)
			}
			return nil
		})
	}
	errs = append(errs, group.Wait())
	return errors.Join(errs...)
}

// listable picks the resources that can be listed, each once.
func listable(lists []*metav1.APIResourceList) []schema.GroupVersionResource {
	var out []schema.GroupVersionResource
	for _, l := range lists {
		gv, err := schema.ParseGroupVersion(l.GroupVersion)
		if err != nil {
			continue
		}
		for _, r := range l.APIResources {
			switch {
			case strings.Contains(r.Name, "/"), !slices.Contains(r.Verbs, "list"):
			case gv.Group == "events.k8s.io": // the same events as in the core group
			case gv.Group == "metrics.k8s.io": // measurements, not objects
			default:
				out = append(out, gv.WithResource(r.Name))
			}
		}
	}
	return out
}

func fileName(r schema.GroupVersionResource) string {
	group := r.Group
	if group == "" {
		group = "core"
	}
	return path.Join(group, r.Resource+".yaml")
}

// read returns all objects of a resource as YAML documents, as many as could be read.
func read(ctx context.Context, client dynamic.Interface, r schema.GroupVersionResource) ([]byte, error) {
	var b bytes.Buffer
	opts := metav1.ListOptions{Limit: pageSize}
	for {
		page, err := client.Resource(r).List(ctx, opts)
		if err != nil {
			return b.Bytes(), err
		}
		for i := range page.Items {
			Redact(&page.Items[i])
			doc, err := yaml.Marshal(page.Items[i].Object)
			if err != nil {
				return b.Bytes(), err
			}
			b.WriteString("---\n")
			b.Write(doc)
		}
		if opts.Continue = page.GetContinue(); opts.Continue == "" {
			return b.Bytes(), nil
		}
	}
}

// Redact takes out of an object what must not leave the cluster, and the bookkeeping that nobody reads.
func Redact(o *unstructured.Unstructured) {
	unstructured.RemoveNestedField(o.Object, "metadata", "managedFields")
	if o.GetKind() != "Secret" {
		return
	}
	// What was applied is kept in annotations by kubectl, and by tools of other makers under other names: only
	// the names of the annotations stay.
	if annotations := o.GetAnnotations(); len(annotations) > 0 {
		for k, v := range annotations {
			annotations[k] = size(v)
		}
		o.SetAnnotations(annotations)
	}
	for _, field := range []string{"data", "stringData"} {
		values, found, _ := unstructured.NestedFieldNoCopy(o.Object, field)
		if !found {
			continue
		}
		sizes := map[string]any{}
		if m, ok := values.(map[string]any); ok {
			for k, v := range m {
				text, _ := v.(string)
				sizes[k] = size(text)
			}
		}
		o.Object[field] = sizes
	}
}

func size(s string) string { return fmt.Sprintf("(%d characters left out)", len(s)) }
