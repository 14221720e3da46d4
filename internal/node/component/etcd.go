package component

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
)

// EtcdConfig is the datastore's configuration as far as it differs between a node and the image build.
type EtcdConfig struct {
	Name   string
	Dir    string
	Socket string
	// NoSync skips fsync: a crash of the host may lose the data.
	NoSync bool
	// Log receives etcd's log lines from level warn on.
	Log zapcore.WriteSyncer
}

// Etcd is the datastore. It listens on a unix socket only: no port that a pod or another container could
// reach, and no handshakes. first, if not nil, is called with the running server before the component
// counts as ready, each time it starts.
func Etcd(cfg EtcdConfig, first func(context.Context, *embed.Etcd) error) supervise.Component {
	ready := make(chan struct{})
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
			if first != nil {
				if err := first(ctx, server); err != nil {
					return err
				}
			}
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
		Ready:   awaitClosed(ready, "etcd to elect itself leader"),
		Restart: once,
	}
}

// StartEtcd starts a single-member etcd and waits until it can be written to.
func StartEtcd(ctx context.Context, cfg EtcdConfig) (*embed.Etcd, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(cfg.Socket); err != nil { // left by a process that was killed
		return nil, err
	}
	client := url.URL{Scheme: "unix", Path: cfg.Socket}
	peer := url.URL{Scheme: "https", Host: cfg.Name + ":2380"}

	c := embed.NewConfig()
	c.Name = cfg.Name
	c.Dir = cfg.Dir
	c.ListenClientUrls = []url.URL{client}
	c.AdvertiseClientUrls = []url.URL{client}
	// A name and not an address, so that the member keeps its identity wherever it is. Nobody listens
	// there while it is the only member.
	c.ListenPeerUrls = nil
	c.AdvertisePeerUrls = []url.URL{peer}
	c.InitialCluster = cfg.Name + "=" + peer.String()
	c.UnsafeNoFsync = cfg.NoSync
	c.TickMs, c.ElectionMs = fastTickMs, 10*fastTickMs
	c.WatchProgressNotifyInterval = watchProgressInterval
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(etcdLogger(cfg.Log))

	server, err := embed.StartEtcd(c)
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-server.Server.ReadyNotify():
	case err := <-server.Err():
		server.Close()
		return nil, fmt.Errorf("etcd: %w", err)
	case <-ctx.Done():
		server.Close()
		return nil, ctx.Err()
	}
	if err := os.Chmod(cfg.Socket, 0o600); err != nil {
		server.Close()
		return nil, err
	}
	slowTicks(server, slowTickMs*time.Millisecond)
	return server, nil
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
		Name: n.Node, Dir: n.EtcdDir, Socket: n.EtcdSocket, NoSync: n.Ephemeral, Log: log,
	}
}
