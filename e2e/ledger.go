//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// ledger is a list of what a cluster has acknowledged: ConfigMaps that were written, and deleted, all the time, by
// clients that use the address in the kubeconfig. What is in it must be so for ever.
type ledger struct {
	mu       sync.Mutex
	next     int
	there    map[string]string // name to the value that was acknowledged
	gone     map[string]bool   // whose deletion was acknowledged
	attempts int
	lastErr  error
}

func newLedger() *ledger { return &ledger{there: map[string]string{}, gone: map[string]bool{}} }

const (
	ledgerLabel = "ledger"
	// ledgerWriters write at the same time, so that one that waits for an answer does not leave a gap.
	ledgerWriters = 2
	// ledgerPace is the pause of one writer between two writes: a cluster is to be written to, not to be filled.
	ledgerPace = 50 * time.Millisecond
	// ledgerPatience is how long a writer waits for an answer.
	ledgerPatience = 15 * time.Second
)

// keep writes until the returned function is called, which waits for the last answer.
func (l *ledger) keep(ctx context.Context, c *Cluster) (stop func()) {
	c.Helper()
	ctx, cancel := context.WithCancel(ctx)
	var writing sync.WaitGroup
	for range ledgerWriters {
		config := c.Config()
		config.Timeout = ledgerPatience
		client, err := kubernetes.NewForConfig(config)
		c.Must(err, "make a client")
		writing.Go(func() {
			for ctx.Err() == nil {
				l.write(ctx, client, c.Namespace)
				select {
				case <-time.After(ledgerPace):
				case <-ctx.Done():
				}
			}
		})
	}
	return func() {
		cancel()
		writing.Wait()
	}
}

// write writes one entry, and of every tenth it deletes the one before it again.
func (l *ledger) write(ctx context.Context, client kubernetes.Interface, namespace string) {
	l.mu.Lock()
	n := l.next
	l.next++
	l.attempts++
	l.mu.Unlock()
	name, value, maps := entryName(n), randomHex(8), client.CoreV1().ConfigMaps(namespace)
	_, err := maps.Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{ledgerLabel: "entry"}},
		Data:       map[string]string{"value": value},
	}, metav1.CreateOptions{})
	l.mu.Lock()
	if err == nil {
		l.there[name] = value
	} else if ctx.Err() == nil {
		l.lastErr = err
	}
	before := entryName(n - 1)
	_, there := l.there[before]
	remove := n%10 == 0 && there
	if remove {
		delete(l.there, before) // whatever comes of it
	}
	l.mu.Unlock()
	if !remove {
		return
	}
	err = maps.Delete(ctx, before, metav1.DeleteOptions{})
	if err == nil || apierrors.IsNotFound(err) {
		l.mu.Lock()
		l.gone[before] = true
		l.mu.Unlock()
	}
}

func entryName(n int) string { return fmt.Sprintf("entry-%06d", n) }

// count is how many writes were acknowledged so far.
func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.there) + 2*len(l.gone)
}

// goesOn waits until some more writes were acknowledged.
func (l *ledger) goesOn(c *Cluster) {
	c.Helper()
	const writes = 10
	before := l.count()
	c.Eventually(fmt.Sprintf("%d more writes are acknowledged", writes), func(context.Context) error {
		now := l.count()
		l.mu.Lock()
		defer l.mu.Unlock()
		return want(now >= before+writes, "%d were; the last that failed: %v", now-before, l.lastErr)
	})
}

// check fails the scenario unless all that was acknowledged is so.
func (l *ledger) check(c *Cluster) {
	c.Helper()
	l.mu.Lock()
	there, gone, attempts := maps.Clone(l.there), maps.Clone(l.gone), l.attempts
	l.mu.Unlock()
	found := map[string]string{}
	c.Eventually("the entries can be listed", func(ctx context.Context) error {
		list, err := c.Client().CoreV1().ConfigMaps(c.Namespace).List(ctx, metav1.ListOptions{LabelSelector: ledgerLabel})
		if err != nil {
			return err
		}
		for _, m := range list.Items {
			found[m.Name] = m.Data["value"]
		}
		return nil
	})
	l.mu.Lock()
	now := maps.Clone(l.there) // the writers go on, and delete
	l.mu.Unlock()
	var lost []error
	for name, value := range there {
		if _, is := now[name]; is && found[name] != value {
			lost = append(lost, fmt.Errorf("%s: %q was acknowledged, there is %q", name, value, found[name]))
		}
	}
	for name := range gone {
		if value, is := found[name]; is {
			lost = append(lost, fmt.Errorf("%s was deleted, and is there: %q", name, value))
		}
	}
	if len(lost) > 0 {
		c.Errorf("%d acknowledged writes are lost: %v", len(lost), errors.Join(lost[:min(len(lost), 10)]...))
	}
	c.Step("of %d writes, %d were acknowledged, and %d deletions: all is so", attempts, len(there)+len(gone), len(gone))
}

// seenBy fails if a watch has not seen all that is there.
func (l *ledger) seenBy(seen *sync.Map) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	missing := 0
	for name := range l.there {
		if _, ok := seen.Load(name); !ok {
			missing++
		}
	}
	return want(missing == 0, "%d of %d entries were not seen", missing, len(l.there))
}
