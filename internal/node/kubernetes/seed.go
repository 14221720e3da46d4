package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"

	"github.com/skiff-cluster/skiff/internal/node/component"
	"github.com/skiff-cluster/skiff/internal/node/seed"
	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/pki"
)

// seedTimeout is many times what a run takes on a slow machine.
const seedTimeout = 3 * time.Minute

// writeSeed makes the first content of a datastore, for the image build: it runs etcd, the API server and the
// controller manager in a temporary directory, as they run in a node, until they have written what they
// write in each new cluster. It needs no root, and listens on the loopback only.
//
// Nothing is stopped at the end: the caller ends the process, and what is cut off then is of no use.
func writeSeed(ctx context.Context, out string) error {
	began := time.Now()
	dir, err := os.MkdirTemp("", "skiff-seed-")
	if err != nil {
		return err
	}
	made, err := makeSeed(ctx, dir)
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), os.RemoveAll(dir))
	}
	if err != nil {
		return fmt.Errorf("make the seed: %w (the components' logs are in %s)", err, dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := made.WriteFile(out); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "seed: %d objects in %.1f s\n", made.Objects(), time.Since(began).Seconds())
	return nil
}

func makeSeed(ctx context.Context, dir string) (*seed.Seed, error) {
	logs := newLogRouter(dir)
	klog.SetLoggerWithOptions(logs.Logger(), klog.ContextualLogger(true))
	node, err := seedNode(dir)
	if err != nil {
		return nil, err
	}
	if err := setUpProcess(nil); err != nil {
		return nil, err
	}
	// Objects remember who wrote them, by the name of the program: the API server, as on any other cluster.
	os.Args[0] = component.NameAPIServer
	empty := time.Now()
	log := zapcore.AddSync(logs.Writer(component.NameEtcd))
	datastore, err := component.StartEtcd(ctx, component.EtcdFor(node, log))
	if err != nil {
		return nil, err
	}
	if err := fillDatastore(ctx, node, datastore); err != nil {
		return nil, err
	}
	return seed.Collect(ctx, datastore, empty)
}

// fillDatastore runs the API server and the controller manager until they have nothing more to write.
func fillDatastore(ctx context.Context, node *component.Node, datastore *embed.Etcd) error {
	ctx, cancel := context.WithTimeoutCause(ctx, seedTimeout, errors.New("the time is up"))
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx) // ends with the first component that ends
	defer fail(nil)
	start := func(c supervise.Component) {
		go func() {
			err := c.Runner.Run(ctx, &supervise.LogRing{})
			if err == nil {
				err = errors.New("nobody had asked it to")
			}
			fail(fmt.Errorf("%s ended: %w", c.Name, err))
		}()
	}
	door, err := component.OpenDoor(node)
	if err != nil {
		return err
	}
	apiServer := component.APIServer(node, door, false)
	start(apiServer)
	err = apiServer.Ready(ctx) // all its post-start hooks have run
	if err == nil {
		start(component.ControllerManager(node, make(chan struct{})))
		err = awaitSettled(ctx, datastore, node)
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return err
}

// seedNode describes a server node as any cluster's first, with its certificates, in a directory. None of
// what is particular about it gets into the seed.
func seedNode(dir string) (*component.Node, error) {
	const name = "seed"
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	node := &component.Node{
		Config: nodeapi.Config{
			APIVersion: nodeapi.ConfigVersion, Cluster: name, Node: name, Role: nodeapi.RoleServer,
			PodCIDRs:      []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")},
			ServiceCIDRs:  []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16")},
			DNSServiceIPs: []netip.Addr{netip.MustParseAddr("10.96.0.10")},
			ClusterDomain: "cluster.local", Servers: []string{name}, Ephemeral: true,
		},
		// Advertised, but never dialled: an address of the range for documentation, since Kubernetes
		// refuses a loopback address.
		IPs: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
		Place: component.Place{
			PKIDir:                filepath.Join(dir, "pki"),
			KubeconfigDir:         filepath.Join(dir, "kubeconfig"),
			EtcdDir:               filepath.Join(dir, "etcd"),
			EtcdSocket:            filepath.Join(dir, "etcd.sock"),
			APIServer:             netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), ports[0]),
			ControllerManagerPort: ports[1],
		},
	}
	cluster, err := pki.NewCluster(time.Now(), name)
	if err != nil {
		return nil, err
	}
	files, err := cluster.Server(pki.ServerNames{
		Node: name, Addresses: node.IPs, ServiceCIDRs: node.ServiceCIDRs, ClusterDomain: node.ClusterDomain,
	})
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(node.PKIDir, 0o700); err != nil {
		return nil, err
	}
	for name, data := range files {
		if err := os.WriteFile(node.PKI(name), data, 0o600); err != nil {
			return nil, err
		}
	}
	return node, writeKubeconfigs(node)
}

// freePorts finds ports of the loopback on which nobody listens.
func freePorts(n int) ([]uint16, error) {
	var ports []uint16
	for range n {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = listener.Close() }() // after the last was found, so that they differ
		ports = append(ports, uint16(listener.Addr().(*net.TCPAddr).Port))
	}
	return ports, nil
}
