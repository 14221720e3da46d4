package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// What a one-node cluster needs, with the workloads of a first day.
const (
	minAPI          = "1.41" // Docker 20.10
	minInstances    = 128    // the kernel's default
	serverInstances = 25     // what a server takes, about: upstream watches each certificate with one of its own
	agentInstances  = 8      // what an agent takes
	spareInstances  = 5      // left for what else the user runs
	goodInstances   = 512
	minWatches      = 8192
	goodWatches     = 65536
	goodFiles       = 65536
	minDisk         = 1 << 30
	goodDisk        = 5 << 30
	minMemory       = 512 << 20
	goodMemory      = 2 << 30
	goodCPUs        = 2
	oldestGoodMajor = 4
	oldestGoodMinor = 19 // the first long-term kernel with all of nf_tables that kube-proxy uses
)

func ok(format string, args ...any) Finding {
	return Finding{Level: OK, Message: fmt.Sprintf(format, args...)}
}

func skip(why string) Finding { return Finding{Level: Skipped, Message: why} }

const (
	noEngine  = "not checked, because Docker cannot be used"
	elsewhere = "the engine runs on another kernel than this program"
)

// unseen says why nothing is known of the kernel that nodes would run on. Without an engine that is not even known to
// be this one: limits of a host that no node will ever run on are no finding.
func unseen(h Host) Finding {
	if h.Engine == nil {
		return skip(noEngine)
	}
	return skip(elsewhere)
}

func checkEngine(h Host) Finding {
	if h.Engine == nil {
		f := Finding{Level: Fail, Message: "cannot be used", Fix: "Start Docker, then run 'skiff doctor' again."}
		if h.EngineError != nil {
			f.Message = h.EngineError.Error()
		}
		var e *fault.Error
		if errors.As(h.EngineError, &e) && e.Hint != "" {
			f.Fix = e.Hint
		}
		return f
	}
	return ok("%s, reached at %s", h.Engine.Version, h.Engine.Endpoint)
}

func checkAPI(h Host) Finding {
	if h.Engine == nil {
		return skip(noEngine)
	}
	if compareVersions(h.Engine.APIVersion, minAPI) < 0 {
		return Finding{
			Level: Fail, Message: fmt.Sprintf("API %s is older than %s", h.Engine.APIVersion, minAPI),
			Fix: "Install Docker Engine 20.10 or newer: https://docs.docker.com/engine/install/",
		}
	}
	return ok("%s", h.Engine.APIVersion)
}

func checkOS(h Host) Finding {
	switch {
	case h.Engine == nil:
		return skip(noEngine)
	case h.Engine.OS != "linux":
		return Finding{
			Level: Fail, Message: fmt.Sprintf("the engine runs %s containers", h.Engine.OS),
			Fix: "Switch Docker to Linux containers.",
		}
	case h.Engine.Architecture != "amd64" && h.Engine.Architecture != "arm64":
		return Finding{
			Level: Fail, Message: fmt.Sprintf("there is no node image for %s", h.Engine.Architecture),
			Fix: "Use an engine on amd64 or arm64 (DOCKER_HOST or DOCKER_CONTEXT).",
		}
	}
	return ok("%s/%s", h.Engine.OS, h.Engine.Architecture)
}

func checkCgroups(h Host) Finding {
	if h.Engine == nil {
		return skip(noEngine)
	}
	e := h.Engine
	if e.CgroupVersion != "1" && e.CgroupVersion != "2" {
		return Finding{
			Level: Fail, Message: fmt.Sprintf("cgroup version %q is not known", e.CgroupVersion),
			Fix: "Mount cgroups before Docker starts; 'docker info' must show a Cgroup Version.",
		}
	}
	if e.CgroupDriver == "none" {
		return Finding{
			Level: Fail, Message: "Docker has no cgroup driver: limits cannot be delegated to a node",
			Fix: "Boot with cgroup v2 and delegate the controllers to your user: https://rootlesscontaine.rs/getting-started/common/cgroup2/",
		}
	}
	return ok("v%s, driver %s", e.CgroupVersion, e.CgroupDriver)
}

