package docker

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/testutil"
)

// TestContainerConfig shows what Docker is asked for, with everything set and with nothing set.
func TestContainerConfig(t *testing.T) {
	for name, spec := range map[string]cluster.ContainerSpec{
		"empty": {},
		"full": {
			Name: "a", Hostname: "h", Image: "i:1", Cmd: []string{"c"}, Env: []string{"E=1"}, Labels: map[string]string{"l": "v"},
			Network: "n", Address: netip.MustParseAddr("10.1.2.3"), Address6: netip.MustParseAddr("fd00::3"), Aliases: []string{"x", "y"},
			Ports: []cluster.Port{
				{HostIP: "127.0.0.1", HostPort: 1, ContainerPort: 6443},
				{HostIP: "127.0.0.1", ContainerPort: 53, Protocol: "udp"},
			},
			Volumes: map[string]string{"v2": "/b", "v1": "/a"}, Tmpfs: map[string]string{"/run": "exec"},
			Binds:     []cluster.Bind{{Source: "/src", Target: "/z"}, {Source: "/conf", Target: "/y", ReadOnly: true}},
			CPUMillis: 1500, MemoryBytes: 2 << 30,
			Capabilities: []string{"NET_ADMIN"}, SecurityOpts: []string{"seccomp=unconfined"}, UnmaskedPaths: true, PrivateCgroupNS: true,
			Restart: "unless-stopped", StopSignal: "SIGTERM", StopTimeout: 1500 * time.Millisecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			config, host, networking, err := containerConfig(spec, "json-file")
			if err != nil {
				t.Fatal(err)
			}
			if host.Privileged || !slices.Equal(host.CapDrop, []string{"ALL"}) {
				t.Errorf("privileged %v, drops %v", host.Privileged, host.CapDrop)
			}
			out, err := json.MarshalIndent(map[string]any{"config": config, "host": host, "networking": networking}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			testutil.Golden(t, "spec/"+name+".json", string(out)+"\n")
		})
	}
	_, host, _, err := containerConfig(cluster.ContainerSpec{}, "journald")
	if err != nil || host.LogConfig.Type != "" || len(host.LogConfig.Config) > 0 {
		t.Errorf("options of json-file are given to another driver: %+v, %v", host.LogConfig, err)
	}
}

// TestNetworkOptions shows that IPv6 is asked for only where there is a subnet for it.
func TestNetworkOptions(t *testing.T) {
	four, six := netip.MustParsePrefix("10.1.2.0/24"), netip.MustParsePrefix("fd00::/64")
	for name, spec := range map[string]cluster.NetworkSpec{
		"empty": {}, "ipv4": {Subnet: four}, "dual": {Subnet: four, Subnet6: six, Labels: map[string]string{"l": "v"}},
		"range": {Subnet: four, Subnet6: six, Dynamic: netip.MustParsePrefix("10.1.2.128/26"), Dynamic6: netip.MustParsePrefix("fd00::8000:0:0:0/66")},
	} {
		out, err := json.MarshalIndent(networkOptions(spec), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		testutil.Golden(t, "spec/network-"+name+".json", string(out)+"\n")
	}
}

func TestChoosePlatform(t *testing.T) {
	manifest := func(arch string, available bool) image.ManifestSummary {
		return image.ManifestSummary{Kind: image.ManifestKindImage, Available: available,
			ImageData: &image.ImageProperties{Platform: ocispec.Platform{OS: "linux", Architecture: arch}}}
	}
	attestation := image.ManifestSummary{Kind: image.ManifestKindAttestation, Available: true}
	for _, tc := range []struct {
		name      string
		manifests []image.ManifestSummary
		want      string
	}{
		{"an older store", nil, ""},
		{"one platform", []image.ManifestSummary{manifest("amd64", true), attestation}, ""},
		{"several, the engine's is there", []image.ManifestSummary{manifest("arm64", true), manifest("amd64", true)}, "amd64"},
		{"several, another is there", []image.ManifestSummary{manifest("arm64", true), manifest("amd64", false)}, "arm64"},
		{"several, none is there", []image.ManifestSummary{manifest("arm64", false), manifest("amd64", false)}, ""},
	} {
		got := ""
		if p := choosePlatform(tc.manifests, "linux", "amd64"); p != nil {
			got = p.Architecture
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
