package docker

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/connhelper"
	dcontext "github.com/docker/cli/cli/context"
	"github.com/docker/cli/cli/context/store"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/tlsconfig"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// contextEndpoint is the name of the engine's endpoint in a Docker context.
const contextEndpoint = "docker"

// endpoint is where an engine is, how to talk to it, and who said so.
type endpoint struct {
	host    string // "unix:///var/run/docker.sock"
	context string // the Docker context that named it, or ""
	fromEnv bool   // DOCKER_HOST named it
	tls     *dcontext.TLSData
	noCheck bool // of the certificate it shows
	headers map[string]string
	warning string
}

// findEndpoint does what the docker command does, in its order: DOCKER_HOST, DOCKER_CONTEXT, the current context
// of Docker's configuration, the default socket. Where that does not exist and a rootless engine's does, it takes
// the latter: docker's own set-up script for rootless engines asks for DOCKER_HOST, which is easily forgotten.
func findEndpoint() (endpoint, error) {
	dir := cmp.Or(os.Getenv("DOCKER_CONFIG"), config.Dir())
	var ep endpoint
	file, err := config.Load(dir)
	if err != nil {
		// docker goes on with its defaults, and says so.
		ep.warning = fmt.Sprintf("Docker's configuration in %s cannot be read and is ignored: %v", dir, err)
	}
	name := ""
	if file != nil {
		ep.headers = file.HTTPHeaders
		name = file.CurrentContext
	}
	name = cmp.Or(os.Getenv("DOCKER_CONTEXT"), name)
	if os.Getenv("DOCKER_HOST") == "" && name != "" && name != "default" {
		return ep.fromContext(filepath.Join(dir, "contexts"), name)
	}
	return ep.fromEnvironment(dir)
}

// fromContext completes an endpoint with what a Docker context says.
func (ep endpoint) fromContext(dir, name string) (endpoint, error) {
	s := store.New(dir, store.NewConfig(func() any { return &map[string]any{} },
		store.EndpointTypeGetter(contextEndpoint, func() any { return &dcontext.EndpointMetaBase{} })))
	refuse := func(err error) (endpoint, error) {
		return endpoint{}, &fault.Error{Code: fault.DockerUnreachable, Summary: fmt.Sprintf("the Docker context %q cannot be used", name),
			Hint: "See which there are with 'docker context ls', and choose one with 'docker context use NAME' or DOCKER_CONTEXT.", Cause: err}
	}
	meta, err := s.GetMetadata(name)
	if err != nil {
		return refuse(err)
	}
	base, ok := meta.Endpoints[contextEndpoint].(dcontext.EndpointMetaBase)
	if !ok {
		return refuse(errors.New("it names no Docker engine"))
	}
	ep.context, ep.noCheck = name, base.SkipTLSVerify
	ep.host = cmp.Or(base.Host, client.DefaultDockerHost)
	if ep.tls, err = dcontext.LoadTLSData(s, name, contextEndpoint); err != nil {
		return refuse(err)
	}
	return ep, nil
}

// fromEnvironment completes an endpoint with what the environment says: DOCKER_HOST, and DOCKER_TLS_VERIFY,
// DOCKER_TLS and DOCKER_CERT_PATH as docker reads them.
func (ep endpoint) fromEnvironment(configDir string) (endpoint, error) {
	useTLS := os.Getenv("DOCKER_TLS_VERIFY") != "" || os.Getenv("DOCKER_TLS") != ""
	ep.host = os.Getenv("DOCKER_HOST")
	ep.fromEnv = ep.host != ""
	switch {
	case ep.fromEnv:
		ep.host = completeHost(ep.host, useTLS)
	case useTLS:
		ep.host = completeHost("localhost", useTLS)
	default:
		ep.host = defaultHost(client.DefaultDockerHost)
	}
	if !useTLS || isSocket(ep.host) {
		return ep, nil
	}
	ep.noCheck = os.Getenv("DOCKER_TLS_VERIFY") == ""
	dir := cmp.Or(os.Getenv("DOCKER_CERT_PATH"), configDir)
	data, err := dcontext.TLSDataFromFiles(filepath.Join(dir, "ca.pem"), ifExists(filepath.Join(dir, "cert.pem")), ifExists(filepath.Join(dir, "key.pem")))
	if err != nil && (!ep.noCheck || !errors.Is(err, fs.ErrNotExist)) {
		return endpoint{}, &fault.Error{Code: fault.DockerUnreachable, Summary: "the certificates for Docker's TLS endpoint cannot be read",
			Hint: "Set DOCKER_CERT_PATH to the directory of ca.pem, cert.pem and key.pem, or unset DOCKER_TLS_VERIFY.", Cause: err}
	}
	ep.tls = data
	return ep, nil
}

