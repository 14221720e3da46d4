package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Serve answers on a unix socket until ctx ends: GET /status, and POST /restart/COMPONENT if there is who restarts.
func (b *Board) Serve(ctx context.Context, socket string) error {
	if err := os.RemoveAll(socket); err != nil { // left by a container that was killed
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return err
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return errors.Join(err, listener.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(b.Snapshot()) // the client has gone
	})
	if b.Restart != nil {
		mux.HandleFunc("POST /restart/{component}", func(w http.ResponseWriter, r *http.Request) {
			if err := b.Restart(r.PathValue("component")); err != nil {
				http.Error(w, err.Error(), http.StatusNotFound)
			}
		})
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Read asks the node's status socket.
func Read(ctx context.Context, socket string) (*nodeapi.Status, error) {
	body, err := ask(ctx, socket, http.MethodGet, "/status")
	if err != nil {
		return nil, fmt.Errorf("ask PID 1 for the node's status: %w", err)
	}
	var s nodeapi.Status
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, fmt.Errorf("read the node's status: %w", err)
	}
	return &s, nil
}

// Restart asks for a component's new beginning on the node's status socket. It does not wait for it.
func Restart(ctx context.Context, socket, component string) error {
	if _, err := ask(ctx, socket, http.MethodPost, "/restart/"+url.PathEscape(component)); err != nil {
		return fmt.Errorf("ask PID 1 to restart %s: %w", component, err)
	}
	return nil
}

func ask(ctx context.Context, socket, method, path string) ([]byte, error) {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "http://node"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return body, err
}
