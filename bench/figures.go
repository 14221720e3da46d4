package main

import "fmt"

// unit is what a figure is counted in.
type unit string

const (
	seconds    unit = "s"
	cpuSeconds unit = "CPU s"
	mebibytes  unit = "MiB"
	percent    unit = "% of a core"
	megabytes  unit = "MB/s"
	ratio      unit = "of plain containers"
)

// inD says if the figure moves with the speed of the machine, and is therefore shown in d as well.
func (u unit) inD() bool { return u == seconds || u == cpuSeconds }

// format writes a value with two or three significant digits.
func (u unit) format(v float64) string {
	switch {
	case u.inD():
		return fmt.Sprintf("%.2f", v)
	case u == percent:
		return fmt.Sprintf("%.1f", v)
	case u == ratio:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// figure is something that is measured.
type figure struct {
	ID    string
	Title string
	Unit  unit
	// Goal is what it must not exceed: in d if the unit is one that moves with the machine. 0 means no goal. A [ratio]
	// must not fall below it.
	Goal float64
}

// IDs of figures.
const (
	figCreate        = "create"
	figCreateCPU     = "create-cpu"
	figCreateMachine = "create-cpu-machine"
	figEphemeral     = "create-ephemeral"
	figFirst         = "create-first"
	figApp           = "app"
	figDelete        = "delete"
	figLoad          = "load"
	figLoadLayer     = "load-last-layer"
	figLoadSame      = "load-unchanged"
	figIdleMemory    = "idle-memory"
	figIdleCPU       = "idle-cpu"
	figMany          = "create-3-2"
	figTen           = "create-10"
	figAddAgent      = "add-agent"
	figAgentMemory   = "agent-memory"
	figAgentCPU      = "agent-cpu"
	figEdgeMemory    = "edge-memory"
	figPlainStream   = "stream-containers"
	figPodStream     = "stream-pods"
	figStreamRatio   = "stream-ratio"
	figPlainStreams  = "streams-containers"
	figPodStreams    = "streams-pods"
	figStreamsRatio  = "streams-ratio"
)

// figPods is the ID of the figure for a number of pods.
func figPods(n int) string { return fmt.Sprintf("pods-%d", n) }

// figures in the order they are shown.
var figures = []figure{
	{figCreate, "create, one node, until it returns under the readiness contract", seconds, 12.5},
	{figEphemeral, "… with --ephemeral", seconds, 0},
	{figFirst, "… the first after an installation: the node image is not in Docker yet", seconds, 0},
	{figApp, "create, load an image, apply: until the app answers through its Service's DNS name", seconds, 22},
	{figPods(1), "1 pod, from apply to Ready", seconds, 0},
	{figPods(10), "10 pods, from apply to all Ready", seconds, 0},
	{figPods(100), "100 pods, from apply to all Ready", seconds, 75},
	{figDelete, "delete", seconds, 4},
	{figLoad, "load a 100 MB image", seconds, 4},
	{figLoadLayer, "… again after its last layer changed", seconds, 1},
	{figLoadSame, "… again unchanged", seconds, 0},
	{figCreateCPU, "CPU time of a create: node, command and engine", cpuSeconds, 30},
	{figCreateMachine, "CPU time of a create: the whole machine above its idle rate", cpuSeconds, 0},
	{figIdleMemory, "idle memory of a node", mebibytes, 230},
	{figIdleCPU, "idle CPU of a node", percent, 2},
	{figMany, "create, 3 servers and 2 agents, until it returns under the readiness contract", seconds, 45},
	{figTen, "create, 10 nodes: 1 server and 9 agents", seconds, 0},
	{figAddAgent, "add an agent to a running cluster, until it is Ready", seconds, 15},
	{figAgentMemory, "idle memory of an agent", mebibytes, 90},
	{figAgentCPU, "idle CPU of an agent", percent, 0},
	{figEdgeMemory, "idle memory of an edge", mebibytes, 15},
	{figPlainStream, "TCP between two plain containers on one Docker network", megabytes, 0},
	{figPodStream, "TCP between pods on two nodes", megabytes, 0},
	{figStreamRatio, "… as a part of what plain containers reach", ratio, 0.9},
	{figPlainStreams, "TCP between two plain containers, over four connections", megabytes, 0},
	{figPodStreams, "TCP between pods on two nodes, over four connections", megabytes, 0},
	{figStreamsRatio, "… as a part of what plain containers reach", ratio, 0.9},
}

// goal writes the goal, "" if there is none.
func (f figure) goal() string {
	switch {
	case f.Goal == 0:
		return ""
	case f.Unit.inD():
		return fmt.Sprintf("%g d", f.Goal)
	}
	return fmt.Sprintf("%g", f.Goal)
}

// met says if a value reaches the goal, d being the yardstick.
func (f figure) met(value, d float64) bool {
	if f.Unit.inD() {
		value /= d
	}
	if f.Unit == ratio {
		return value >= f.Goal
	}
	return value <= f.Goal
}
