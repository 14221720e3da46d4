// Command workload is the only program in the images that package bench makes. It runs as PID 1 of a container, on
// nothing: no shell, no files.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const usage = `usage: workload wait          do nothing until a signal comes
       workload serve         answer HTTP requests on port 8080
       workload sink          take whatever is sent to port 9000
       workload stream HOST SECONDS CONNECTIONS
                              send to a sink, then tell how much that was
       workload probe URL     ask until the name resolves and the address answers, then tell when that was`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "workload:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "wait":
		<-ctx.Done()
		return nil
	case len(args) == 1 && args[0] == "serve":
		return serve(ctx)
	case len(args) == 2 && args[0] == "probe":
		return probe(ctx, args[1])
	case len(args) == 1 && args[0] == "sink":
		return sink(ctx)
	case len(args) == 4 && args[0] == "stream":
		return stream(ctx, args[1], args[2], args[3])
	}
	return errors.New(usage)
}

// serve answers until ctx ends.
func serve(ctx context.Context) error {
	server := &http.Server{Addr: ":8080", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n") // a client that went away is the client's business
	})}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

const (
	// probePause lies between two questions: nothing tells a client that a Service begins to answer.
	probePause   = 10 * time.Millisecond
	probeTimeout = 2 * time.Minute
	// messagePath is where Kubernetes reads what a container says at its end.
	messagePath = "/dev/termination-log"
)

// probe asks until it gets an answer. It then leaves the time for whoever reads the pod's status: the reader's own
// clock would count how long the news took to travel.
func probe(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	for {
		err := ask(ctx, address)
		if err == nil {
			return os.WriteFile(messagePath, []byte(time.Now().Format(time.RFC3339Nano)), 0o600)
		}
		select {
		case <-time.After(probePause):
		case <-ctx.Done():
			message := fmt.Sprintf("no answer from %s: %v", address, err)
			return errors.Join(errors.New(message), os.WriteFile(messagePath, []byte(message), 0o600))
		}
	}
}

// ask resolves the name through the cluster's DNS, and makes one request.
func ask(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	target, err := url.Parse(address)
	if err != nil {
		return err
	}
	if _, err := net.DefaultResolver.LookupHost(ctx, target.Hostname()); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
