package component

import (
	"context"
	"errors"

	"k8s.io/kubernetes/pkg/volume"
)

// afterControllers is a volume plugin without volumes, which makes the kubelet wait in the middle of its start.
//
// Upstream's CSI plugin keeps the node's name in a package variable, which whoever initialises a plugin manager last
// has set (pkg/volume/csi, Init). In a process of its own that is the kubelet. Here the controller manager does it
// too, and if it came last, CSI drivers would be registered for a node without a name. So the kubelet initialises its
// plugins, of which this is the first, when the controllers have been built.
type afterControllers struct {
	// VolumePlugin is nil: nobody asks more of a plugin that supports nothing.
	volume.VolumePlugin
	ctx   context.Context
	built <-chan struct{}
}

// Init implements volume.VolumePlugin.
func (p afterControllers) Init(volume.VolumeHost) error {
	select {
	case <-p.built:
		return nil
	case <-p.ctx.Done():
		return errors.New("stopped while it waited for the controller manager")
	}
}

// GetPluginName implements volume.VolumePlugin.
func (afterControllers) GetPluginName() string { return "skiff.dev/after-controllers" }

// CanSupport implements volume.VolumePlugin.
func (afterControllers) CanSupport(*volume.Spec) bool { return false }
