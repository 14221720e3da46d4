// Package doctor finds out whether a host can run clusters, and says what to do where it cannot.
//
// [Observe] looks once and fills a [Host]; the checks are pure functions over it, in the table [Checks]. A check
// that cannot know, because the engine is remote or inside a virtual machine, is skipped and says so.
package doctor

import (
	"context"
	"fmt"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// Level is how bad a finding is.
type Level string

// The levels, the best first.
const (
	OK      Level = "ok"
	Skipped Level = "skipped" // cannot be known from here
	Warn    Level = "warn"    // clusters run, with a limit
	Fail    Level = "fail"    // clusters will not run
)

// Finding is the result of one check.
type Finding struct {
	Check   string `json:"check"`
	Level   Level  `json:"level"`
	Message string `json:"message"`
	// Fix is what to do about it, in the form of [fault.Error]'s Hint.
	Fix string `json:"fix,omitempty"`
	// atCreate is true for a warning that is worth a word before the next cluster is made: it may well fail.
	atCreate bool
}

// Host is what the checks look at.
type Host struct {
	// Engine is nil if it cannot be used, and EngineError says why.
	Engine      *cluster.EngineInfo
	EngineError error
	// Kernel is nil unless the engine's kernel is the one under this process.
	Kernel *Kernel
	// Unused are the node images in the engine that no container uses, and that this program would not use either;
	// UnusedError says why they are not known.
	Unused      []cluster.Image
	UnusedError error
	// Servers and Agents are the nodes that are about to be made; none if nothing is.
	Servers, Agents int
}

// Kernel is what /proc and the like say of the engine's host.
type Kernel struct {
	// Features are the names of file systems, modules and built-in modules.
	Features map[string]bool
	// Sysctls by dotted name; a missing one is not in it.
	Sysctls map[string]int64
	// InotifyInstances is how many inotify instances the user has open that nodes run as; -1 if that cannot be seen.
	InotifyInstances int64
	// OpenFiles is this process's hard limit of open files.
	OpenFiles int64
	// DiskFree and DiskTotal are of the file system that Docker stores on; 0 if it cannot be read.
	DiskFree, DiskTotal int64
	// MemoryAvailable is what could be given to a new process without swapping.
	MemoryAvailable int64
}

// Check looks at one property of a host.
type Check struct {
	Name string
	// Preflight checks run before every create too.
	Preflight bool
	Run       func(Host) Finding
}

// Checks are all checks, in the order in which they are shown.
var Checks = []Check{
	{"docker", false, checkEngine},
	{"docker API", true, checkAPI},
	{"operating system", true, checkOS},
	{"cgroups", true, checkCgroups},
	{"storage driver", false, checkStorage},
	{"rootless", false, checkRootless},
	{"endpoint", false, checkEndpoint},
	{"kernel", false, checkKernel},
	{"inotify instances", true, checkInotifyInstances},
	{"inotify watches", true, checkInotifyWatches},
	{"open files", false, checkFiles},
	{"disk", false, checkDisk},
	{"memory", false, checkMemory},
	{"processors", false, checkCPUs},
	{"node images", false, checkImages},
}

// Examine runs every check.
func Examine(h Host) []Finding {
	findings := make([]Finding, 0, len(Checks))
	for _, c := range Checks {
		f := c.Run(h)
		f.Check = c.Name
		findings = append(findings, f)
	}
	return findings
}

// Failed is true if one finding is a failure.
func Failed(findings []Finding) bool {
	for _, f := range findings {
		if f.Level == Fail {
			return true
		}
	}
	return false
}

// Preflight runs the checks that are cheap and would make the creation of so many nodes fail. It returns the first
// failure as an error, and what may make it fail as warnings.
func Preflight(ctx context.Context, engine cluster.Inspector, servers, agents int) (warnings []Finding, err error) {
	info, err := engine.Info(ctx)
	if err != nil {
		return nil, err
	}
	h := Host{Engine: &info, Servers: servers, Agents: agents}
	if isThisKernel(info) {
		h.Kernel = &Kernel{Sysctls: readSysctls(), InotifyInstances: countInotify(info)}
	}
	return preflight(h)
}

func preflight(h Host) (warnings []Finding, err error) {
	for _, c := range Checks {
		if !c.Preflight {
			continue
		}
		f := c.Run(h)
		f.Check = c.Name
		switch {
		case f.Level == Fail:
			return nil, &fault.Error{
				Code:    fault.Invalid,
				Summary: fmt.Sprintf("this host cannot run a cluster: %s: %s", f.Check, f.Message),
				Hint:    fmt.Sprintf("%s\nRun 'skiff doctor' for all that was found.", f.Fix),
			}
		case f.atCreate:
			warnings = append(warnings, f)
		}
	}
	return warnings, nil
}
