//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
)

func TestConfigMapsAndSecrets(t *testing.T) {
	c := Shared(t, "Pods read ConfigMaps and Secrets as variables and as files, and see files change")
	c.Step("a pod has both as variables and as files")
	c.Apply("config/pod.yaml", nil)
	c.PodReady("reader")
	env := c.Exec("reader", "env", "COLOUR", "TOKEN", "POD_IP", "ALL_size")
	pod, err := c.Pod(t.Context(), "reader")
	c.Must(err, "get the pod")
	if want := "COLOUR=blue\nTOKEN=s3cret\nPOD_IP=" + pod.Status.PodIP + "\nALL_size=10\n"; env != want {
		t.Errorf("variables:\n%swant:\n%s", env, want)
	}
	if files := c.Exec("reader", "cat", "/config/colour", "/secret/token", "/all/labels"); !strings.HasPrefix(files, "blues3cret") ||
		!strings.Contains(files, `scenario="reader"`) {
		t.Errorf("files: %s", files)
	}

	c.Step("the objects change, and so do the files of the running pod, without a restart")
	c.Apply("config/changed.yaml", nil)
	// The kubelet looks again once a minute or so; that is upstream's design.
	c.EventuallyWithin(2*eventually, "the files change", func(ctx context.Context) error {
		files, err := c.TryExec(ctx, "reader", "cat", "/config/colour", "/secret/token")
		if err != nil {
			return err
		}
		return want(files == "reds3cret-2", "they are %q", files)
	})
	if pod := c.PodReady("reader"); pod.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Error("the container was restarted")
	}

	c.Step("a Secret's value is nowhere in what describe prints")
	if text := c.Kubectl("describe", "secret", "keys"); strings.Contains(text, "s3cret") {
		t.Error(text)
	}

	c.Step("an immutable ConfigMap refuses a change")
	r := c.TryKubectl("patch", "configmap", "fixed", "--patch", `{"data":{"a":"2"}}`)
	if r.Code == 0 || !strings.Contains(r.Stderr, "immutable") {
		t.Errorf("%s", r)
	}
}
