//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
)

func TestProbes(t *testing.T) {
	c := Shared(t, "Probes decide when a container gets requests, and when it is started again")
	c.Apply("probes/server.yaml", nil)
	c.ClientPod("client")

	c.Step("the server gets no request before its startup probe succeeds")
	pod := c.PodReady("server")
	started := pod.Status.ContainerStatuses[0].State.Running.StartedAt
	for _, cond := range pod.Status.Conditions {
		if cond.Type == "Ready" && cond.LastTransitionTime.Sub(started.Time).Seconds() < 2 {
			t.Errorf("the pod was Ready %s after the container's start, before it could be", cond.LastTransitionTime.Sub(started.Time))
		}
	}
	addresses := c.HasEndpoints("server", 1)
	direct := "http://" + addresses[0] + ":8080"

	c.Step("a server that is not ready leaves the Service, and returns")
	c.Exec("client", "get", direct+"/unready")
	c.HasEndpoints("server", 0)
	c.Exec("client", "get", direct+"/ready")
	c.HasEndpoints("server", 1)

	c.Step("a server that is not alive is started again, in the same pod")
	c.Exec("client", "get", direct+"/break")
	c.Eventually("the container is restarted", func(ctx context.Context) error {
		p, err := c.Pod(ctx, "server")
		if err != nil {
			return err
		}
		return want(p.Status.ContainerStatuses[0].RestartCount == 1 && isReady(p), "%s", DescribePod(p))
	})
	if after := c.PodReady("server"); after.UID != pod.UID || after.Status.PodIP != pod.Status.PodIP {
		t.Error("it is another pod")
	}
	if events := c.Kubectl("get", "events", "--field-selector=reason=Unhealthy"); !strings.Contains(events, "Liveness probe failed") {
		t.Errorf("no event tells why: %s", events)
	}
}
