// Command pod is what runs in the scenario's pods and containers:
//
//	pod serve        answers every HTTP request with the pod's name, on port 8080
//	pod get URL      prints what a server answers, and keeps asking for a minute
//	pod limits       prints what the container's own cgroup allows, as JSON
//	pod eat          takes memory until something stops it
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pod:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "serve":
		return serve()
	case len(args) == 2 && args[0] == "get":
		return get(args[1])
	case len(args) == 1 && args[0] == "limits":
		return limits()
	case len(args) == 1 && args[0] == "eat":
		return eat()
	}
	return errors.New("usage: pod serve|get URL|limits|eat")
}

func serve() error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr:              ":8080",
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "hello from %s\n", name)
		}),
	}
	return server.ListenAndServe()
}

// get asks again because a Service's rules follow its endpoints with a short delay.
func get(url string) error {
	client := &http.Client{Timeout: 10 * time.Second}
	deadline := time.Now().Add(time.Minute)
	for {
		err := getOnce(client, url)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		fmt.Fprintln(os.Stderr, "pod: again, because:", err)
		time.Sleep(time.Second)
	}
}

func getOnce(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}

func limits() error {
	found := map[string]string{}
	for _, name := range []string{"memory.max", "cpu.max", "pids.max"} {
		data, err := os.ReadFile("/sys/fs/cgroup/" + name)
		if err != nil {
			return err
		}
		found[name] = strings.TrimSpace(string(data))
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// eat writes to every page of a gibibyte, and fails if it was allowed to.
func eat() error {
	const chunk = 4 << 20
	var kept [][]byte
	for range (1 << 30) / chunk {
		block := make([]byte, chunk)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		kept = append(kept, block)
	}
	return fmt.Errorf("%d MiB taken, and nothing stopped it", len(kept)*chunk>>20)
}
