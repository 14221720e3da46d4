//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestLogs(t *testing.T) {
	c := Shared(t, "kubectl logs shows what containers write, while they write it and after they were restarted")
	c.CreatePod(c.NewPod("printer", "print", "--lines=1000", "--every=100ms"))
	c.PodReady("printer")
	follow := c.StartKubectl("logs", "--follow", "printer")
	for _, line := range []string{"line 1\n", "line 25\n"} {
		c.Eventually("logs -f shows "+line, func(context.Context) error {
			out, errs := follow.Output()
			return want(strings.Contains(out, line), "%q %q", out, errs)
		})
	}
	c.Step("it ends when the container does")
	c.Kubectl("delete", "pod", "printer")
	if r := follow.Wait(); r.Code != 0 {
		t.Errorf("%s", r)
	}

	c.Step("the log of the container before a restart is kept")
	pod := c.NewPod("again", "crash", "1s")
	pod.Spec.RestartPolicy = "Always"
	c.CreatePod(pod)
	c.Eventually("there is a log of the first container", func(ctx context.Context) error {
		r := c.kubectl("", "logs", "--previous", "again").run(ctx)
		return want(r.Code == 0 && strings.Contains(r.Stdout, "crash, as asked"), "%s", r)
	})
}

func TestExecAttachCopy(t *testing.T) {
	c := Shared(t, "kubectl exec, attach and cp work, with input and exit codes")
	echo := c.NewPod("echo", "echo")
	echo.Spec.Containers[0].Stdin, echo.Spec.Containers[0].StdinOnce = true, true
	c.CreatePod(echo)
	c.ClientPod("box")
	c.PodReady("echo")

	c.Step("exec passes input, both outputs, and the exit code")
	if got := c.KubectlInput("a\nb\n", "exec", "--stdin", "box", "--", "/testbox", "echo"); got != "echo: a\necho: b\n" {
		t.Errorf("%q", got)
	}
	if r := c.TryKubectl("exec", "box", "--", "/testbox", "crash"); r.Code != 1 || !strings.Contains(r.Stderr, "crash, as asked") {
		t.Errorf("%s", r)
	}
	if r := c.TryKubectl("exec", "box", "--", "/nothing"); r.Code == 0 {
		t.Errorf("%s", r)
	}
	c.Step("so does the kubectl that is built in")
	if r := c.TrySkiff("kubectl", "--namespace", c.Namespace, "exec", "box", "--", "/testbox", "env", "VERSION"); r.Stdout != "VERSION=v1\n" {
		t.Errorf("%s", r)
	}

	c.Step("a megabyte passes through exec unharmed")
	var big strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&big, "%09d\n", i)
	}
	if got := c.KubectlInput(big.String(), "exec", "--stdin", "box", "--", "/testbox", "echo"); strings.ReplaceAll(got, "echo: ", "") != big.String() {
		t.Errorf("%d bytes went in, %d came back", big.Len(), len(got))
	}

	c.Step("attach reaches the process itself, which then ends")
	if got := c.KubectlInput("hello\nend\n", "attach", "--stdin", "echo"); !strings.Contains(got, "echo: hello\n") {
		t.Errorf("%q", got)
	}
	c.Ended("echo", "Succeeded")

	c.Step("cp copies a tree in and out")
	dir := t.TempDir()
	c.Must(os.MkdirAll(filepath.Join(dir, "tree", "deep"), 0o755), "make a tree")
	c.Must(os.WriteFile(filepath.Join(dir, "tree", "deep", "file"), []byte("content\n"), 0o644), "make a file")
	c.Kubectl("cp", filepath.Join(dir, "tree"), c.Namespace+"/box:/tmp/tree")
	if got := c.Exec("box", "cat", "/tmp/tree/deep/file"); got != "content\n" {
		t.Errorf("in the pod: %q", got)
	}
	c.Kubectl("cp", c.Namespace+"/box:/tmp/tree/deep/file", filepath.Join(dir, "back"))
	if got, err := os.ReadFile(filepath.Join(dir, "back")); err != nil || string(got) != "content\n" {
		t.Errorf("came back: %q, %v", got, err)
	}
}

var forwarded = regexp.MustCompile(`Forwarding from 127\.0\.0\.1:(\d+) `)

func TestPortForward(t *testing.T) {
	c := Shared(t, "kubectl port-forward reaches a pod from the host, many times over one forwarding")
	c.CreatePod(c.NewPod("server", "serve"))
	c.PodReady("server")
	forward := c.StartKubectl("port-forward", "pod/server", ":8080")
	var port string
	c.Eventually("port-forward has a port", func(context.Context) error {
		out, errs := forward.Output()
		if m := forwarded.FindStringSubmatch(out); m != nil {
			port = m[1]
		}
		return want(port != "", "%q %q", out, errs)
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 10 {
		resp, err := client.Get("http://127.0.0.1:" + port + "/")
		c.Must(err, "ask through the forwarding")
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(body) != "v1 server\n" {
			t.Fatalf("%q, %v", body, err)
		}
	}
	c.Step("and through the API's own proxy")
	if got, err := c.Raw(t.Context(), "/api/v1/namespaces/"+c.Namespace+"/pods/server:8080/proxy/"); err != nil || got != "v1 server\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestNodeMetrics(t *testing.T) {
	c := Shared(t, "The node's figures, which kubectl top and autoscalers are made from, are served and true")
	c.CreatePod(c.NewPod("user", "memory", "50"))
	c.PodReady("user")
	var summary struct {
		Node struct {
			NodeName string `json:"nodeName"`
			CPU      struct{ UsageCoreNanoSeconds uint64 }
			Memory   struct{ WorkingSetBytes uint64 }
		} `json:"node"`
		Pods []struct {
			PodRef struct{ Name, Namespace string }
			Memory struct{ WorkingSetBytes uint64 }
		} `json:"pods"`
	}
	c.Step("stats/summary counts the node, and the pod's memory")
	c.Eventually("the summary has the pod's 50 MiB", func(ctx context.Context) error {
		body, err := c.Raw(ctx, "/api/v1/nodes/"+c.Node()+"/proxy/stats/summary")
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(body), &summary); err != nil {
			return err
		}
		for _, p := range summary.Pods {
			if p.PodRef.Namespace == c.Namespace && p.Memory.WorkingSetBytes > 50<<20 && p.Memory.WorkingSetBytes < 150<<20 {
				return nil
			}
		}
		return fmt.Errorf("pods: %+v", summary.Pods)
	})
	if n := summary.Node; n.NodeName != c.Node() || n.CPU.UsageCoreNanoSeconds == 0 || n.Memory.WorkingSetBytes == 0 {
		t.Errorf("node: %+v", n)
	}
	c.Step("metrics/resource has the same for scrapers")
	c.Eventually("the pod's memory is among the metrics", func(ctx context.Context) error {
		body, err := c.Raw(ctx, "/api/v1/nodes/"+c.Node()+"/proxy/metrics/resource")
		if err != nil {
			return err
		}
		metric := `pod_memory_working_set_bytes{namespace="` + c.Namespace + `",pod="user"}`
		return want(strings.Contains(body, metric) && strings.Contains(body, "\nnode_cpu_usage_seconds_total "), "%s", clip(body))
	})
}
