//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Engine is a stand-in for Docker: what answers at its address is a handler of the scenario's.
type Engine struct {
	// Host is its address, as DOCKER_HOST has it.
	Host string
	// Socket is the path of its socket.
	Socket string
}

// NewEngine starts a stand-in that ends with the scenario.
func (s *Scenario) NewEngine(handler http.Handler) *Engine {
	s.Helper()
	socket := filepath.Join(s.PublicDir(), "docker.sock")
	listener, err := net.Listen("unix", socket)
	s.Must(err, "listen in place of Docker")
	server := &http.Server{Handler: handler}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	s.Cleanup(func() {
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			s.Errorf("the stand-in for Docker: %v", err)
		}
	})
	return &Engine{Host: "unix://" + socket, Socket: socket}
}

// env points skiff at the stand-in.
func (e *Engine) env(c *Cluster) []string {
	return append(c.env(), "DOCKER_HOST="+e.Host, "DOCKER_CONTEXT=")
}

// RealEngine passes requests on to the real Docker.
func (s *Scenario) RealEngine() http.Handler {
	s.Helper()
	network, address := engineAddress(s)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "docker"})
		},
		Transport:     &http.Transport{DialContext: dial},
		FlushInterval: -1, // progress and events are streams
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprintln(w, err)
		},
	}
	s.Cleanup(proxy.Transport.(*http.Transport).CloseIdleConnections)
	return proxy
}

// engineAddress is where the real Docker listens.
func engineAddress(s *Scenario) (network, address string) {
	s.Helper()
	host := strings.TrimSpace(s.Docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}"))
	u, err := url.Parse(host)
	s.Must(err, "understand Docker's address")
	switch u.Scheme {
	case "unix":
		return "unix", u.Path
	case "tcp":
		return "tcp", u.Host
	}
	s.Skipf("this scenario stands between skiff and Docker, and cannot reach Docker at %s", host)
	return "", ""
}

// Intercept answers some requests itself: those for which answer returns true.
func Intercept(next http.Handler, answer func(http.ResponseWriter, *http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answer(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

// asks is true for a request with a method for a path that ends so, whatever the version of the API.
func asks(r *http.Request, method, suffix string) bool {
	return r.Method == method && strings.HasSuffix(r.URL.Path, suffix)
}

// refuse answers as Docker does when it fails. It takes the body first, as Docker does.
func refuse(w http.ResponseWriter, r *http.Request, code int, message string) bool {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, "{\"message\":%q}\n", message)
	return true
}

// PublicDir returns a new directory that every user may look into; a scenario's own is for its user only.
func (s *Scenario) PublicDir() string {
	s.Helper()
	dir, err := os.MkdirTemp(os.TempDir(), "skiff-e2e-"+run.id+"-")
	s.Must(err, "make a directory")
	s.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			s.Error(err)
		}
	})
	s.Must(os.Chmod(dir, 0o755), "open the directory to all")
	return dir
}

// AsNobody runs skiff as a user without rights, who cannot write where the scenario's own user can. Root becomes
// another user for that; anybody else has none that matter to the files of a scenario with modes that forbid.
func (s *Scenario) AsNobody(env []string, args ...string) Result {
	s.Helper()
	all := append([]string{run.skiff}, args...)
	if os.Getuid() == 0 {
		program := filepath.Join(s.PublicDir(), "skiff")
		s.Must(copyFile(program, run.skiff, 0o755), "copy skiff to where everybody can run it")
		all[0] = program
		all = append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, all...)
	}
	return command{env: append([]string{"HOME=/nonexistent"}, env...), args: all}.run(s.Context())
}

func copyFile(to, from string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// within is a limit for what must happen at once. It is generous, as [eventually] is.
const within = 20 * time.Second
