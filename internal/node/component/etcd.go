package component

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	etcderrors "go.etcd.io/etcd/server/v3/etcdserver/errors"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"google.golang.org/grpc"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// EtcdConfig is the datastore's configuration as far as it differs between a node and the image build.
type EtcdConfig struct {
	Name   string
	Dir    string
	Socket string
	// Members are the names of all members, Name among them. If there are several, they talk on [nodeapi.EtcdPeerPort],
	// with the certificates in PKIDir.
	Members []string
	PKIDir  string
	// PeerListen is where the other members reach this one, host and port; "" is all addresses. The node's own may be
	// another one after a restart.
	PeerListen string
	// Join makes a new member, which was announced to the others, of a datastore that they have already.
	Join bool
	// MembersSocket is where the list of members is served and changed (see [serveMembers]), "" for nowhere.
	MembersSocket string
	// ExtraArgs are etcd's own flags, without dashes.
	ExtraArgs map[string]string
	// NoSync skips fsync: a crash of the host may lose the data.
	NoSync bool
	// Log receives etcd's log lines from level warn on.
	Log zapcore.WriteSyncer
}

// Etcd is the datastore. Clients reach it on a unix socket only: no port that a pod or another container could
// reach, and no handshakes. Members of one datastore talk with each other on a port, with certificates of an authority
// of their own. first, if not nil, is called with the running server before the component counts as ready, each time
// it starts.
func Etcd(cfg EtcdConfig, first func(context.Context, *embed.Etcd) error) supervise.Component {
	ready := make(chan struct{})
	var running *embed.Etcd // set before ready is closed
	return supervise.Component{
		Name:    NameEtcd,
		Version: etcdVersion,
		Runner: supervise.Func(func(ctx context.Context) error {
			server, err := StartEtcd(ctx, cfg)
			if err != nil {
				return err
			}
			// Closing the whole of it waits for clients to leave, which the API server's never do. The process
			// ends next.
			defer server.Server.Stop()
			if err := promote(ctx, server.Server); err != nil {
				return err
			}
			if first != nil {
				if err := first(ctx, server); err != nil {
					return err
				}
			}
			if cfg.MembersSocket != "" {
				stop, err := serveMembers(cfg.MembersSocket, server.Server)
				if err != nil {
					return err
				}
				defer stop()
			}
			running = server
			Logger(NameEtcd).Info("The datastore takes requests", "dir", cfg.Dir, "fsync", !cfg.NoSync)
			close(ready)
			select {
			case <-ctx.Done():
				return nil
			case err := <-server.Err():
				return err
			case <-server.Server.StopNotify():
				return errors.New("etcd stopped")
			}
		}),
		Ready:   awaitClosed(ready, cfg.awaited()),
		Healthy: func(context.Context) error { return hasLeader(running.Server) },
		// etcd tells nobody that it has lost its leader, and to ask is one look at the memory of this process.
		HealthEvery: time.Second,
		Restart:     once,
	}
}

// awaited says what a member that starts waits for.
func (cfg EtcdConfig) awaited() string {
	if len(cfg.Members) < 2 {
		return "etcd to elect itself leader"
	}
	return fmt.Sprintf("a majority of the %d members of etcd (%s)", len(cfg.Members), strings.Join(cfg.Members, ", "))
}

// hasLeader fails if a member follows nobody: then it cannot reach a majority of the members, and nothing can be
// written, nor read for sure.
func hasLeader(server *etcdserver.EtcdServer) error {
	if server.Leader() != 0 {
		return nil
	}
	members := server.Cluster().Members()
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.Name
	}
	return fmt.Errorf("no leader: no majority of the %d members (%s) can be reached", len(members), strings.Join(names, ", "))
}

// promoteRetry is the pause after an attempt to become a full member: nobody tells a learner that it has caught up.
const promoteRetry = 50 * time.Millisecond

