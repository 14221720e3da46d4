package imagetar

import (
	"fmt"

	"github.com/distribution/reference"
)

// names returns an image's full name, as containerd stores it, and its tag.
func names(ref string) (full, tag string, err error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", "", fmt.Errorf("image name %q: %w", ref, err)
	}
	tagged, ok := reference.TagNameOnly(named).(reference.Tagged)
	if !ok {
		return "", "", fmt.Errorf("image name %q has a digest, want a tag", ref)
	}
	return reference.TagNameOnly(named).String(), tagged.Tag(), nil
}
