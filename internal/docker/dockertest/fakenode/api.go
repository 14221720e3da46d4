package fakenode

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path"
	"time"

	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Serve serves what a node has on the port of the API. A server answers /readyz, and all else by handler, or with
// signs of life of all nodes if that is nil, on its published port if it has one and to the other containers of its network; only clients with a certificate
// of the cluster's authority get an answer. An edge passes on to a server that runs. An agent has nothing there.
func Serve(p *dockertest.Process, handler http.Handler) (stop func(), err error) {
	config, err := Config(p)
	if err != nil {
		return nil, err
	}
	switch config.Role {
	case nodeapi.RoleServer:
		return serveAPI(p, handler)
	case nodeapi.RoleEdge:
		return forwardAPI(p)
	}
	return func() {}, nil
}

func serveAPI(p *dockertest.Process, handler http.Handler) (stop func(), err error) {
	var files [3][]byte
	for i, name := range []string{"ca.crt", "apiserver.crt", "apiserver.key"} {
		if files[i], err = p.ReadFile(path.Join(nodeapi.PKIDir, name)); err != nil {
			return nil, err
		}
	}
	pair, err := tls.X509KeyPair(files[1], files[2])
	if err != nil {
		return nil, err
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(files[0]) {
		return nil, errors.New("ca.crt holds no certificate")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	if handler != nil {
		mux.Handle("/", handler)
	} else {
		handleSigns(mux, p)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert}}
	listeners := []net.Listener{p.Listen(nodeapi.APIServerPort)}
	if published := p.Listener(nodeapi.APIServerPort); published != nil {
		listeners = append(listeners, published)
	}
	for _, l := range listeners {
		go func() { _ = server.ServeTLS(l, "", "") }() // ends with stop
	}
	return func() { _ = server.Close() }, nil
}

// forwardAPI passes connections on to servers, as an edge does.
func forwardAPI(p *dockertest.Process) (stop func(), err error) {
	listener := p.Listener(nodeapi.APIServerPort)
	if listener == nil {
		return func() {}, nil
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go forward(p, conn)
		}
	}()
	return func() { _ = listener.Close() }, nil
}

func forward(p *dockertest.Process, client net.Conn) {
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, address := range p.Lookup(nodeapi.ServersAlias) {
		server, err := p.Dial(ctx, netip.AddrPortFrom(address, nodeapi.APIServerPort))
		if err != nil {
			continue
		}
		defer server.Close()
		go func() {
			_, _ = io.Copy(server, client)
			_ = server.Close()
		}()
		_, _ = io.Copy(client, server)
		return
	}
}
