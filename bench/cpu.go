package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticks is the unit of times in /proc: the kernel's USER_HZ, which is 100 on every architecture that Go knows.
const ticks = 100

// machineBusy returns the seconds that all processors together have worked since the machine started.
func machineBusy() (float64, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusy(data)
}

// parseBusy reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal. Guests' time
// is in the user's already, and stolen time was not worked.
func parseBusy(stat []byte) (float64, error) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) < 8 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var sum float64
	for _, i := range []int{1, 2, 3, 6, 7} {
		n, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		sum += n
	}
	return sum / ticks, nil
}

// enginePrograms are the processes that work for Docker outside of containers. The kernel cuts names to 15 letters.
var enginePrograms = map[string]bool{
	"dockerd": true, "containerd": true, "containerd-shim": true, "docker-proxy": true, "fuse-overlayfs": true,
}

// engineCPU returns the CPU seconds of Docker's own processes, by process, with those of the children they waited
// for. A node has a containerd too; it is told apart by its PID namespace.
func engineCPU() (map[string]float64, error) {
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return nil, err
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	used := map[string]float64{}
	found := false
	for _, dir := range dirs {
		// A process may end while it is looked at; then it is not one of ours.
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil {
			continue
		}
		name, cpu, err := parseProcess(stat)
		if err != nil {
			return nil, err
		}
		if !enginePrograms[name] {
			continue
		}
		if ns, err := os.Readlink(filepath.Join(dir, "ns/pid")); err != nil || ns != own {
			continue
		}
		found = found || name == "dockerd"
		used[dir] = cpu
	}
	if !found {
		return nil, fmt.Errorf("no process dockerd can be seen: its CPU time cannot be counted")
	}
	return used, nil
}

// parseProcess reads /proc/PID/stat: the name, and the CPU seconds with those of children that were waited for.
func parseProcess(stat []byte) (name string, cpu float64, err error) {
	// The name stands in parentheses and may hold any character, parentheses too.
	begin, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if begin < 0 || end < begin {
		return "", 0, fmt.Errorf("unknown form of /proc/PID/stat: %q", stat)
	}
	fields := strings.Fields(string(stat[end+1:]))
	const first = 11 // utime, stime, cutime, cstime are fields 14 to 17 of the line, and the state is field 3
	if len(fields) < first+4 {
		return "", 0, fmt.Errorf("unknown form of /proc/PID/stat: %q", stat)
	}
	for _, field := range fields[first : first+4] {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return "", 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		cpu += n / ticks
	}
	return string(stat[begin+1 : end]), cpu, nil
}

// spent is how much more the second reading has than the first.
func spent(before, after map[string]float64) float64 {
	var sum float64
	for process, cpu := range after {
		sum += cpu - before[process]
	}
	return sum
}

// meter measures what a piece of work costs outside of the node and the command.
type meter struct {
	started time.Time
	engine  map[string]float64
	machine float64
}

func startMeter() (meter, error) {
	m := meter{started: time.Now()}
	var err error
	if m.engine, err = engineCPU(); err != nil {
		return m, err
	}
	m.machine, err = machineBusy()
	return m, err
}

// stop returns the CPU seconds of the engine, and those of the whole machine above its rate when idle.
func (m meter) stop(idleRate float64) (engine, machine float64, err error) {
	took := time.Since(m.started).Seconds()
	busy, err := machineBusy()
	if err != nil {
		return 0, 0, err
	}
	after, err := engineCPU()
	if err != nil {
		return 0, 0, err
	}
	return spent(m.engine, after), max(busy-m.machine-idleRate*took, 0), nil
}
