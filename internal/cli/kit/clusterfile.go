package kit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/skiff-cluster/skiff/internal/config"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// ClusterFile is what a command has read of a cluster file. In JSON it is what the specification of the cluster does not
// say: embed it in a result.
type ClusterFile struct {
	Config *config.Cluster `json:"-"`
	// name is what messages call the file, "" if there is none.
	name string
	// Manifests are the files that are applied when the cluster is created, in their order.
	Manifests []string `json:"manifests,omitempty"`
	// Unmapped is what a configuration of kind asks for and has no counterpart here.
	Unmapped []config.Unmapped `json:"unmapped,omitempty"`
}

// ReadClusterFile reads a cluster file and warns of what of a configuration of kind is lost: also with --quiet, because
// the cluster is another than was asked for.
func (d *Deps) ReadClusterFile(path string) (*ClusterFile, error) {
	c, unmapped, err := config.Load(path, d.In)
	if err != nil {
		return nil, err
	}
	manifests, err := c.ManifestFiles()
	if err != nil {
		return nil, err
	}
	name := path
	if path == config.Stdin {
		name = "stdin"
	}
	switch {
	case len(unmapped) == 0:
	case d.JSON():
		// One line, as all that goes to the error stream with --output json. A reader that went away is no reason to stop.
		_ = json.NewEncoder(d.Err).Encode(map[string][]config.Unmapped{"unmapped": unmapped})
	default:
		for _, u := range unmapped {
			fmt.Fprintf(d.Err, "%s: not used: %s\n", name, u)
		}
	}
	return &ClusterFile{Config: c, name: name, Manifests: manifests, Unmapped: unmapped}, nil
}

// Locate adds to an error where in the file the field is that is at fault, if it says so and the file has it.
func (f *ClusterFile) Locate(err error) error {
	var found *fault.Error
	if f.name == "" || !errors.As(err, &found) || found.Field == "" {
		return err
	}
	line, column, field := f.Config.Place(found.Field)
	if line == 0 {
		return err
	}
	found.Details = append([]string{fmt.Sprintf("%s:%d:%d: %s", f.name, line, column, field)}, found.Details...)
	return err
}

// ThenApply is what a plan for people says of the manifests, after all else; "" if there are none.
func (f *ClusterFile) ThenApply() string {
	if len(f.Manifests) == 0 {
		return ""
	}
	return "\n\nThen apply:\n  " + strings.Join(f.Manifests, "\n  ")
}