// promote makes a full member of one that was added as a learner, which has no vote and answers nobody until it has
// all that the others have. So a member that is added takes nothing away from the others while it starts.
func promote(ctx context.Context, server *etcdserver.EtcdServer) error {
	for server.IsLearner() {
		_, err := server.PromoteMember(ctx, uint64(server.MemberID()))
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("become a full member of etcd: %w", err)
		}
		if err != nil && !isAny(err, etcderrors.ErrLearnerNotReady, membership.ErrMemberNotLearner) { // not yet, or the leader knows it already
			return fmt.Errorf("become a full member of etcd: %w", err)
		}
		select {
		case <-time.After(promoteRetry):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// isAny is true for an error that is one of some of etcd's, or what is left of one that came from another member.
func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) || strings.Contains(err.Error(), t.Error()) })
}

// StartEtcd starts a member of etcd and waits until it knows a leader.
func StartEtcd(ctx context.Context, cfg EtcdConfig) (*embed.Etcd, error) {
	var running atomic.Pointer[etcdserver.EtcdServer]
	var patience time.Duration
	if cfg.Join && !etcdHasBegun(cfg.Dir) {
		patience = publishPatience
	}
	for {
		server, err := cfg.begin(running.Load)
		if err != nil {
			return nil, err
		}
		err = awaitEtcd(ctx, server, patience)
		if errors.Is(err, errNotPublished) {
			patience = 0 // once helps
			closeEtcd(server)
			continue
		}
		if err == nil {
			err = os.Chmod(cfg.Socket, 0o600)
		}
		if err != nil {
			closeEtcd(server)
			return nil, err
		}
		running.Store(server.Server)
		slowTicks(server, slowTickMs*time.Millisecond)
		return server, nil
	}
}

// etcdHasBegun is true if a member was started on this directory before.
func etcdHasBegun(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "member"))
	return !errors.Is(err, os.ErrNotExist)
}

// publishPatience is how long a new member that knows the leader may take to tell it of itself, before it is started
// anew. It takes no requests before. What it says is lost if it is sent a snapshot in that moment, as is likely with
// several other members, because it connects anew then; and etcd would wait for an answer for seven seconds.
const publishPatience = 700 * time.Millisecond

// leaderPause is the pause between two looks for a leader: nobody tells of the first.
const leaderPause = 50 * time.Millisecond

var errNotPublished = errors.New("etcd did not tell its leader of itself")