func checkStorage(h Host) Finding {
	if h.Engine == nil {
		return skip(noEngine)
	}
	switch d := h.Engine.StorageDriver; d {
	case "vfs":
		return Finding{
			Level: Warn, Message: "vfs copies the whole image for every container",
			Fix: "Set \"storage-driver\": \"overlay2\" in Docker's daemon.json.",
		}
	case "devicemapper", "aufs":
		return Finding{
			Level: Warn, Message: d + " is no longer maintained",
			Fix: "Set \"storage-driver\": \"overlay2\" in Docker's daemon.json.",
		}
	default:
		return ok("%s", d)
	}
}

func checkRootless(h Host) Finding {
	if h.Engine == nil {
		return skip(noEngine)
	}
	if !h.Engine.Rootless {
		return ok("no")
	}
	if h.Engine.CgroupVersion != "2" {
		return Finding{
			Level: Fail, Message: "a rootless engine on cgroup v1 cannot run a node",
			Fix: "Boot with cgroup v2 (kernel parameter systemd.unified_cgroup_hierarchy=1), or use Docker as root.",
		}
	}
	return Finding{
		Level: Warn, Message: "yes: the kernel may refuse some settings of nodes",
		Fix: "If create fails, use Docker as root, or see that cpu, memory and pids are delegated to your user.",
	}
}

func checkEndpoint(h Host) Finding {
	if h.Engine == nil {
		return skip(noEngine)
	}
	if !h.Engine.Local {
		return Finding{
			Level: Warn, Message: "remote: the API of a cluster is published on an address of that host",
			Fix: "Create with --api-address ADDRESS, an address of that host that this machine reaches.",
		}
	}
	return ok("ports on 127.0.0.1 can be reached")
}

// features are the parts of a kernel that nodes cannot do without; any name of a group will do.
var features = []struct {
	names []string
	why   string
}{
	{[]string{"overlay"}, "container file systems"},
	{[]string{"nf_tables"}, "Services"},
	{[]string{"nf_conntrack"}, "Services"},
	{[]string{"nf_nat"}, "Services"},
	{[]string{"veth"}, "pod networks"},
	{[]string{"bridge"}, "Docker's networks"},
}

func checkKernel(h Host) Finding {
	switch {
	case h.Engine == nil:
		return skip(noEngine)
	case tooOld(h.Engine.KernelVersion):
		return Finding{
			Level: Warn, Message: fmt.Sprintf("%s is old: kube-proxy uses nf_tables as of %d.%d", h.Engine.KernelVersion, oldestGoodMajor, oldestGoodMinor),
			Fix: "Update the host's kernel.",
		}
	case h.Kernel == nil || len(h.Kernel.Features) == 0:
		return Finding{Level: Skipped, Message: h.Engine.KernelVersion + "; " + elsewhere}
	}
	var missing []string
	for _, f := range features {
		if !slices.ContainsFunc(f.names, func(n string) bool { return h.Kernel.Features[n] }) {
			missing = append(missing, f.names[0])
		}
	}
	if len(missing) > 0 {
		// A kernel can hold a feature that it lists nowhere, so this is no proof.
		return Finding{
			Level: Warn, Message: h.Engine.KernelVersion + " does not show " + strings.Join(missing, ", "),
			Fix: "Run 'sudo modprobe -a " + strings.Join(missing, " ") + "'.",
		}
	}
	return ok("%s, with all that is needed", h.Engine.KernelVersion)
}

func tooOld(release string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major < oldestGoodMajor || major == oldestGoodMajor && minor < oldestGoodMinor
}

// compareVersions compares dotted numbers.
func compareVersions(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		var x, y int
		if i < len(as) {
			x, _ = strconv.Atoi(as[i])
		}
		if i < len(bs) {
			y, _ = strconv.Atoi(bs[i])
		}
		if x != y {
			return x - y
		}
	}
	return 0
}
