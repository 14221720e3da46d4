package cluster

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Beginnings of compressed files.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// isCompressed says if a file's beginning is that of a compressed one.
func isCompressed(r io.Reader) (bool, error) {
	start := make([]byte, len(zstdMagic))
	n, err := io.ReadFull(r, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return bytes.HasPrefix(start[:n], gzipMagic) || bytes.Equal(start[:n], zstdMagic), nil
}

// decompressed returns an archive without the compression that it may have. What is wrong with it is told as such.
func decompressed(archive io.Reader) (io.ReadCloser, error) {
	r := bufio.NewReader(archive)
	start, err := r.Peek(len(zstdMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, badArchive("the archive cannot be read", err)
	}
	switch {
	case bytes.HasPrefix(start, gzipMagic):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, badArchive("the archive is damaged", err)
		}
		return archiveSource{z}, nil
	case bytes.Equal(start, zstdMagic):
		d, err := zstd.NewReader(r)
		if err != nil {
			return nil, err
		}
		return archiveSource{d.IOReadCloser()}, nil
	}
	return archiveSource{io.NopCloser(r)}, nil
}
