package node

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// TestMember asks a datastore on a socket for all that there is to ask.
func TestMember(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said = append(said, r.Method+" "+r.URL.Path)
		switch {
		case strings.HasSuffix(r.URL.Path, "/unlucky"):
			http.Error(w, "unhealthy cluster", http.StatusConflict)
		case strings.HasSuffix(r.URL.Path, "/strange"):
			fmt.Fprint(w, "no JSON")
		default:
			fmt.Fprint(w, `[{"name":"a","leader":true},{"name":"b","learner":true}]`)
		}
	})}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	for _, tc := range []struct {
		args, asked, err string
	}{
		{args: "list", asked: "GET /members"},
		{args: "add b", asked: "POST /members/b"},
		{args: "remove b", asked: "DELETE /members/b"},
		{args: "remove ../b", asked: "DELETE /members/../b"},
		{args: "add unlucky", asked: "POST /members/unlucky", err: "the datastore refuses: unhealthy cluster"},
		{args: "add strange", asked: "POST /members/strange", err: "invalid character"},
		{args: "", err: "usage"},
		{args: "list b", err: "usage"},
		{args: "add", err: "usage"},
		{args: "remove", err: "usage"},
		{args: "add b c", err: "usage"},
		{args: "change b", err: "usage"},
	} {
		said = nil
		members, err := askMembers(t.Context(), socket, strings.Fields(tc.args))
		if strings.Join(said, "; ") != tc.asked {
			t.Errorf("%q asked %q, want %q", tc.args, said, tc.asked)
		}
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%q: %v, want %q", tc.args, err, tc.err)
			}
			continue
		}
		if err != nil || len(members) != 2 || members[0] != (nodeapi.Member{Name: "a", Leader: true}) || members[1] != (nodeapi.Member{Name: "b", Learner: true}) {
			t.Errorf("%q: %+v, %v", tc.args, members, err)
		}
	}
	if _, err := askMembers(t.Context(), filepath.Join(t.TempDir(), "none"), []string{"list"}); err == nil || !strings.Contains(err.Error(), "the datastore does not answer") {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestDispatch refuses what is no command, before it touches the node.
func TestDispatch(t *testing.T) {
	for _, args := range []string{"frobnicate", "status now", "member", "member list all", "version x"} {
		if err := dispatch(t.Context(), strings.Fields(args)); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
