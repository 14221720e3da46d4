package cluster

import (
	"context"
	"encoding/json"
	"io"
	"net/netip"
	"time"
)

// Engine is all that this package needs of a container engine. Package docker implements it over the
// Docker API and package dockertest in memory; one conformance suite runs on both. It is split by need:
// code takes the smallest part that it uses. Every method may return a [fault.Error]; a missing object is
// one with code fault.NotFound.
type Engine interface {
	Inspector
	Provisioner
	Console
	ImageStore
}

// Inspector looks and changes nothing.
type Inspector interface {
	// Info describes the engine. It is the first call made, and says if the engine cannot be used.
	Info(ctx context.Context) (EngineInfo, error)
	// Containers, Networks and Volumes list the objects that carry label; every one if label is "".
	// label is "key" or "key=value". Stopped containers are included.
	Containers(ctx context.Context, label string) ([]Container, error)
	Networks(ctx context.Context, label string) ([]Network, error)
	Volumes(ctx context.Context, label string) ([]Volume, error)
	// Inspect returns the engine's own description of a container, network, volume or image.
	Inspect(ctx context.Context, kind ObjectKind, name string) (json.RawMessage, error)
}

// Provisioner creates and removes.
type Provisioner interface {
	CreateNetwork(ctx context.Context, spec NetworkSpec) error
	CreateVolume(ctx context.Context, spec VolumeSpec) error
	// CreateContainer creates a container and returns its ID. It pulls nothing.
	CreateContainer(ctx context.Context, spec ContainerSpec) (string, error)
	StartContainer(ctx context.Context, name string) error
	// StopContainer asks it to stop and kills it after grace.
	StopContainer(ctx context.Context, name string, grace time.Duration) error
	// PauseContainer freezes all processes of a container, UnpauseContainer lets them go on.
	PauseContainer(ctx context.Context, name string) error
	UnpauseContainer(ctx context.Context, name string) error
	// RenameContainer gives a container another name. It is no failure if the container has that name already, and
	// fault.Conflict if another one has it.
	RenameContainer(ctx context.Context, container, name string) error
	// RemoveContainer kills and removes a container and its anonymous volumes.
	RemoveContainer(ctx context.Context, name string) error
	RemoveNetwork(ctx context.Context, name string) error
	RemoveVolume(ctx context.Context, name string) error
	// CopyTo unpacks a tar stream at dir in a container, which need not run; volumes included.
	CopyTo(ctx context.Context, container, dir string, tar io.Reader) error
}

// Console talks with what runs in a container.
type Console interface {
	// Attach streams the container's standard output from now on; call it before StartContainer to miss
	// nothing. The stream ends when the container does.
	Attach(ctx context.Context, container string) (io.ReadCloser, error)
	// Logs copies what the container wrote so far, the last tail lines of it (0: all), to w.
	Logs(ctx context.Context, container string, tail int, w io.Writer) error
	// Exec runs a command in a running container and returns its exit code.
	Exec(ctx context.Context, container string, spec ExecSpec) (int, error)
	// CopyFrom returns a tar stream of path in a container, which need not run.
	CopyFrom(ctx context.Context, container, path string) (io.ReadCloser, error)
}

// ImageStore is the engine's own store of images.
type ImageStore interface {
	// Image describes an image by reference or ID.
	Image(ctx context.Context, ref string) (Image, error)
	// Images lists the images that carry label.
	Images(ctx context.Context, label string) ([]Image, error)
	// LoadImage loads a tar stream as `docker load` does.
	LoadImage(ctx context.Context, tar io.Reader) error
	// SaveImages streams images as `docker save` does.
	SaveImages(ctx context.Context, refs []string) (io.ReadCloser, error)
	RemoveImage(ctx context.Context, ref string) error
}

// ObjectKind is a sort of object of an engine.
type ObjectKind string

// Kinds of objects.
const (
	KindContainer ObjectKind = "container"
	KindNetwork   ObjectKind = "network"
	KindVolume    ObjectKind = "volume"
	KindImage     ObjectKind = "image"
)

