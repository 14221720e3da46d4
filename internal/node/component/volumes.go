package component

import (
	"context"
	"errors"
	_ "unsafe" // for go:linkname

	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/csi"
	"k8s.io/kubernetes/pkg/volume/csi/nodeinfomanager"
)

// gate is a volume plugin without volumes, which makes the kubelet wait in the middle of its start: it initialises its
// plugins after all that takes long, and before it tells of itself.
type gate struct {
	// VolumePlugin is nil: nobody asks more of a plugin that supports nothing.
	volume.VolumePlugin
	ctx  context.Context
	open <-chan struct{}
}

// Init implements volume.VolumePlugin.
func (g gate) Init(volume.VolumeHost) error {
	select {
	case <-g.open:
		return nil
	case <-g.ctx.Done():
		return errors.New("stopped while it waited for the node's object")
	}
}

// GetPluginName implements volume.VolumePlugin.
func (gate) GetPluginName() string { return "skiff.dev/gate" }

// CanSupport implements volume.VolumePlugin.
func (gate) CanSupport(*volume.Spec) bool { return false }

// csiKeeper is a volume plugin without volumes. It keeps for the kubelet what upstream's CSI plugin has in package
// variables, which whoever initialises the plugin last has set (pkg/volume/csi, Init): the name of the node that drivers
// are registered for, and the plugin that they are registered with. In a process of its own that is the kubelet. Here the
// controller manager does it too, when it begins to lead, and CSI drivers would be registered for a node without a name.
//
// It is the last of the kubelet's plugins, so that it is initialised after the CSI plugin and can remember what that has
// set; when the controllers have been built, it sets it again.
type csiKeeper struct {
	volume.VolumePlugin // nil, as above
	ctx                 context.Context
	built               <-chan struct{}
}

//go:linkname csiNodeInfo k8s.io/kubernetes/pkg/volume/csi.nim
var csiNodeInfo nodeinfomanager.Interface

// Init implements volume.VolumePlugin.
func (k csiKeeper) Init(volume.VolumeHost) error {
	nodeInfo, handler := csiNodeInfo, *csi.PluginHandler
	if nodeInfo == nil {
		return errors.New("the CSI plugin has not been initialised yet")
	}
	go func() {
		select {
		case <-k.built:
			csiNodeInfo, *csi.PluginHandler = nodeInfo, handler
		case <-k.ctx.Done():
		}
	}()
	return nil
}

// GetPluginName implements volume.VolumePlugin.
func (csiKeeper) GetPluginName() string { return "skiff.dev/csi-keeper" }

// CanSupport implements volume.VolumePlugin.
func (csiKeeper) CanSupport(*volume.Spec) bool { return false }
