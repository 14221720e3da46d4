package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// newClient returns an HTTP client with a connection of its own, HTTP/2 and TLS.
func newClient() *http.Client {
	_, roots := certificate()
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "example.com"},
			ForceAttemptHTTP2: true,
		},
	}
}

// get makes a request and returns the body.
func get(c *http.Client, address string) (string, error) {
	answer, err := c.Get("https://" + address + "/api")
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && (answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2) {
		err = errors.New(answer.Proto + " " + answer.Status)
	}
	return string(body), err
}

// TestRequests has clients make requests while the servers die one after the other, each in another way, until one is
// left; then they come back, and that one dies. A request may be tried twice.
func TestRequests(t *testing.T) {
	_, roots := certificate()
	var servers []*server
	var targets []Target
	for i := range 5 {
		s := startServer(t, fmt.Sprintf("server-%d", i+1), "127.0.0.1:0")
		servers = append(servers, s)
		targets = append(targets, Target{s.name, s.address()})
	}
	f := serve(t, Config{Check: HTTPS("/readyz", "example.com", roots)}, targets...)
	for _, s := range servers {
		f.await(t, s.name, StateHealthy)
	}

	done := make(chan struct{})
	var workers sync.WaitGroup
	finish := sync.OnceFunc(func() { close(done); workers.Wait() })
	defer finish()
	var requests, retries atomic.Int64
	for i := range 8 {
		workers.Go(func() {
			client := newClient()
			// Half keep their connection, as clients that watch; half come anew each time, as kubectl does.
			client.Transport.(*http.Transport).DisableKeepAlives = i%2 == 0
			defer client.CloseIdleConnections()
			for {
				select {
				case <-done:
					return
				default:
				}
				requests.Add(1)
				_, first := get(client, f.address)
				if first == nil {
					continue
				}
				retries.Add(1)
				client.CloseIdleConnections()
				if _, err := get(client, f.address); err != nil {
					t.Errorf("failed twice: %v; then %v", first, err)
				}
			}
		})
	}
	// progress waits until there have been so many more requests.
	progress := func(n int64) {
		for until := requests.Load() + n; requests.Load() < until && !t.Failed(); {
			time.Sleep(time.Millisecond) // nobody tells of a request
		}
	}
	progress(100)
	for _, death := range []struct {
		server *server
		die    func()
		state  State
	}{
		{servers[0], servers[0].kill, StateDown},
		{servers[1], servers[1].freeze, StateDown},
		{servers[2], func() { servers[2].cut(t, true) }, StateDown},
		{servers[3], func() { servers[3].stop(context.Background()) }, StateDown},
		// The dead come back, and the last one dies.
		{servers[0], func() { servers[0] = startServer(t, "server-1", targets[0].Address) }, StateHealthy},
		{servers[1], servers[1].thaw, StateHealthy},
		{servers[2], func() { servers[2].cut(t, false) }, StateHealthy},
		{servers[4], func() { servers[4].notReady.Store(true) }, StateDown},
		{servers[4], servers[4].kill, StateDown},
	} {
		before := requests.Load()
		death.die()
		f.await(t, death.server.name, death.state)
		progress(100)
		t.Logf("%s is %s: %d requests, %d tried again so far", death.server.name, death.state, requests.Load()-before, retries.Load())
	}
	finish()
	if retries.Load() == 0 {
		t.Error("nothing had to be tried again: was there a fault at all?")
	}
	for i, s := range servers {
		if s.requests.Load() == 0 {
			t.Errorf("server %d got no requests", i+1)
		}
	}
}
