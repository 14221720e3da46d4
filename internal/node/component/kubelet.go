package component

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/kubernetes/cmd/kubelet/app"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/apis/config/validation"
	"k8s.io/kubernetes/pkg/volume"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Kubelet runs the node's pods through containerd. registered is closed when the node's object is there: a kubelet that
// is faster makes one without what only we know. controllers is closed when the controller manager of the same process
// has built its controllers, nil if there is none.
func Kubelet(n *Node, registered, controllers <-chan struct{}) supervise.Component {
	url := fmt.Sprintf("http://127.0.0.1:%d/healthz", nodeapi.KubeletHealthzPort)
	return supervise.Component{
		Name:    NameKubelet,
		Version: kubernetesVersion(),
		Runner: supervise.Func(func(ctx context.Context) error {
			return runKubelet(ctx, n, registered, controllers)
		}),
		Ready: func(ctx context.Context) error {
			if err := awaitContainerd(ctx); err != nil {
				return err
			}
			return awaitHTTP(url)(ctx)
		},
		Healthy: probeHTTP(url),
		Restart: once,
	}
}

// KubeletArgs are the kubelet's flags; the rest is in [kubeletConfiguration], and what the user adds comes after both.
func KubeletArgs(n *Node) []string {
	return []string{
		"--kubeconfig=" + n.Kubeconfig(NameKubelet),
		"--hostname-override=" + n.Node,
		"--node-ip=" + join(n.IPs),
		"--root-dir=" + nodeapi.KubeletRootDir,
		"--cert-dir=" + n.PKIDir,
	}
}

// kubeletConfiguration changes upstream's defaults where a node is a container.
func kubeletConfiguration(n *Node, c *kubeletconfig.KubeletConfiguration) {
	socket := "unix://" + nodeapi.ContainerdSocket
	c.ContainerRuntimeEndpoint = socket
	c.ImageServiceEndpoint = socket
	c.CgroupDriver = "cgroupfs"
	c.FailCgroupV1 = false // half of the world's Docker hosts, still
	c.FailSwapOn = false   // the host's swap is not the node's business
	c.PodLogsDir = nodeapi.PodLogDir
	c.ResolverConfig = nodeapi.ResolvConfPath
	c.ClusterDomain = n.ClusterDomain
	c.ClusterDNS = nil
	for _, ip := range n.DNSServiceIPs {
		c.ClusterDNS = append(c.ClusterDNS, ip.String())
	}

	c.Authentication.Anonymous.Enabled = false
	c.Authentication.Webhook.Enabled = true
	c.Authentication.X509.ClientCAFile = n.PKI("ca.crt")
	c.Authorization.Mode = kubeletconfig.KubeletAuthorizationModeWebhook
	c.TLSCertFile = n.PKI("kubelet.crt")
	c.TLSPrivateKeyFile = n.PKI("kubelet.key")
	c.RotateCertificates = false

	// The disk is the host's, and how full it is says nothing about this node. Only memory evicts.
	c.EvictionHard = map[string]string{
		"memory.available": "100Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%",
	}
	if n.MemoryBytes > 0 {
		c.KubeReserved = map[string]string{"memory": resource.NewQuantity(ownMemory(n), resource.BinarySI).String()}
		c.EvictionHard["memory.available"] = resource.NewQuantity(evictionMemory(n), resource.BinarySI).String()
	}
	// Who sets one of the thresholds means it beside upstream's other.
	if extra := n.ExtraArgs[NameKubelet]; extra["image-gc-high-threshold"] == "" && extra["image-gc-low-threshold"] == "" {
		c.ImageGCHighThresholdPercent, c.ImageGCLowThresholdPercent = 100, 99
	}

	c.OOMScoreAdj = 0 // lowering it takes CAP_SYS_RESOURCE, which a node does not ask for
	c.SerializeImagePulls = false
	c.KubeAPIQPS, c.KubeAPIBurst = 500, 1000
	c.EventRecordQPS, c.EventBurst = 500, 1000
	c.ReadOnlyPort = 0
	c.HealthzBindAddress = "127.0.0.1"
	c.HealthzPort = nodeapi.KubeletHealthzPort
	c.ShutdownGracePeriod = metav1.Duration{} // needs systemd
	if after := n.NodeFailure.NotReadyAfter; after > 0 {
		c.NodeLeaseDurationSeconds = max(int32(after.Seconds()), 1) // renewed after a quarter of it
		// Whoever was given up wrongly, as all nodes are for a moment when a frozen cluster goes on, says that it is there the
		// next time that it looks, which must be before its pods move.
		c.NodeStatusUpdateFrequency.Duration = max(min(after/2, c.NodeStatusUpdateFrequency.Duration), time.Second)
	}
	c.StreamingConnectionIdleTimeout = metav1.Duration{Duration: 4 * time.Hour}
}

func runKubelet(ctx context.Context, n *Node, registered, controllers <-chan struct{}) error {
	if err := awaitContainerd(ctx); err != nil {
		return err
	}
	flags := options.NewKubeletFlags()
	config, err := options.NewKubeletConfiguration()
	if err != nil {
		return err
	}
	fs := newFlagSet(NameKubelet)
	flags.AddFlags(fs)
	options.AddKubeletConfigFlags(fs, config)
	if err := fs.Parse(KubeletArgs(n)); err != nil {
		return err
	}
	kubeletConfiguration(n, config)
	if err := fs.Parse(n.withExtra(NameKubelet, nil)); err != nil {
		return err
	}
	if err := options.ValidateKubeletFlags(flags); err != nil {
		return err
	}
	if err := validation.ValidateKubeletConfiguration(config, utilfeature.DefaultFeatureGate); err != nil {
		return err
	}
	server := &options.KubeletServer{KubeletFlags: *flags, KubeletConfiguration: *config}
	deps, err := app.UnsecuredDependencies(ctx, server, utilfeature.DefaultFeatureGate)
	if err != nil {
		return err
	}
	if err := limitSize(ctx, n, server, deps); err != nil {
		return err
	}
	deps.VolumePlugins = append([]volume.VolumePlugin{gate{ctx: ctx, open: registered}}, deps.VolumePlugins...)
	if controllers != nil {
		deps.VolumePlugins = append(deps.VolumePlugins, csiKeeper{ctx: ctx, built: controllers})
	}
	return app.Run(ctx, server, deps, utilfeature.DefaultFeatureGate)
}
