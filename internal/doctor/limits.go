package doctor

import (
	"fmt"
	"strings"
)

const (
	sysctlInstances = "fs.inotify.max_user_instances"
	sysctlWatches   = "fs.inotify.max_user_watches"
)

// raise says how to set a sysctl now and for good.
func raise(name string, value int64) string {
	return fmt.Sprintf("Run 'sudo sysctl -w %s=%d'; to keep it, 'echo %s=%d | sudo tee -a /etc/sysctl.d/99-skiff.conf'.", name, value, name, value)
}

// instances is how many inotify instances the nodes take that are about to be made: one server, if none are.
func (h Host) instances() int64 {
	if h.Servers+h.Agents == 0 {
		return serverInstances
	}
	return int64(h.Servers*serverInstances + h.Agents*agentInstances)
}

// takes says that in words.
func (h Host) takes() string {
	if h.Servers+h.Agents < 2 {
		return fmt.Sprintf("a node takes about %d", h.instances())
	}
	return fmt.Sprintf("the %d nodes take about %d", h.Servers+h.Agents, h.instances())
}

func checkInotifyInstances(h Host) Finding {
	if h.Kernel == nil {
		return unseen(h)
	}
	limit, known := h.Kernel.Sysctls[sysctlInstances]
	if !known {
		return skip(sysctlInstances + " cannot be read")
	}
	used := h.Kernel.InotifyInstances
	message := fmt.Sprintf("%d per user", limit)
	if used >= 0 {
		message += fmt.Sprintf(", %d in use", used)
	}
	switch {
	case limit < minInstances/2:
		return Finding{Level: Fail, Message: message + ", shared by all nodes", Fix: raise(sysctlInstances, goodInstances)}
	case used >= 0 && limit-used < h.instances()+spareInstances:
		return Finding{Level: Warn, Message: fmt.Sprintf("%s, and %s", message, h.takes()),
			Fix: raise(sysctlInstances, max(goodInstances, 2*limit)), atCreate: true}
	case limit < goodInstances:
		return Finding{Level: Warn, Message: message + ": enough for a few nodes", Fix: raise(sysctlInstances, goodInstances)}
	}
	return ok("%s", message)
}

func checkInotifyWatches(h Host) Finding {
	if h.Kernel == nil {
		return unseen(h)
	}
	limit, known := h.Kernel.Sysctls[sysctlWatches]
	switch {
	case !known:
		return skip(sysctlWatches + " cannot be read")
	case limit < minWatches/4:
		return Finding{Level: Fail, Message: fmt.Sprintf("at most %d per user", limit), Fix: raise(sysctlWatches, goodWatches*8)}
	case limit < minWatches:
		return Finding{Level: Warn, Message: fmt.Sprintf("%d per user: enough for a few pods", limit), Fix: raise(sysctlWatches, goodWatches*8)}
	}
	return ok("%d per user", limit)
}

func checkFiles(h Host) Finding {
	if h.Kernel == nil {
		return unseen(h)
	}
	if total, known := h.Kernel.Sysctls["fs.file-max"]; known && total < goodFiles {
		return Finding{Level: Warn, Message: fmt.Sprintf("%d in the whole system", total), Fix: raise("fs.file-max", goodFiles*16)}
	}
	if limit := h.Kernel.OpenFiles; limit > 0 && limit < 4096 {
		return Finding{
			Level: Warn, Message: fmt.Sprintf("%d per process", limit),
			Fix: "Raise the limit of Docker's service: LimitNOFILE=1048576 in a systemd drop-in.",
		}
	}
	return ok("%d per process", h.Kernel.OpenFiles)
}

func checkDisk(h Host) Finding {
	if h.Kernel == nil || h.Engine == nil {
		return unseen(h)
	}
	free, total := h.Kernel.DiskFree, h.Kernel.DiskTotal
	if total == 0 {
		return skip(h.Engine.RootDir + " cannot be looked at by this user")
	}
	message := fmt.Sprintf("%.1f GB free of %.0f GB at %s", float64(free)/1e9, float64(total)/1e9, h.Engine.RootDir)
	const fix = "Run 'docker system df' to see what takes the space, and 'docker system prune' to free what is unused."
	switch {
	case free < minDisk:
		return Finding{Level: Fail, Message: message, Fix: fix}
	case free < goodDisk:
		return Finding{Level: Warn, Message: message, Fix: fix}
	}
	return ok("%s", message)
}

func checkMemory(h Host) Finding {
	if h.Engine == nil {
		return skip(noEngine)
	}
	total := h.Engine.MemoryBytes
	message := fmt.Sprintf("%.1f GB", float64(total)/1e9)
	const fix = "Give Docker's virtual machine more memory (Docker Desktop: Settings, Resources), or use a larger host."
	switch {
	case total < minMemory:
		return Finding{Level: Fail, Message: message + ": a node takes about 250 MB before any pod runs", Fix: fix}
	case total < goodMemory:
		return Finding{Level: Warn, Message: message + ": enough for one node and small pods", Fix: fix}
	}
	if k := h.Kernel; k != nil && k.MemoryAvailable > 0 {
		message += fmt.Sprintf(", %.1f GB available", float64(k.MemoryAvailable)/1e9)
		if k.MemoryAvailable < minMemory {
			return Finding{Level: Warn, Message: message, Fix: "End programs that take much memory, or other clusters ('skiff list')."}
		}
	}
	return ok("%s", message)
}

func checkCPUs(h Host) Finding {
	if h.Engine == nil {
		return skip(noEngine)
	}
	if h.Engine.CPUs < goodCPUs {
		return Finding{
			Level: Warn, Message: fmt.Sprintf("%d: a cluster starts slowly", h.Engine.CPUs),
			Fix: "Give Docker's virtual machine two processors or more.",
		}
	}
	return ok("%d", h.Engine.CPUs)
}

func checkImages(h Host) Finding {
	switch {
	case h.Engine == nil:
		return skip(noEngine)
	case h.UnusedError != nil:
		return skip(h.UnusedError.Error())
	case len(h.Unused) == 0:
		return ok("none is unused")
	}
	var names []string
	var size int64
	for _, i := range h.Unused {
		names, size = append(names, i.Tags...), size+i.Size
	}
	// Images of versions that are near share their lower layer, and what both have is in the sum twice.
	return Finding{
		Level: Warn, Message: fmt.Sprintf("%d of other versions of skiff are not used, and take up to %.1f GB", len(h.Unused), float64(size)/1e9),
		Fix: fmt.Sprintf("Run 'docker image rm %s'.", strings.Join(names, " ")),
	}
}