// awaitEtcd waits until a member takes requests. With patience, it fails with errNotPublished if that is over.
func awaitEtcd(ctx context.Context, server *embed.Etcd, patience time.Duration) error {
	var look, over <-chan time.Time
	if patience > 0 {
		ticker := time.NewTicker(leaderPause)
		defer ticker.Stop()
		look = ticker.C
	}
	for {
		select {
		case <-server.Server.ReadyNotify():
			return nil
		case err := <-server.Err():
			return fmt.Errorf("etcd: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-look:
			if over == nil && server.Server.Leader() != 0 {
				over = time.After(patience)
			}
		case <-over:
			return errNotPublished
		}
	}
}

// closeEtcd closes a member that may not take requests yet, which its own way to close it would wait for.
func closeEtcd(server *embed.Etcd) {
	server.Server.HardStop()
	server.Close()
}

// begin starts a member, and does not wait. running returns it when it takes requests.
func (cfg EtcdConfig) begin(running func() *etcdserver.EtcdServer) (*embed.Etcd, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(cfg.Socket); err != nil { // left by a process that was killed
		return nil, err
	}
	c, err := cfg.embedded(running)
	if err != nil {
		return nil, err
	}
	server, err := embed.StartEtcd(c)
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	return server, nil
}

// embedded is a member's configuration as etcd has it.
func (cfg EtcdConfig) embedded(running func() *etcdserver.EtcdServer) (*embed.Config, error) {
	client := url.URL{Scheme: "unix", Path: cfg.Socket}

	c := embed.NewConfig()
	// Before all else: to define the flags sets some fields to what the flags say when they are not given.
	flags := flag.NewFlagSet(NameEtcd, flag.ContinueOnError)
	c.AddFlags(flags)
	c.Name = cfg.Name
	c.Dir = cfg.Dir
	c.ListenClientUrls = []url.URL{client}
	c.AdvertiseClientUrls = []url.URL{client}
	// A name and not an address, so that the member keeps its identity wherever it is. Nobody listens
	// there while it is the only member.
	c.ListenPeerUrls = nil
	c.AdvertisePeerUrls = []url.URL{peerURL(cfg.Name)}
	c.InitialCluster = cfg.Name + "=" + c.AdvertisePeerUrls[0].String()
	c.TickMs, c.ElectionMs = fastTickMs, 10*fastTickMs
	if len(cfg.Members) > 1 {
		cfg.addPeers(c)
		c.GRPCAdditionalServerOptions = append(c.GRPCAdditionalServerOptions, grpc.ChainUnaryInterceptor(repeatLost(running)))
	}
	if cfg.Join {
		c.ClusterState = embed.ClusterStateFlagExisting
	}
	c.UnsafeNoFsync = cfg.NoSync
	c.WatchProgressNotifyInterval = watchProgressInterval
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(etcdLogger(cfg.Log))

	for name, value := range cfg.ExtraArgs {
		if err := flags.Set(name, value); err != nil {
			return nil, fmt.Errorf("etcd: flag %s=%s: %w", name, value, err)
		}
	}
	return c, nil
}

// peerURL is where a member is found by the others.
func peerURL(name string) url.URL {
	return url.URL{Scheme: "https", Host: net.JoinHostPort(name, strconv.Itoa(nodeapi.EtcdPeerPort))}
}

// addPeers makes a member one of several.
func (cfg EtcdConfig) addPeers(c *embed.Config) {
	c.ListenPeerUrls = []url.URL{{Scheme: "https", Host: cmp.Or(cfg.PeerListen, fmt.Sprintf("[::]:%d", nodeapi.EtcdPeerPort))}}
	members := make([]string, len(cfg.Members))
	for i, name := range cfg.Members {
		u := peerURL(name)
		members[i] = name + "=" + u.String()
	}
	c.InitialCluster = strings.Join(members, ",")
	pki := func(file string) string { return filepath.Join(cfg.PKIDir, file) }
	c.PeerTLSInfo = transport.TLSInfo{
		CertFile: pki("etcd-peer.crt"), KeyFile: pki("etcd-peer.key"), TrustedCAFile: pki("etcd-ca.crt"), ClientCertAuth: true,
		// What a member shows is signed for its name. The address that it comes from says nothing: it may change.
		SkipClientSANVerify: true,
	}
	// A leader that is busy starting everything else must not lose its office for it.
	c.TickMs, c.ElectionMs = slowTickMs, 10*slowTickMs
}

// watchProgressInterval is how often a watch in which nothing happens is told how far the datastore has come, so that it
// can go on from there after an interruption. The API server watches sixty kinds of objects: kubeadm's five seconds are
// a tenth of what an idle node does. A read that must be up to date asks for it at once (KEP-2340).
const watchProgressInterval = time.Minute

func etcdLogger(out zapcore.WriteSyncer) *zap.Logger {
	if out == nil {
		return zap.NewNop()
	}
	enc := zapcore.NewConsoleEncoder(zap.NewProductionEncoderConfig())
	return zap.New(zapcore.NewCore(enc, out, zapcore.WarnLevel))
}

var etcdVersion = moduleVersion("go.etcd.io/etcd/server/v3")

// EtcdFor is the configuration of the datastore of a server node.
func EtcdFor(n *Node, log zapcore.WriteSyncer) EtcdConfig {
	return EtcdConfig{
		Name: n.Node, Dir: n.EtcdDir, Socket: n.EtcdSocket, MembersSocket: nodeapi.MembersSocket, Members: n.Servers,
		PKIDir: n.PKIDir, Join: n.Join, NoSync: n.Ephemeral, ExtraArgs: n.ExtraArgs[NameEtcd], Log: log,
	}
}
