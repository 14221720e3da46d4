//go:build linux

package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// runTar is as much of tar as `kubectl cp` needs in a container: "cf - PATH" and "xmf - [-C DIR]".
func runTar(_ context.Context, args []string) error {
	dir, paths, extract := ".", []string{}, false
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-C" && i+1 < len(args):
			i++
			dir = args[i]
		case arg == "-" || strings.HasPrefix(arg, "--"):
		case i == 0 || strings.HasPrefix(arg, "-"):
			extract = extract || strings.Contains(arg, "x")
		default:
			paths = append(paths, arg)
		}
	}
	if extract {
		return unpack(dir, os.Stdin)
	}
	return pack(os.Stdout, paths)
}

func pack(out io.Writer, paths []string) error {
	tw := tar.NewWriter(out)
	for _, root := range paths {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			header, err := tar.FileInfoHeader(info, "")
			if err != nil {
				return err
			}
			header.Name = strings.TrimPrefix(path, "/")
			if err := tw.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			_, err = tw.Write(data)
			return err
		})
		if err != nil {
			return err
		}
	}
	return tw.Close()
}

func unpack(dir string, in io.Reader) error {
	tr := tar.NewReader(in)
	for {
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.Clean("/"+header.Name))
		switch header.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(path, 0o755)
		case tar.TypeReg:
			var data []byte
			if data, err = io.ReadAll(tr); err == nil {
				err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, header.FileInfo().Mode()))
			}
		default:
			err = fmt.Errorf("%s: unexpected type %c", header.Name, header.Typeflag)
		}
		if err != nil {
			return err
		}
	}
}
