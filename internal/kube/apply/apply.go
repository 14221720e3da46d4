// Package apply puts the objects of manifest files into a cluster, as `kubectl apply --server-side` does: in the order of
// the files and of the objects in them. An object waits for the definition of its kind, if that was applied before it.
package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

const (
	// manager owns the fields that are applied.
	manager = "skiff"
	// requestTimeout ends a question that hangs; an admission webhook may take half of it.
	requestTimeout = time.Minute
	// kindTimeout is how long a definition may take until its objects are taken.
	kindTimeout = time.Minute
	// kindRetry is the pause between two attempts meanwhile: each API server of a cluster gets to know of a kind in its
	// own time, and nothing tells of the last one.
	kindRetry = 100 * time.Millisecond
)

// Applier applies manifests to one cluster.
type Applier struct {
	client dynamic.Interface
	kinds  kinds
	// defined are the kinds whose definitions were applied, true from the first object that was taken.
	defined map[schema.GroupKind]bool
	// Tests wait less.
	kindTimeout time.Duration
}

// New returns an Applier for the cluster that credentials are of.
func New(creds *cluster.Credentials) (*Applier, error) {
	return newApplier(&rest.Config{
		Host:            creds.Server,
		TLSClientConfig: rest.TLSClientConfig{CAData: creds.CA, CertData: creds.ClientCert, KeyData: creds.ClientKey},
	})
}

func newApplier(config *rest.Config) (*Applier, error) {
	config.UserAgent, config.Timeout, config.QPS = "skiff", requestTimeout, -1 // the server's own limits are enough
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	discovery, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return &Applier{client: client, kinds: kinds{api: discovery}, defined: map[schema.GroupKind]bool{}, kindTimeout: kindTimeout}, nil
}

// kinds knows where the API serves which kind.
type kinds struct {
	api   discovery.DiscoveryInterface
	known meta.RESTMapper
}

// find asks the API again for a kind that is not known. (client-go's mapper, which does the same, writes to the log while
// a group is half known.)
func (k *kinds) find(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	if k.known != nil {
		if mapping, err := k.known.RESTMapping(gvk.GroupKind(), gvk.Version); err == nil {
			return mapping, nil
		}
	}
	resources, err := restmapper.GetAPIGroupResources(k.api)
	if err != nil {
		return nil, fmt.Errorf("ask the API what it serves: %w", err)
	}
	k.known = restmapper.NewDiscoveryRESTMapper(resources)
	return k.known.RESTMapping(gvk.GroupKind(), gvk.Version)
}

// File applies the objects of a file. progress is told how many of them are done, how many there are, and which comes
// next. The error names the object that was not taken; those before it are in the cluster.
func (a *Applier) File(ctx context.Context, file string, progress func(done, total int, next string)) error {
	objects, err := readFile(file)
	if err != nil {
		return err
	}
	for i, o := range objects {
		progress(i, len(objects), o.String())
		if err := a.apply(ctx, o.Unstructured); err != nil {
			return fmt.Errorf("%s, line %d: %s: %w", file, o.line, o, err)
		}
	}
	return nil
}

// apply applies one object. One of a kind that was defined here is tried until the API knows the kind.
func (a *Applier) apply(ctx context.Context, o *unstructured.Unstructured) error {
	kind := o.GroupVersionKind().GroupKind()
	known, ours := a.defined[kind]
	if ours && !known {
		if err := a.applyNewKind(ctx, o); err != nil {
			return err
		}
		a.defined[kind] = true
		return nil
	}
	if err := a.applyOnce(ctx, o); err != nil {
		return err
	}
	if defines, ok := definedKind(o); ok {
		if _, again := a.defined[defines]; !again {
			a.defined[defines] = false
		}
	}
	return nil
}

func (a *Applier) applyNewKind(ctx context.Context, o *unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeoutCause(ctx, a.kindTimeout, fmt.Errorf("its definition was applied, and the API does not serve it after %s", a.kindTimeout))
	defer cancel()
	ticker := time.NewTicker(kindRetry)
	defer ticker.Stop()
	for {
		err := a.applyOnce(ctx, o)
		if err == nil || !isUnknownKind(err) && ctx.Err() == nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// isUnknownKind is true for the errors of an API that does not serve a kind, or not yet.
func isUnknownKind(err error) bool {
	if meta.IsNoMatchError(err) {
		return true
	}
	// A path that is not served, as opposed to a namespace that is not there, says nothing of what was not found.
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details == nil || slices.ContainsFunc(details.Causes, func(c metav1.StatusCause) bool {
		return c.Type == metav1.CauseTypeUnexpectedServerResponse
	})
}

func (a *Applier) applyOnce(ctx context.Context, o *unstructured.Unstructured) error {
	mapping, err := a.kinds.find(o.GroupVersionKind())
	if err != nil {
		return err
	}
	var resource dynamic.ResourceInterface = a.client.Resource(mapping.Resource)
	switch {
	case mapping.Scope.Name() == meta.RESTScopeNameRoot:
		o.SetNamespace("")
	default:
		if o.GetNamespace() == "" {
			o.SetNamespace(metav1.NamespaceDefault)
		}
		resource = a.client.Resource(mapping.Resource).Namespace(o.GetNamespace())
	}
	// What another manager has set is set anew: the file says how the cluster is to be.
	_, err = resource.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: manager, Force: true})
	return err
}

// definedKind returns the kind that a CustomResourceDefinition defines.
func definedKind(o *unstructured.Unstructured) (schema.GroupKind, bool) {
	if o.GroupVersionKind().GroupKind() != (schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}) {
		return schema.GroupKind{}, false
	}
	group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
	return schema.GroupKind{Group: group, Kind: kind}, true
}
