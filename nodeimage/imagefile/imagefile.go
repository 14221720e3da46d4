// Package imagefile keeps a container image in two files of a directory: the compressed archive, and a description
// that tells what must be known of the image without reading it.
package imagefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/klauspost/compress/zstd"
)

// Names of the files.
const (
	ArchiveName     = "image.tar.zst"
	DescriptionName = "image.json"
)

// Description is what must be known of an image without reading it.
type Description struct {
	// Ref is its name; the tag is the beginning of the image's ID, which stands for the whole content.
	Ref          string            `json:"ref"`
	Architecture string            `json:"architecture"` // as GOARCH
	Labels       map[string]string `json:"labels"`
	Size         int64             `json:"size"` // of the archive, uncompressed
}

// File is an image in a directory. Make one with [Open].
type File struct {
	description Description
	dir         fs.FS
}

// Open finds the image in a directory. The error is fs.ErrNotExist if there is none.
func Open(dir fs.FS) (*File, error) {
	data, err := fs.ReadFile(dir, DescriptionName)
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(dir, ArchiveName); err != nil {
		return nil, err
	}
	file := &File{dir: dir}
	if err := json.Unmarshal(data, &file.description); err != nil {
		return nil, fmt.Errorf("%s: %w", DescriptionName, err)
	}
	return file, nil
}

// Ref is the image's name.
func (f *File) Ref() string { return f.description.Ref }

// Labels are the image's labels.
func (f *File) Labels() map[string]string { return f.description.Labels }

// Size is the number of bytes that [File.Open] returns.
func (f *File) Size() int64 { return f.description.Size }

// Architecture is that of the image's programs, as GOARCH.
func (f *File) Architecture() string { return f.description.Architecture }

// Open returns the archive, as `docker load` takes it, decompressed while it is read.
func (f *File) Open() (io.ReadCloser, error) {
	file, err := f.dir.Open(ArchiveName)
	if err != nil {
		return nil, err
	}
	decoder, err := zstd.NewReader(file, zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &stream{Decoder: decoder, file: file}, nil
}

// stream decompresses a file.
type stream struct {
	*zstd.Decoder
	file io.Closer
}

// Close ends the decoder's goroutines and closes the file.
func (s *stream) Close() error {
	s.Decoder.Close()
	return s.file.Close()
}
