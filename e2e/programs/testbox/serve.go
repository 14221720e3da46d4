//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// health is what a server answers to probes; requests change it.
type health struct{ started, ready, live atomic.Bool }

func (h *health) probe(state *atomic.Bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if !state.Load() {
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}

func set(state *atomic.Bool, to bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		state.Store(to)
		fmt.Fprintln(w, "done")
	}
}

// runServe answers HTTP until it is told to end, and then finishes as a good server does: it goes on answering
// for a while, because proxies learn late that it is leaving, and then lets open requests end.
func runServe(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	addr := flags.String("addr", ":8080", "address to listen on")
	startup := flags.Duration("startup", 0, "time until the startup probe succeeds")
	drain := flags.Duration("drain", 0, "time to go on answering after SIGTERM")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var h health
	h.ready.Store(true)
	h.live.Store(true)
	time.AfterFunc(*startup, func() { h.started.Store(true) })

	mux := http.NewServeMux()
	mux.HandleFunc("/startupz", h.probe(&h.started))
	mux.HandleFunc("/readyz", h.probe(&h.ready))
	mux.HandleFunc("/livez", h.probe(&h.live))
	mux.HandleFunc("/unready", set(&h.ready, false))
	mux.HandleFunc("/ready", set(&h.ready, true))
	mux.HandleFunc("/break", set(&h.live, false))
	mux.HandleFunc("/client", func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintln(w, host)
	})
	mux.HandleFunc("/exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.URL.Query().Get("code"))
		fmt.Println("exit, as asked")
		os.Exit(code)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		name, _ := os.Hostname()
		fmt.Fprintf(w, "%s %s\n", os.Getenv("VERSION"), name)
	})

	server := &http.Server{Addr: *addr, Handler: mux}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	fmt.Println("serving on", *addr)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	fmt.Println("told to end")
	h.ready.Store(false)
	time.Sleep(*drain)
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return err
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	fmt.Println("ended well")
	return nil
}
