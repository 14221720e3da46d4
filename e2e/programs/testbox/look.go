//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// runEnv prints the named variables of the environment, one a line, or all.
func runEnv(_ context.Context, names []string) error {
	if len(names) == 0 {
		fmt.Println(strings.Join(os.Environ(), "\n"))
		return nil
	}
	for _, name := range names {
		value, ok := os.LookupEnv(name)
		if !ok {
			return fmt.Errorf("%s is not set", name)
		}
		fmt.Printf("%s=%s\n", name, value)
	}
	return nil
}

// runCat prints files.
func runCat(_ context.Context, files []string) error {
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if _, err := os.Stdout.Write(data); err != nil {
			return err
		}
	}
	return nil
}

// runResolve prints the addresses of names, sorted, "name: address address". It asks once.
func runResolve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("resolve", flag.ContinueOnError)
	srv := flags.Bool("srv", false, "the names are those of services: print port and target")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, name := range flags.Args() {
		var found []string
		if *srv {
			_, records, err := net.DefaultResolver.LookupSRV(ctx, "", "", name)
			if err != nil {
				return err
			}
			for _, r := range records {
				found = append(found, fmt.Sprintf("%d %s", r.Port, r.Target))
			}
		} else {
			var err error
			if found, err = net.DefaultResolver.LookupHost(ctx, name); err != nil {
				return err
			}
		}
		slices.Sort(found)
		fmt.Printf("%s: %s\n", name, strings.Join(found, " "))
	}
	return nil
}

// runGet prints what an HTTP server answers, as often as asked, each time over a new connection.
func runGet(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("get", flag.ContinueOnError)
	count := flags.Int("count", 1, "how often")
	timeout := flags.Duration("timeout", 5*time.Second, "limit of one request")
	insecure := flags.Bool("insecure", false, "accept any certificate")
	account := flags.Bool("account", false, "use the pod's service account: its token, and its idea of who signs certificates")
	if err := flags.Parse(args); err != nil {
		return err
	}
	trust, bearer := &tls.Config{InsecureSkipVerify: *insecure}, ""
	if *account {
		var err error
		if trust.RootCAs, bearer, err = serviceAccount(); err != nil {
			return err
		}
	}
	client := &http.Client{Timeout: *timeout, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust}}
	for range *count {
		for _, url := range flags.Args() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			if bearer != "" {
				req.Header.Set("Authorization", "Bearer "+bearer)
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			_, err = io.Copy(os.Stdout, resp.Body)
			if err = errors.Join(err, resp.Body.Close()); err != nil {
				return err
			}
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("status %s", resp.Status)
			}
		}
	}
	return nil
}

// serviceAccount reads what the kubelet puts into every pod.
func serviceAccount() (*x509.CertPool, string, error) {
	const dir = "/var/run/secrets/kubernetes.io/serviceaccount/"
	token, err := os.ReadFile(dir + "token")
	if err != nil {
		return nil, "", err
	}
	pem, err := os.ReadFile(dir + "ca.crt")
	if err != nil {
		return nil, "", err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, "", errors.New("no certificate in ca.crt")
	}
	return roots, string(token), nil
}

// runScan prints the TCP ports that accept a connection, one a line.
func runScan(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("scan", flag.ContinueOnError)
	first := flags.Int("first", 1, "first port")
	last := flags.Int("last", 65535, "last port")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var (
		mu     sync.Mutex
		open   []int
		silent int
		group  sync.WaitGroup
		ports  = make(chan int)
		dialer = net.Dialer{Timeout: 2 * time.Second}
	)
	for range 100 {
		group.Go(func() {
			for port := range ports {
				conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("%s:%d", flags.Arg(0), port))
				var timeout net.Error
				mu.Lock()
				switch {
				case err == nil:
					open = append(open, port)
					_ = conn.Close()
				case errors.As(err, &timeout) && timeout.Timeout():
					silent++
				}
				mu.Unlock()
			}
		})
	}
	for port := *first; port <= *last && ctx.Err() == nil; port++ {
		ports <- port
	}
	close(ports)
	group.Wait()
	if silent > 0 {
		return fmt.Errorf("%d ports did not answer: this scan proves nothing", silent)
	}
	slices.Sort(open)
	for _, port := range open {
		fmt.Println(port)
	}
	return ctx.Err()
}