// EngineInfo describes a container engine and its host.
type EngineInfo struct {
	Version    string `json:"version"`
	APIVersion string `json:"apiVersion"` // the one in use, after negotiation
	// Endpoint is where it was reached ("unix:///var/run/docker.sock"), and Context the Docker context that
	// named it ("" for none).
	Endpoint string `json:"endpoint"`
	Context  string `json:"context,omitempty"`
	// Local is true if host ports published on 127.0.0.1 can be reached from this process.
	Local         bool   `json:"local"`
	OS            string `json:"os"`
	Architecture  string `json:"architecture"` // as GOARCH
	KernelVersion string `json:"kernelVersion"`
	CgroupVersion string `json:"cgroupVersion"` // "1" or "2"
	CgroupDriver  string `json:"cgroupDriver"`
	StorageDriver string `json:"storageDriver"`
	RootDir       string `json:"rootDir"`
	Rootless      bool   `json:"rootless"`
	// Time is when this was told, by the engine's clock, which is that of its containers: a client on another machine has
	// its own.
	Time        time.Time `json:"-"`
	CPUs        int       `json:"cpus"`
	MemoryBytes int64     `json:"memoryBytes"`
	Warnings    []string  `json:"warnings,omitempty"`
}

// Container is a container as the engine lists it.
type Container struct {
	ID      string
	Name    string
	Image   string // as it was named when the container was made, or its ID
	ImageID string
	Labels  map[string]string
	State   NodeState
	Created time.Time
	// Addresses by network name; Addresses6 are those of IPv6.
	Addresses  map[string]netip.Addr
	Addresses6 map[string]netip.Addr
	Ports      []Port
}

// Port is a published port.
type Port struct {
	HostIP        string
	HostPort      uint16
	ContainerPort uint16
	Protocol      string // "tcp" or "udp"
}

// Network is a network as the engine lists it.
type Network struct {
	ID      string
	Name    string
	Labels  map[string]string
	Subnets []netip.Prefix
}

// NetworkSpec is a network to be created.
type NetworkSpec struct {
	Name   string
	Labels map[string]string
	Subnet netip.Prefix
	// Subnet6 makes the network carry IPv6 as well.
	Subnet6 netip.Prefix
	// Dynamic and Dynamic6 are the parts of the subnets that containers without a fixed address get theirs of. The zero
	// value leaves it to the engine.
	Dynamic, Dynamic6 netip.Prefix
}

// Volume is a volume as the engine lists it.
type Volume struct {
	Name   string
	Labels map[string]string
}

// VolumeSpec is a volume to be created.
type VolumeSpec struct {
	Name   string
	Labels map[string]string
}

// ContainerSpec is a container to be created.
type ContainerSpec struct {
	Name, Hostname, Image string
	Cmd                   []string
	Env                   []string
	Labels                map[string]string
	Network               string
	Address               netip.Addr // fixed address on Network
	Address6              netip.Addr // the same for IPv6, if the network carries it
	// Aliases are further names by which others on Network find it, one or several containers by each.
	Aliases []string
	Ports   []Port
	Volumes map[string]string // volume name to mount point
	// Binds are directories and files of the engine's host.
	Binds []Bind
	// CPUMillis, in thousandths of a processor, and MemoryBytes limit what it may use; 0 is no limit.
	CPUMillis, MemoryBytes int64
	Tmpfs                  map[string]string // mount point to options
	// Capabilities is the exact set: everything else is dropped.
	Capabilities []string
	// SecurityOpts as in `docker run --security-opt`.
	SecurityOpts []string
	// UnmaskedPaths shows /proc and /sys whole, where Docker would hide or protect parts of it.
	UnmaskedPaths bool
	// PrivateCgroupNS gives the container a cgroup namespace of its own.
	PrivateCgroupNS bool
	Restart         string // restart policy: "no", "unless-stopped"
	StopSignal      string
	StopTimeout     time.Duration
}

// Bind shows a directory or file of the engine's host in a container.
type Bind struct {
	Source   string `json:"source"` // an absolute path; nothing is made there if it does not exist
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly,omitempty"`
}

// ExecSpec is a command to be run in a container.
type ExecSpec struct {
	Cmd            []string
	Env            []string
	Stdin          io.Reader // nil: none
	Stdout, Stderr io.Writer
	// TTY gives the command a terminal; then Stderr is unused, and each value of Resize sets its size.
	TTY    bool
	Resize <-chan WindowSize
}

// WindowSize is a terminal's size in characters.
type WindowSize struct{ Columns, Rows uint16 }

// Image is an image as the engine describes it.
type Image struct {
	ID           string
	Tags         []string
	Digests      []string
	Labels       map[string]string
	Architecture string
	OS           string
	Size         int64
	// Layers are the digests of the uncompressed layers, lowest first.
	Layers []string
}
