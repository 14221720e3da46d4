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
	// Must is what it has to reach now, and Goal what it is to reach one day: not to exceed, in d if the unit is one that
	// moves with the machine. 0 means that nothing is asked for. A [ratio] is not to fall below them.
	Must, Goal float64
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
	{figCreate, "create, one node, until it returns under the readiness contract", seconds, 12.5, 7.5},
	{figEphemeral, "… with --ephemeral", seconds, 0, 0},
	{figFirst, "… the first after an installation: the node image is not in Docker yet", seconds, 0, 0},
	{figApp, "create, load an image, apply: until the app answers through its Service's DNS name", seconds, 22, 15},
	{figPods(1), "1 pod, from apply to Ready", seconds, 0, 0},
	{figPods(10), "10 pods, from apply to all Ready", seconds, 0, 0},
	{figPods(100), "100 pods, from apply to all Ready", seconds, 75, 0},
	{figDelete, "delete", seconds, 4, 2.5},
	{figLoad, "load a 100 MB image", seconds, 0, 4},
	{figLoadLayer, "… again after its last layer changed", seconds, 0, 1},
	{figLoadSame, "… again unchanged", seconds, 0, 0},
	{figCreateCPU, "CPU time of a create: node, command and engine", cpuSeconds, 30, 20},
	{figCreateMachine, "CPU time of a create: the whole machine above its idle rate", cpuSeconds, 0, 0},
	{figIdleMemory, "idle memory of a node", mebibytes, 230, 200},
	{figIdleCPU, "idle CPU of a node", percent, 2, 1},
	{figMany, "create, 3 servers and 2 agents, until it returns under the readiness contract", seconds, 45, 30},
	{figTen, "create, 10 nodes: 1 server and 9 agents", seconds, 0, 0},
	{figAddAgent, "add an agent to a running cluster, until it is Ready", seconds, 15, 10},
	{figAgentMemory, "idle memory of an agent", mebibytes, 90, 80},
	{figAgentCPU, "idle CPU of an agent", percent, 0, 0},
	{figEdgeMemory, "idle memory of an edge", mebibytes, 15, 10},
	{figPlainStream, "TCP between two plain containers on one Docker network", megabytes, 0, 0},
	{figPodStream, "TCP between pods on two nodes", megabytes, 0, 0},
	{figStreamRatio, "… as a part of what plain containers reach", ratio, 0.9, 0},
	{figPlainStreams, "TCP between two plain containers, over four connections", megabytes, 0, 0},
	{figPodStreams, "TCP between pods on two nodes, over four connections", megabytes, 0, 0},
	{figStreamsRatio, "… as a part of what plain containers reach", ratio, 0.9, 0},
}

// limit writes what is asked for, "" for nothing.
func (u unit) limit(v float64) string {
	switch {
	case v == 0:
		return ""
	case u.inD():
		return fmt.Sprintf("%g d", v)
	}
	return fmt.Sprintf("%g", v)
}

// reaches says if a value is within a limit.
func (u unit) reaches(value, limit, d float64) bool {
	if u.inD() {
		value /= d
	}
	if u == ratio {
		return value >= limit
	}
	return value <= limit
}

// verdict says how a value stands to what is asked for, "" if nothing is.
func (f figure) verdict(value, d float64) string {
	switch {
	case f.Goal != 0 && f.Unit.reaches(value, f.Goal, d):
		return "goal met"
	case f.Must != 0 && f.Unit.reaches(value, f.Must, d):
		return "met"
	case f.Must != 0:
		return "not met"
	case f.Goal != 0:
		return "goal not met"
	}
	return ""
}
