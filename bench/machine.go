package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// machine describes what was measured on. It holds nothing that tells whose machine it is.
type machine struct {
	CPU           string  `json:"cpu"`
	Cores         int     `json:"cores"`
	MemoryGiB     float64 `json:"memoryGiB"`
	System        string  `json:"system"`
	Kernel        string  `json:"kernel"`
	Docker        string  `json:"docker"`
	StorageDriver string  `json:"storageDriver"`
	Cgroup        string  `json:"cgroup"`
	Congestion    string  `json:"tcpCongestionControl"` // the kernel's choice for connections that make none
}

// describe asks the engine, and the kernel for the processor's name.
func (e *engine) describe() (machine, error) {
	m := machine{
		Cores: e.info.NCPU, MemoryGiB: float64(e.info.MemTotal) / (1 << 30),
		System: e.info.OperatingSystem, Kernel: e.info.KernelVersion, Docker: e.info.ServerVersion,
		StorageDriver: e.info.Driver, Cgroup: fmt.Sprintf("v%s, driver %s", e.info.CgroupVersion, e.info.CgroupDriver),
	}
	congestion, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	if err != nil {
		return m, err
	}
	m.Congestion = strings.TrimSpace(string(congestion))
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return m, err
	}
	defer file.Close()
	m.CPU, err = processorName(file)
	if m.CPU == "" {
		m.CPU = e.info.Architecture
	}
	return m, err
}

// processorName finds the name in /proc/cpuinfo; not every architecture tells one.
func processorName(cpuinfo io.Reader) (string, error) {
	lines := bufio.NewScanner(cpuinfo)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value), nil
		}
	}
	return "", lines.Err()
}

// String describes it in one line.
func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, %.1f GiB; %s, kernel %s; Docker %s, storage driver %s, cgroup %s; TCP %s",
		m.CPU, m.Cores, m.MemoryGiB, m.System, m.Kernel, m.Docker, m.StorageDriver, m.Cgroup, m.Congestion)
}
