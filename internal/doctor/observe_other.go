//go:build !linux

package doctor

import "github.com/skiff-cluster/skiff/internal/cluster"

// On macOS and Windows the engine's kernel is that of a virtual machine.
func isThisKernel(cluster.EngineInfo) bool { return false }

func readKernel(cluster.EngineInfo) *Kernel { return nil }

func readSysctls() map[string]int64 { return nil }

func countInotify(cluster.EngineInfo) int64 { return -1 }
