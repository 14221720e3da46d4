//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// requestStats is what a client counted so far.
type requestStats struct {
	mu       sync.Mutex
	Requests int            `json:"requests"`
	Failures int            `json:"failures"`
	Errors   []string       `json:"errors,omitempty"` // the first few
	Versions map[string]int `json:"versions"`         // first word of the answer, to how often
}

func (s *requestStats) add(version string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Requests++
	if err == nil {
		s.Versions[version]++
		return
	}
	s.Failures++
	if len(s.Errors) < 10 {
		s.Errors = append(s.Errors, err.Error())
	}
}

// runRequests asks a URL without a pause until it is told to end, half of it over one connection each and half
// over a new connection for every request, and serves its count at /stats.
func runRequests(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("requests", flag.ContinueOnError)
	url := flags.String("url", "", "what to ask")
	workers := flags.Int("workers", 4, "how many ask at once")
	interval := flags.Duration("interval", 5*time.Millisecond, "pause of one worker between two requests")
	addr := flags.String("addr", ":8080", "address to serve the count on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	stats := &requestStats{Versions: map[string]int{}}
	for i := range *workers {
		client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
		go ask(ctx, client, *url, *interval, stats)
	}
	http.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		stats.mu.Lock()
		defer stats.mu.Unlock()
		_ = json.NewEncoder(w).Encode(stats)
	})
	server := &http.Server{Addr: *addr}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Println("asking", *url)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func ask(ctx context.Context, client *http.Client, url string, interval time.Duration, stats *requestStats) {
	for ctx.Err() == nil {
		version, err := askOnce(client, url)
		if err != nil {
			err = fmt.Errorf("%s: %w", time.Now().UTC().Format("15:04:05.000"), err)
		}
		stats.add(version, err)
		time.Sleep(interval)
	}
}

func askOnce(client *http.Client, url string) (string, error) {
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %s", resp.Status)
	}
	version, _, _ := strings.Cut(strings.TrimSpace(string(body)), " ")
	return version, nil
}
