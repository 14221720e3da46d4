package cluster

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// decompressed returns an archive without the compression that it may have.
func decompressed(archive io.Reader) (io.ReadCloser, error) {
	r := bufio.NewReader(archive)
	start, err := r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case len(start) == 0:
		return nil, &fault.Error{Code: fault.Invalid, Summary: "the archive is empty", Hint: "Make one with 'docker save NAME:TAG -o FILE'."}
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case bytes.Equal(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(r)
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(r), nil
}
