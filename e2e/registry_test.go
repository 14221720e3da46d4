//go:build e2e

package e2e

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestRegistries(t *testing.T) {
	s := Own(t, 1, "Nodes pull images as the cluster file says: through mirrors, without TLS, from registries with an authority of their own")
	const repository, tag = "team/testbox", "v1"
	cert, authority := s.NewAuthority(s.hostAddress())
	plain := s.NewRegistry(repository, tag, nil)
	trusted, unverified, unknown := s.NewRegistry(repository, tag, cert), s.NewRegistry(repository, tag, cert), s.NewRegistry(repository, tag, cert)
	c := s.NewCluster("")
	c.CreateFrom("registry/cluster.yaml", Vars{
		"Plain": plain.Address, "Trusted": trusted.Address, "Unverified": unverified.Address,
		"Closed": c.hostAddress() + ":" + strconv.Itoa(c.freePort()),
		"CA":     c.WriteFile(filepath.Join(t.TempDir(), "ca.pem"), string(authority), 0o600),
	})
	puller := func(name, image string) *corev1.Pod {
		pod := c.NewPod(name, "env", "VERSION")
		pod.Spec.Containers[0].Image, pod.Spec.Containers[0].ImagePullPolicy = image, corev1.PullAlways
		return pod
	}

	for _, from := range []struct{ name, step, image string }{
		{"mirror", "through a mirror, after one that does not answer", "images.example.test/" + repository + ":" + tag},
		{"digest", "through a mirror, by digest", "images.example.test/" + repository + "@" + plain.Digest},
		{"plain", "from a registry without TLS", plain.Address + "/" + repository + ":" + tag},
		{"trusted", "from a registry with an authority of its own", trusted.Address + "/" + repository + ":" + tag},
		{"unverified", "from a registry that is not to be verified", unverified.Address + "/" + repository + ":" + tag},
	} {
		c.Step("an image comes %s", from.step)
		if got := c.Output(puller(from.name, from.image)); got != "VERSION=pulled\n" {
			t.Errorf("%s: %q", from.image, got)
		}
	}
	if asked := plain.Requests(); !strings.Contains(asked, "ns=images.example.test") {
		t.Errorf("the mirror was not asked on behalf of the registry:\n%s", asked)
	}

	c.Step("what is not there, and what nobody vouches for, is not pulled, and the pod says why")
	for _, bad := range []struct{ name, image, why string }{
		{"missing", "images.example.test/team/missing:v1", ""},
		{"missing-tag", plain.Address + "/" + repository + ":v2", "not found"},
		{"unknown", unknown.Address + "/" + repository + ":" + tag, "certificate signed by unknown authority"},
	} {
		c.CreatePod(puller(bad.name, bad.image))
		said := false
		c.Eventually("pod "+bad.name+" is in ImagePullBackOff", func(ctx context.Context) error {
			p, err := c.Pod(ctx, bad.name)
			if err != nil {
				return err
			}
			text := DescribePod(p)
			said = said || strings.Contains(text, bad.why)
			return want(said && strings.Contains(text, "ImagePullBackOff"), "%s", text)
		})
	}

	c.Step("containerd has the runtime that a patch of its configuration adds")
	_, err := c.Client().NodeV1().RuntimeClasses().Create(t.Context(), &nodev1.RuntimeClass{
		ObjectMeta: metav1.ObjectMeta{Name: "other"}, Handler: "other",
	}, metav1.CreateOptions{})
	c.Must(err, "create a runtime class")
	pod := puller("other", plain.Address+"/"+repository+":"+tag)
	pod.Spec.RuntimeClassName = new("other")
	if got := c.Output(pod); got != "VERSION=pulled\n" {
		t.Errorf("%q", got)
	}
}
