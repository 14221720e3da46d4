package fakenode

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// imagesPath holds the node's images as JSON, so that they live as long as its container.
const imagesPath = "/images.json"

// Image is an image as a node lists it.
type Image struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	Config string `json:"config,omitempty"`
}

func images(p *dockertest.Process) ([]Image, error) {
	list := []Image{}
	content, err := p.ReadFile(imagesPath)
	if fault.CodeOf(err) == fault.NotFound {
		return list, nil
	}
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(content, &list)
	return list, err
}

// load takes in an archive in the format of `docker save`.
func load(p *dockertest.Process, archive io.Reader) (map[string][]string, error) {
	var manifests []struct {
		Config   string
		RepoTags []string
	}
	for tr := tar.NewReader(archive); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("import the archive: %w", err)
		}
		if h.Name == "manifest.json" {
			if err := json.NewDecoder(tr).Decode(&manifests); err != nil {
				return nil, fmt.Errorf("import the archive: %w", err)
			}
		}
	}
	// As the real one: whoever writes the archive must not find the pipe closed before its end.
	if _, err := io.Copy(io.Discard, archive); err != nil {
		return nil, err
	}
	list, err := images(p)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, m := range manifests {
		for _, tag := range m.RepoTags {
			named, err := reference.ParseNormalizedNamed(tag)
			if err != nil {
				return nil, err
			}
			name := reference.TagNameOnly(named).String()
			config := "sha256:" + strings.TrimSuffix(m.Config, ".json")
			list = slices.DeleteFunc(list, func(i Image) bool { return i.Name == name })
			list = append(list, Image{Name: name, Digest: "sha256:manifest-of-" + config, Config: config})
			names = append(names, name)
		}
	}
	content, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	return map[string][]string{"images": names}, p.WriteFile(imagesPath, content)
}
