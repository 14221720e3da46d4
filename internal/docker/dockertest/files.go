package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// fileTree is files and directories by absolute path.
type fileTree map[string]file

type file struct {
	header  tar.Header
	content []byte
}

// ReadFile reads a file of a container, or of what is mounted there: what CopyTo put on a volume, or a file of the
// host.
func (e *Engine) ReadFile(containerName, name string) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.find(containerName)
	if err != nil {
		return nil, err
	}
	if host, _, ok := c.bound(name); ok {
		return os.ReadFile(host)
	}
	tree, at := e.resolve(c, name)
	f, ok := tree[at]
	if !ok {
		return nil, notFound("file", containerName+":"+name)
	}
	return bytes.Clone(f.content), nil
}

// WriteFile writes a file into a container, or onto what is mounted there.
func (e *Engine) WriteFile(containerName, name string, content []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.find(containerName)
	if err != nil {
		return err
	}
	if host, readOnly, ok := c.bound(name); ok {
		return writeBound(name, host, readOnly, content)
	}
	tree, at := e.resolve(c, name)
	tree[at] = file{tar.Header{Typeflag: tar.TypeReg, Mode: 0o600}, bytes.Clone(content)}
	return nil
}

// Files lists the files of a volume, by path relative to its root, sorted.
func (e *Engine) Files(volumeName string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	v, ok := e.volumes[volumeName]
	if !ok {
		return nil
	}
	var names []string
	for name, f := range v.files {
		if f.header.Typeflag == tar.TypeReg {
			names = append(names, strings.TrimPrefix(name, "/"))
		}
	}
	slices.Sort(names)
	return names
}

// resolve finds the tree that a container's path is in, and the path in that tree. The caller holds mu.
func (e *Engine) resolve(c *container, name string) (fileTree, string) {
	name = path.Clean("/" + name)
	if volumeName, _, below := c.mounted(name); volumeName != "" {
		return e.volumes[volumeName].files, below
	}
	return c.files, name
}

// isDir says if there is a directory at a path of a tree; directories may exist only by what is in them.
func (t fileTree) isDir(at string) bool {
	if at == "/" || t[at].header.Typeflag == tar.TypeDir {
		return true
	}
	for name := range t {
		if strings.HasPrefix(name, at+"/") {
			return true
		}
	}
	return false
}

// CopyTo implements cluster.Provisioner.
func (e *Engine) CopyTo(ctx context.Context, containerName, dir string, r io.Reader) error {
	end, err := e.begin(ctx, "CopyTo", containerName+":"+dir)
	if err != nil {
		return err
	}
	return end(e.copyTo(containerName, dir, r))
}

func (e *Engine) copyTo(containerName, dir string, r io.Reader) error {
	unpacked := fileTree{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("copy to %s:%s: %w", containerName, dir, err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			return fmt.Errorf("copy to %s:%s: %w", containerName, dir, err)
		}
		unpacked[path.Join(dir, h.Name)] = file{*h, content}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.find(containerName)
	if err != nil {
		return err
	}
	if _, _, ok := c.bound(dir); ok {
		return errCopyThroughBind
	}
	if tree, at := e.resolve(c, dir); !tree.isDir(at) {
		return notFound("directory", containerName+":"+dir)
	}
	for name, f := range unpacked {
		tree, at := e.resolve(c, name)
		tree[at] = f
	}
	return nil
}

// CopyFrom implements cluster.Console. As Docker's, the stream's names begin with the last element of the path.
func (e *Engine) CopyFrom(ctx context.Context, containerName, name string) (io.ReadCloser, error) {
	end, err := e.begin(ctx, "CopyFrom", containerName+":"+name)
	if err != nil {
		return nil, err
	}
	r, err := e.copyFrom(containerName, name)
	if err := end(err); err != nil {
		return nil, err
	}
	return r, nil
}

func (e *Engine) copyFrom(containerName, name string) (io.ReadCloser, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.find(containerName)
	if err != nil {
		return nil, err
	}
	if _, _, ok := c.bound(name); ok {
		return nil, errCopyThroughBind
	}
	tree, at := e.resolve(c, name)
	if _, ok := tree[at]; !ok && !tree.isDir(at) {
		return nil, notFound("file", containerName+":"+name)
	}
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, p := range slices.Sorted(maps.Keys(tree)) {
		if p != at && !strings.HasPrefix(p, strings.TrimSuffix(at, "/")+"/") {
			continue
		}
		f := tree[p]
		h := f.header
		h.Name, h.Size = path.Join(path.Base(path.Clean("/"+name)), strings.TrimPrefix(p, at)), int64(len(f.content))
		if err := tw.WriteHeader(&h); err != nil {
			return nil, err
		}
		if _, err := tw.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	return io.NopCloser(&buf), nil
}

// Modes are the permissions of the files and directories of a volume, by path relative to its root.
func (e *Engine) Modes(volumeName string) (map[string]int64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	v, ok := e.volumes[volumeName]
	if !ok {
		return nil, notFound("volume", volumeName)
	}
	modes := map[string]int64{}
	for name, f := range v.files {
		modes[strings.TrimPrefix(name, "/")] = f.header.Mode
	}
	return modes, nil
}
