package component

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	etcderrors "go.etcd.io/etcd/server/v3/etcdserver/errors"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// serveMembers serves the datastore's list of members on a unix socket, for the node's own program, which the command
// line runs to add and remove servers:
//
//	GET    /members         all members
//	POST   /members/{name}  announce a member, as a learner: it has no vote until it has caught up
//	DELETE /members/{name}  remove a member
//
// Each answers with the list as it is afterwards ([nodeapi.Member]), or with why not as text. Doing what is done already
// succeeds.
func serveMembers(socket string, server *etcdserver.EtcdServer) (stop func(), err error) {
	if err := os.RemoveAll(socket); err != nil { // left by a process that was killed
		return nil, err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	m := members{server}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /members", m.answer(func(context.Context, string) error { return nil }))
	mux.HandleFunc("POST /members/{name}", m.answer(m.add))
	mux.HandleFunc("DELETE /members/{name}", m.answer(m.remove))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(listener) }() // ends with stop
	return func() { _ = s.Close() }, nil
}

type members struct{ *etcdserver.EtcdServer }

// answer does something and writes the list of members.
func (m members) answer(do func(context.Context, string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := do(r.Context(), r.PathValue("name")); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		list := []nodeapi.Member{}
		for _, member := range m.Cluster().Members() {
			list = append(list, nodeapi.Member{Name: memberName(member), Learner: member.IsLearner, Leader: member.ID == m.Leader()})
		}
		_ = json.NewEncoder(w).Encode(list) // whoever asked has gone
	}
}

// memberName is a member's name. One that was announced and has not started yet has none, only the place where it will
// be found.
func memberName(member *membership.Member) string {
	if member.Name != "" || len(member.PeerURLs) == 0 {
		return member.Name
	}
	urls, err := types.NewURLs(member.PeerURLs)
	if err != nil {
		return ""
	}
	return urls[0].Hostname()
}

func (m members) find(name string) *membership.Member {
	for _, member := range m.Cluster().Members() {
		if memberName(member) == name {
			return member
		}
	}
	return nil
}

func (m members) add(ctx context.Context, name string) error {
	if m.find(name) != nil {
		return nil
	}
	now := time.Now()
	member := membership.NewMemberAsLearner("", types.URLs{peerURL(name)}, "", &now)
	return onceHealthy(ctx, func() error {
		_, err := m.AddMember(ctx, *member)
		return err
	})
}

func (m members) remove(ctx context.Context, name string) error {
	member := m.find(name)
	if member == nil {
		return nil
	}
	return onceHealthy(ctx, func() error {
		_, err := m.RemoveMember(ctx, uint64(member.ID))
		return err
	})
}

const (
	// healthyWithin is how long it is tried to change the members: etcd wants all of them to have been connected for
	// etcdserver.HealthInterval (5 s), which those that have just come are not yet.
	healthyWithin = 4 * etcdserver.HealthInterval
	healthyPause  = 200 * time.Millisecond // nothing tells of a connection's age
)

// onceHealthy changes the list of members as soon as etcd lets it be changed.
func onceHealthy(ctx context.Context, change func() error) error {
	for deadline := time.Now().Add(healthyWithin); ; {
		err := change()
		if !errors.Is(err, etcderrors.ErrUnhealthy) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(healthyPause):
		case <-ctx.Done():
			return err
		}
	}
}