// ifExists returns path, or "" if there is nothing: client certificates are optional.
func ifExists(path string) string {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return path
}

// defaultHost is the engine that is meant when nothing names one: the standard one, or a rootless engine's.
func defaultHost(standard string) string {
	socket, ok := strings.CutPrefix(standard, "unix://")
	runtimeDir := os.Getenv("XDG_RUNTIME_DIR")
	if !ok || runtimeDir == "" || ifExists(socket) != "" {
		return standard
	}
	rootless := filepath.Join(runtimeDir, "docker.sock")
	if ifExists(rootless) == "" {
		return standard
	}
	return "unix://" + rootless
}

// completeHost adds what docker adds to a host: the scheme, and for TCP the port.
func completeHost(host string, useTLS bool) string {
	scheme, addr, ok := strings.Cut(strings.TrimSpace(host), "://")
	if !ok {
		scheme, addr = "tcp", strings.TrimSpace(host)
	}
	if scheme != "tcp" {
		return scheme + "://" + addr
	}
	addr, path, hasPath := strings.Cut(addr, "/")
	name, port, err := net.SplitHostPort(addr)
	if err != nil {
		name, port = strings.Trim(addr, "[]"), ""
	}
	fallback := "2375"
	if useTLS {
		fallback = "2376"
	}
	complete := "tcp://" + net.JoinHostPort(cmp.Or(name, "localhost"), cmp.Or(port, fallback))
	if hasPath {
		complete += "/" + path
	}
	return complete
}

func isSocket(host string) bool {
	scheme, _, _ := strings.Cut(host, "://")
	return scheme == "unix" || scheme == "npipe" || scheme == "fd"
}

// local says if ports that the engine publishes on its loopback address are this machine's.
func (ep endpoint) local() bool {
	if isSocket(ep.host) {
		return true
	}
	u, err := url.Parse(ep.host)
	if err != nil || u.Scheme == "ssh" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// client makes an API client for the endpoint; it does not connect.
func (ep endpoint) client() (*client.Client, error) {
	options := []client.Opt{client.WithHTTPHeaders(ep.headers), client.WithUserAgent("skiff")}
	helper, err := connhelper.GetConnectionHelper(ep.host)
	switch {
	case err != nil:
		return nil, err
	case helper != nil:
		transport := &http.Transport{DialContext: helper.Dialer}
		options = append(options, client.WithHTTPClient(&http.Client{Transport: transport}),
			client.WithHost(helper.Host), client.WithDialContext(helper.Dialer))
	default:
		if !isSocket(ep.host) && (ep.tls != nil || ep.noCheck) {
			tlsConfig, err := ep.tlsConfig()
			if err != nil {
				return nil, err
			}
			transport := &http.Transport{TLSClientConfig: tlsConfig,
				DialContext: (&net.Dialer{KeepAlive: 30 * time.Second, Timeout: 30 * time.Second}).DialContext}
			options = append(options, client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}))
		}
		options = append(options, client.WithHost(ep.host))
	}
	// Last, because it is asked for as it is, and is what Engine.api negotiates unless DOCKER_API_VERSION says.
	return client.NewClientWithOpts(append(options, client.WithVersionFromEnv())...)
}

func (ep endpoint) tlsConfig() (*tls.Config, error) {
	c := tlsconfig.ClientDefault()
	c.InsecureSkipVerify = ep.noCheck
	if ep.tls == nil {
		return c, nil
	}
	if ep.tls.CA != nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(ep.tls.CA) {
			return nil, errors.New("ca.pem holds no certificate")
		}
	}
	if ep.tls.Cert != nil && ep.tls.Key != nil {
		pair, err := tls.X509KeyPair(ep.tls.Cert, ep.tls.Key)
		if err != nil {
			return nil, fmt.Errorf("cert.pem and key.pem: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// settingHint says how to change what named the endpoint.
func (ep endpoint) settingHint() string {
	switch {
	case ep.context != "":
		return "Check it with 'docker context inspect " + ep.context + "', or choose another with 'docker context use NAME'."
	case ep.fromEnv:
		return "Correct or unset DOCKER_HOST."
	}
	return "Name an engine with DOCKER_HOST or 'docker context use NAME'."
}
