package component

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
)

// once is the restart policy of everything in this process: upstream code registers metrics, handlers and
// feature gates globally and cannot run twice. A failure ends the process, and PID 1 starts it anew.
var once = supervise.Restart{GiveUpAfter: 1}

// awaitClosed is a Ready function that waits for a channel; what says for what, if ctx ends first.
func awaitClosed(ch <-chan struct{}, what string) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-ch:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("waited for %s", what)
		}
	}
}

// isClosed is true if a channel on which nothing is sent was closed.
func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// probeInterval is how often an endpoint of this process is asked whether it serves yet. Upstream offers
// no event for it.
const probeInterval = 20 * time.Millisecond

// awaitHTTP is a Ready function that waits until a GET answers 200.
func awaitHTTP(url string) func(context.Context) error { return awaitWord(url, "", probeInterval) }

// awaitWord is a Ready function that waits until a GET answers 200, with a word in what it says.
func awaitWord(url, word string, interval time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		// One connection for all questions: a handshake for each would be felt while everything else starts.
		client := probeClient(true)
		defer client.CloseIdleConnections()
		probe := probe(client, url, word)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			err := probe(ctx)
			if err == nil {
				return nil
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return err
			}
		}
	}
}

// probeHTTP is a Healthy function: one GET that must answer 200. The server is this process itself, on an
// address of this node, so its certificate tells nothing that the address does not.
func probeHTTP(url string) func(context.Context) error { return probe(probeClient(false), url, "") }

func probeClient(keepAlive bool) *http.Client {
	return &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			// A session that is resumed saves both sides the signatures of a handshake.
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)},
			DisableKeepAlives: !keepAlive,
		},
	}
}

func probe(client *http.Client, url, word string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // to the end: the connection is used again
		if resp.StatusCode == http.StatusOK {
			if !strings.Contains(string(body), word) {
				return fmt.Errorf("%s does not say %q yet", url, word)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %s", url, resp.Status)
		}
		return fmt.Errorf("%s: %s: %s", url, resp.Status, failedChecks(string(body)))
	}
}

// failedChecks keeps the lines of a verbose /readyz that failed.
func failedChecks(body string) string {
	var failed []string
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "[-]") {
			failed = append(failed, strings.TrimSpace(strings.TrimPrefix(line, "[-]")))
		}
	}
	if len(failed) == 0 {
		return strings.TrimSpace(body)
	}
	return strings.Join(failed, ", ")
}

// moduleVersion is the version of a module that this binary was built with.
func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == path {
			if m.Replace != nil {
				m = m.Replace
			}
			return m.Version
		}
	}
	return ""
}
