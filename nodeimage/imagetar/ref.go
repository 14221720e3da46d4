package imagetar

import "strings"

// Normalize completes an image's name as Docker does: "skiff-node:1" is "docker.io/library/skiff-node:1".
func Normalize(ref string) string {
	first, rest, found := strings.Cut(ref, "/")
	switch {
	case !found:
		return "docker.io/library/" + ref
	case strings.ContainsAny(first, ".:") || first == "localhost":
		return first + "/" + rest
	default:
		return "docker.io/" + ref
	}
}

func tag(ref string) string {
	_, after, found := strings.Cut(ref[strings.LastIndex(ref, "/")+1:], ":")
	if !found {
		return "latest"
	}
	return after
}
