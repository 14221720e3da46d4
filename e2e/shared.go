//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// shared is the one cluster that scenarios about workloads use together. The first of them creates it.
var shared struct {
	once sync.Once
	made bool
	err  error
}

func sharedName() string       { return run.prefix() + "shared" }
func sharedKubeconfig() string { return filepath.Join(run.dir, "shared.kubeconfig") }

func sharedEnv() []string {
	return []string{"KUBECONFIG=" + sharedKubeconfig(), "SKIFF_CLUSTER=" + sharedName(), "NO_COLOR=1"}
}

// Shared starts a scenario in a namespace of its own on the shared cluster, beside others.
func Shared(t *testing.T, obligation string) *Cluster {
	t.Helper()
	t.Parallel()
	shared.once.Do(func() { shared.err = makeShared() })
	if shared.err != nil {
		t.Fatalf("the shared cluster: %v", shared.err)
	}
	s := New(t, obligation)
	c := &Cluster{Scenario: s, Name: sharedName(), Namespace: freshNamespace(t.Name()), Kubeconfig: sharedKubeconfig()}
	client := c.Client().CoreV1().Namespaces()
	_, err := client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.Namespace}}, metav1.CreateOptions{})
	c.Must(err, "create the scenario's namespace")
	t.Cleanup(func() {
		if t.Failed() && run.keepFailed {
			keep(c.Name)
			t.Logf("kept namespace %s of cluster %s", c.Namespace, c.Name)
			return
		}
		// The namespace goes while other scenarios go on.
		if err := client.Delete(context.Background(), c.Namespace, metav1.DeleteOptions{}); err != nil {
			t.Errorf("delete the scenario's namespace: %v", err)
		}
	})
	t.Cleanup(c.collect)
	return c
}

// namespaces counts how often a scenario has run: its former namespace may take its time to go.
var namespaces sync.Map // name to *atomic.Int32

func freshNamespace(test string) string {
	name := slug(test)
	counter, _ := namespaces.LoadOrStore(name, new(atomic.Int32))
	if n := counter.(*atomic.Int32).Add(1); n > 1 {
		name = fmt.Sprintf("%s-%d", name, n)
	}
	return name
}

func makeShared() error {
	shared.made = true
	ctx := context.Background()
	if r := skiffRun(ctx, sharedEnv(), "create", sharedName(), "--ephemeral"); r.Code != 0 {
		return fmt.Errorf("%s", r)
	}
	if err := hostImages(); err != nil {
		return err
	}
	if r := skiffRun(ctx, sharedEnv(), "load", Image(1), Image(2)); r.Code != 0 {
		return fmt.Errorf("%s", r)
	}
	return nil
}

// removeShared deletes the shared cluster, if there is one and nobody wants to look at it.
func removeShared() error {
	if !shared.made || isKept(sharedName()) {
		return nil
	}
	if r := skiffRun(context.Background(), sharedEnv(), "delete", sharedName(), "--ignore-not-found"); r.Code != 0 {
		return fmt.Errorf("%s", r)
	}
	return nil
}
