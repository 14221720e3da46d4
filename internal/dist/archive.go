package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// file is a file of an archive, under the base name of its source.
type file struct {
	source     string
	executable bool
}

// epoch is the time that all files carry: archives must not differ by when they were made.
var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

func (f file) mode() fs.FileMode {
	if f.executable {
		return 0o755
	}
	return 0o644
}

// open returns the content and its size.
func (f file) open() (*os.File, int64, error) {
	in, err := os.Open(f.source)
	if err != nil {
		return nil, 0, err
	}
	info, err := in.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, in.Close())
	}
	return in, info.Size(), nil
}

// writeTarGz writes files below the directory dir.
func writeTarGz(w io.Writer, dir string, files []file) error {
	gz, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(gz)
	for _, f := range files {
		if err := f.addToTar(tw, dir); err != nil {
			return err
		}
	}
	return errors.Join(tw.Close(), gz.Close())
}

func (f file) addToTar(tw *tar.Writer, dir string) error {
	in, size, err := f.open()
	if err != nil {
		return err
	}
	defer in.Close()
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: dir + "/" + filepath.Base(f.source), Size: size, Mode: int64(f.mode()),
		ModTime: epoch, Format: tar.FormatUSTAR,
	}
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(tw, in)
	return err
}

// writeZip writes files below the directory dir.
func writeZip(w io.Writer, dir string, files []file) error {
	zw := zip.NewWriter(w)
	for _, f := range files {
		if err := f.addToZip(zw, dir); err != nil {
			return err
		}
	}
	return zw.Close()
}

func (f file) addToZip(zw *zip.Writer, dir string) error {
	in, _, err := f.open()
	if err != nil {
		return err
	}
	defer in.Close()
	header := &zip.FileHeader{Name: dir + "/" + filepath.Base(f.source), Method: zip.Deflate, Modified: epoch}
	header.SetMode(f.mode())
	out, err := zw.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return err
}
