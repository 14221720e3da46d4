//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestLoad(t *testing.T) {
	c := Shared(t, "Images get into a node from Docker, from a file and from a pipe, without a registry")
	repository := "e2e.example/load/" + c.Namespace
	use := func(name, ref, version string) {
		t.Helper()
		pod := c.NewPod(name, "env", "VERSION")
		pod.Spec.Containers[0].Image = ref
		pod.Spec.Containers[0].ImagePullPolicy = corev1.PullNever
		if got := c.Output(pod); got != "VERSION="+version+"\n" {
			t.Errorf("%s: %q", ref, got)
		}
	}
	c.Step("from Docker, with the same layers as an image that is there already")
	use("from-docker", Image(2), "v2")

	c.Step("from an archive that Docker never saw")
	file, ref := filepath.Join(t.TempDir(), "image.tar"), repository+":file"
	c.Must(WriteImage(file, ref, "VERSION=file"), "write an archive")
	c.Skiff("load", "--archive", file)
	use("from-file", ref, "file")

	c.Step("from a pipe")
	ref = repository + ":pipe"
	c.Must(WriteImage(file, ref, "VERSION=pipe"), "write an archive")
	archive, err := os.ReadFile(file)
	c.Must(err, "read the archive")
	if r := (command{env: c.env(), stdin: string(archive), args: []string{run.skiff, "load", "--archive", "-"}}).run(t.Context()); r.Code != 0 {
		t.Fatalf("%s", r)
	}
	use("from-pipe", ref, "pipe")

	c.Step("a new image under an old name replaces it")
	c.Must(WriteImage(file, ref, "VERSION=newer"), "write an archive")
	c.Skiff("load", "--archive", file)
	use("newer", ref, "newer")

	c.Step("what cannot be loaded is refused, with its name and a way out")
	for _, bad := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"load", "no-such-image:1"}, 3, "no-such-image:1"},
		{[]string{"load", "--archive", file + ".missing"}, 3, "image.tar.missing"},
		{[]string{"load", "--archive", os.DevNull}, 2, "archive"},
		{[]string{"load", "--archive", run.skiff}, 2, "docker save -o FILE IMAGE"},
		{[]string{"load"}, 2, "--help"},
	} {
		if r := c.TrySkiff(bad.args...); r.Code != bad.code || !strings.Contains(r.Stderr, bad.says) {
			t.Errorf("want code %d and %q: %s", bad.code, bad.says, r)
		}
	}

	c.Step("a pod whose image is nowhere says so, and runs once it is there")
	ref = repository + ":late"
	pod := c.NewPod("late", "env", "VERSION")
	pod.Spec.Containers[0].Image, pod.Spec.Containers[0].ImagePullPolicy = ref, corev1.PullNever
	c.CreatePod(pod)
	c.Kubectl("wait", "pod/late", "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ErrImageNeverPull", "--timeout="+eventually.String())
	c.Must(WriteImage(file, ref, "VERSION=late"), "write an archive")
	c.Skiff("load", "--archive", file)
	c.Eventually("pod late succeeds", func(ctx context.Context) error {
		p, err := c.Pod(ctx, "late")
		if err != nil {
			return err
		}
		return want(p.Status.Phase == corev1.PodSucceeded, "%s", DescribePod(p))
	})
}
