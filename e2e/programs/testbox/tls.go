//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// serveTLS serves with tls.crt and tls.key of dir until ctx ends. A client may show a certificate; if it does,
// it must be signed by clientCA, a file, unless that is "".
func serveTLS(ctx context.Context, dir, clientCA string, handler http.Handler) error {
	server := &http.Server{Addr: ":8443", Handler: handler, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if clientCA != "" {
		pem, err := os.ReadFile(clientCA)
		if err != nil {
			return err
		}
		server.TLSConfig.ClientCAs = x509.NewCertPool()
		if !server.TLSConfig.ClientCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("no certificate in %s", clientCA)
		}
		server.TLSConfig.ClientAuth = tls.VerifyClientCertIfGiven
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Println("serving on", server.Addr)
	err := server.ListenAndServeTLS(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
