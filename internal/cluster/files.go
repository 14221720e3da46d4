package cluster

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/pki"
)

// nodeFiles is the archive of what a node is given on its volume: its configuration and its keys, for root only.
func nodeFiles(config nodeapi.Config, keys pki.Files) (io.Reader, error) {
	content, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, err
	}
	return packFiles(config.Node, content, keys)
}

// changedConfig is a node's configuration with other values. What it holds that this program does not know stays.
func changedConfig(content []byte, config nodeapi.Config) ([]byte, error) {
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(content, &all); err != nil {
		return nil, err
	}
	var was nodeapi.Config
	if err := json.Unmarshal(content, &was); err != nil {
		return nil, err
	}
	known, err := fieldsOf(was)
	if err != nil {
		return nil, err
	}
	for name := range known {
		delete(all, name)
	}
	fields, err := fieldsOf(config)
	if err != nil {
		return nil, err
	}
	maps.Copy(all, fields)
	return json.MarshalIndent(all, "", "  ")
}

// fieldsOf are the fields of a configuration that are written down.
func fieldsOf(config nodeapi.Config) (map[string]json.RawMessage, error) {
	content, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{}
	return fields, json.Unmarshal(content, &fields)
}

// packFiles makes the archive.
func packFiles(node string, content []byte, keys pki.Files) (io.Reader, error) {
	var err error
	now := time.Now()
	dir := inState(nodeapi.PKIDir)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h *tar.Header, content []byte) {
		h.ModTime, h.Size = now, int64(len(content))
		err = errors.Join(err, w.WriteHeader(h))
		_, writeErr := w.Write(content)
		err = errors.Join(err, writeErr)
	}
	add(&tar.Header{Typeflag: tar.TypeReg, Name: inState(nodeapi.ConfigPath), Mode: 0o600}, content)
	add(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o700}, nil)
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		add(&tar.Header{Typeflag: tar.TypeReg, Name: path.Join(dir, name), Mode: 0o600}, keys[name])
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("pack the files of %s: %w", node, err)
	}
	return &b, nil
}

// inState is a path relative to the node's volume.
func inState(p string) string { return strings.TrimPrefix(p, nodeapi.StateDir+"/") }

// maxFile is more than any file that is read from a node whole.
const maxFile = 1 << 20

// firstFile returns the content of the first file of a tar stream.
func firstFile(r io.Reader) ([]byte, error) {
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("there is no file in the archive")
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg {
			return io.ReadAll(io.LimitReader(tr, maxFile))
		}
	}
}
