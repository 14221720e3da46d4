//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestJobs(t *testing.T) {
	c := Shared(t, "Jobs run to completion as often as asked, give up when told to, and run on a schedule")
	c.Apply("jobs/jobs.yaml", nil)

	c.Step("a Job runs its four pods, two at a time, each with its index")
	c.Kubectl("wait", "--for=condition=Complete", "job/four", "--timeout="+eventually.String())
	logs := c.Kubectl("logs", "--selector=job-name=four", "--tail=-1", "--max-log-requests=10")
	for _, index := range []string{"0", "1", "2", "3"} {
		if !strings.Contains(logs, "JOB_COMPLETION_INDEX="+index+"\n") {
			t.Errorf("no pod with index %s: %s", index, logs)
		}
	}

	c.Step("a Job whose pods fail gives up after its limit")
	c.Kubectl("wait", "--for=condition=Failed", "job/hopeless", "--timeout="+eventually.String())
	job, err := c.Client().BatchV1().Jobs(c.Namespace).Get(t.Context(), "hopeless", metav1.GetOptions{})
	c.Must(err, "get the job")
	if job.Status.Failed != 2 {
		t.Errorf("%d pods failed, not 2", job.Status.Failed)
	}

	c.Step("a finished Job with a time to live is removed")
	c.Kubectl("wait", "--for=delete", "job/forgotten", "--timeout="+eventually.String())

	c.Step("a CronJob starts a Job at the full minute")
	c.Eventually("the schedule has run", func(ctx context.Context) error {
		cron, err := c.Client().BatchV1().CronJobs(c.Namespace).Get(ctx, "every-minute", metav1.GetOptions{})
		if err != nil {
			return err
		}
		return want(cron.Status.LastSuccessfulTime != nil, "last scheduled: %v", cron.Status.LastScheduleTime)
	})
}
