//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

func TestNotReadyInTime(t *testing.T) {
	c := Own(t, 1, "A cluster that is not ready in time is a failure that says what is missing, and is removed").NewCluster("")
	c.Fails(c.TrySkiff("create", "--wait", "1ms"), exitNotReady, "not ready after 1ms", c.Node(), "--retain")
	c.Gone()

	c.Step("while components start, they are what is missing")
	r := c.TrySkiff("create", "--wait", "500ms")
	c.Fails(r, exitNotReady, "not ready after 500ms", "not met: "+nodeapi.ConditionComponents, "not met: "+nodeapi.ConditionNode, " is starting")
	c.Gone()

	c.Step("with --retain it stays, so that one can look at it")
	r = c.TrySkiff("create", "--wait", "1ms", "--retain")
	c.Fails(r, exitNotReady, "skiff bundle "+c.Name, "skiff delete "+c.Name)
	if out := c.Skiff("list"); !strings.Contains(out, c.Name) {
		t.Errorf("list: %s", out)
	}
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	c.Skiff("bundle", "--file", file)
	if bundle := readBundle(c, file); bundle["nodes/"+c.Node()+"/output.log"] == "" {
		t.Errorf("the bundle has no output of the node: %v", names(bundle))
	}
	c.Fails(c.TrySkiff("create"), exitExists, c.Name, "skiff delete "+c.Name)
	c.Skiff("delete")
	c.Gone()
}

// brokenImage makes a node image in which a file is replaced, and returns its name.
func (c *Cluster) brokenImage(path, content string) string {
	c.Helper()
	var plan struct{ Image string }
	c.SkiffJSON(&plan, "create", "--dry-run")
	name := "skiff-" + c.Name + "-broken"
	ref := fmt.Sprintf("skiff-e2e/broken-%s:%s", run.id, slug(c.T.Name()))
	c.Docker("create", "--name", name, "--network", "none", plan.Image)
	defer c.Docker("rm", "--force", "--volumes", name)
	file := c.WriteFile(filepath.Join(c.TempDir(), "replaced"), content, 0o755)
	c.Docker("cp", file, name+":"+path)
	c.Docker("commit", name, ref)
	c.Cleanup(func() { c.Docker("image", "rm", ref) })
	return ref
}

func TestComponentDoesNotStart(t *testing.T) {
	c := Own(t, 1, "A component that does not start is named, with the reason and the last that it said").NewCluster("")
	image := c.brokenImage(nodeapi.ContainerdBinary, "#!/bin/sh\necho 'the disk caught fire' >&2\nexit 3\n")
	r := c.TrySkiff("create", "--image", image, "--wait", "8s")
	c.Fails(r, exitNotReady, "containerd", "exited with code 3", "the disk caught fire", "--retain", "bundle")
	c.Gone()
}

func TestKubernetesDoesNotStart(t *testing.T) {
	c := Own(t, 1, "A process that hosts many components and does not start is named, with the reason and the last that it said").NewCluster("")
	image := c.brokenImage(nodeapi.KubernetesBinary, "#!/bin/sh\necho 'there is no such thing' >&2\nexit 4\n")
	r := c.TrySkiff("create", "--image", image, "--wait", "8s")
	c.Fails(r, exitNotReady, "kubernetes", "exited with code 4", "there is no such thing")
	c.Gone()
}

func TestNodeDoesNotStart(t *testing.T) {
	c := Own(t, 1, "A node that ends at once is a failure at once, with what it said").NewCluster("")
	image := c.brokenImage(nodeapi.NodeBinary, "#!/bin/sh\necho 'no machine here' >&2\nexit 5\n")
	r := c.TrySkiff("create", "--image", image)
	c.Fails(r, exitNotReady, c.Node(), "no machine here")
	if r.Took > eventually {
		t.Errorf("it was waited for: %s", r)
	}
	c.Gone()
}

func TestCertificateIsCorrupt(t *testing.T) {
	c := Own(t, 1, "A component that fails after a restart is named by status, with the reason; repaired, the cluster comes back").NewCluster("")
	c.Create()
	c.Kubectl("create", "configmap", "mine", "--from-literal=a=b")
	dir := t.TempDir()
	cert := nodeapi.PKIDir + "/apiserver.crt"
	c.Docker("stop", c.Node())
	c.Docker("cp", c.Node()+":"+cert, filepath.Join(dir, "good"))
	bad := c.WriteFile(filepath.Join(dir, "bad"), "this is no certificate\n", 0o600)
	c.Docker("cp", bad, c.Node()+":"+cert)
	c.Docker("start", c.Node())
	const why = "failed to find any PEM data in certificate input"
	c.Eventually("status names the API server and its certificate", func(ctx context.Context) error {
		r := skiffRun(ctx, c.env(), "status")
		return want(r.Code == exitNotReady && strings.Contains(r.Stdout, "kube-apiserver") && strings.Contains(r.Stdout, why), "%s", r)
	})
	c.Eventually("it shows the last that the process said", func(ctx context.Context) error {
		component, err := c.component(ctx, "kubernetes")
		if err != nil {
			return err
		}
		return want(len(component.LastLog) > 0, "%+v", component)
	})

	c.Step("the good certificate is put back")
	c.Docker("cp", filepath.Join(dir, "good"), c.Node()+":"+cert)
	c.Eventually("the cluster is ready", func(ctx context.Context) error {
		r := skiffRun(ctx, c.env(), "status")
		return want(r.Code == 0, "%s", r)
	})
	c.Kubectl("get", "configmap", "mine")
}
