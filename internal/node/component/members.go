package component

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
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
// Each answers with the list as it is afterwards ([nodeapi.Member]), or with why not as text, within changeWithin. Doing
// what is done already succeeds.
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
	m := members{server, changeWithin}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /members", m.answer(func(context.Context, string) error { return nil }))
	mux.HandleFunc("POST /members/{name}", m.answer(m.add))
	mux.HandleFunc("DELETE /members/{name}", m.answer(m.remove))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(listener) }() // ends with stop
	return func() { _ = s.Close() }, nil
}

// changeWithin is how long it is tried to change the members. A change waits for a majority, which may not come, and
// etcd wants those that have just come to have been connected for etcdserver.HealthInterval (5 s).
const changeWithin = 30 * time.Second

type members struct {
	*etcdserver.EtcdServer
	within time.Duration
}

// answer does something and writes the list of members.
func (m members) answer(do func(context.Context, string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), m.within)
		defer cancel()
		if err := do(ctx, r.PathValue("name")); err != nil {
			if ctx.Err() != nil {
				err = fmt.Errorf("no majority of the %d members agreed within %s: %w", len(m.Cluster().Members()), m.within, err)
			}
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

// add announces a member. Whoever is announced has an empty volume, so a member of that name which is there already has
// lost its data, and goes first: a server that takes its place has forgotten what it voted for, and what it promised to keep.
func (m members) add(ctx context.Context, name string) error {
	if there := m.find(name); there != nil && there.ID == m.MemberID() {
		return fmt.Errorf("%s is the member that was asked", name)
	}
	if err := m.remove(ctx, name); err != nil {
		return fmt.Errorf("remove the former member %s: %w", name, err)
	}
	// Its ID is made of this. That of a member that was removed never comes again.
	member := membership.NewMemberAsLearner("", types.URLs{peerURL(name)}, rand.Text(), nil)
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

const healthyPause = 200 * time.Millisecond // nothing tells of a connection's age

// onceHealthy changes the list of members as soon as etcd lets it be changed.
func onceHealthy(ctx context.Context, change func() error) error {
	for {
		err := change()
		if !errors.Is(err, etcderrors.ErrUnhealthy) {
			return err
		}
		select {
		case <-time.After(healthyPause):
		case <-ctx.Done():
			return err
		}
	}
}
