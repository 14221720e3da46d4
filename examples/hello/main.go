// Command hello is a small HTTP server, for trying a cluster out. It greets with the name of its pod, so that one
// sees which of several answers.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := serve(ctx, ":8080"); err != nil {
		slog.Error("cannot serve", "err", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

// serve answers until ctx ends, and then lets open requests end.
func serve(ctx context.Context, addr string) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "Hello from %s!\n", name) })
	server := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	slog.Info("serving", "addr", addr)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	// The cluster learns a moment late that this pod is leaving; who still comes is answered.
	time.Sleep(2 * time.Second)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return err
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
