//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
)

// requestStats is what `testbox requests` counted.
type requestStats struct {
	Requests int            `json:"requests"`
	Failures int            `json:"failures"`
	Errors   []string       `json:"errors"`
	Versions map[string]int `json:"versions"`
}

func TestRollingUpdate(t *testing.T) {
	c := Shared(t, "A rolling update under constant requests loses none of them")
	c.Apply("rollout/web.yaml", Vars{"WebImage": Image(1)})
	c.RolledOut("deployment/web")
	c.Step("a client asks without a pause, over kept and over new connections")
	c.Apply("rollout/client.yaml", nil)
	c.PodReady("client")
	c.answersOf("v1", 200)

	c.Step("version 2 replaces version 1")
	c.Apply("rollout/web.yaml", Vars{"WebImage": Image(2)})
	c.RolledOut("deployment/web")
	c.answersOf("v2", 200)

	c.Step("and is rolled back")
	c.Kubectl("rollout", "undo", "deployment/web")
	c.RolledOut("deployment/web")
	before := c.requestStats(t.Context()).Versions["v1"]
	c.answersOf("v1", before+200)

	stats := c.requestStats(t.Context())
	c.Logf("%d requests: %v", stats.Requests, stats.Versions)
	if stats.Failures != 0 {
		t.Errorf("%d of %d requests failed, among them: %q", stats.Failures, stats.Requests, stats.Errors)
	}
}

// answersOf waits until a version has answered so many requests.
func (c *Cluster) answersOf(version string, count int) {
	c.Helper()
	c.Eventually(fmt.Sprintf("version %s answers %d requests", version, count), func(ctx context.Context) error {
		stats := c.requestStats(ctx)
		return want(stats.Versions[version] >= count, "%+v", stats)
	})
}

func (c *Cluster) requestStats(ctx context.Context) (stats requestStats) {
	c.Helper()
	body, err := c.Raw(ctx, "/api/v1/namespaces/"+c.Namespace+"/pods/client:8080/proxy/stats")
	c.Must(err, "ask the client for its count")
	c.Must(json.Unmarshal([]byte(body), &stats), "read the count")
	return stats
}
