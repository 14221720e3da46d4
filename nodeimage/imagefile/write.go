package imagefile

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/skiff-cluster/skiff/nodeimage/imagetar"
)

// window is how far back the compressor for releases looks: over whole programs, because they share much of their
// code. It is also the memory that decompressing takes.
const window = 64 << 20

// Write writes an image into a directory and fills the size into the description. best compresses as well as
// possible, slowly; without it, it is quick. An archive that was there is replaced once the new one is whole.
func Write(dir string, image *imagetar.Image, description Description, best bool) error {
	out, err := os.Create(filepath.Join(dir, ArchiveName+".part"))
	if err != nil {
		return err
	}
	description.Size, err = compress(out, image, description.Ref, best)
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	data, err := json.MarshalIndent(description, "", "  ")
	if err != nil {
		return err
	}
	if err := os.Rename(out.Name(), filepath.Join(dir, ArchiveName)); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, DescriptionName), append(data, '\n'), 0o644)
}

// compress returns the archive's size before compression.
func compress(w io.Writer, image *imagetar.Image, ref string, best bool) (int64, error) {
	options := []zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedFastest)}
	if best {
		options = []zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(window)}
	}
	encoder, err := zstd.NewWriter(w, options...)
	if err != nil {
		return 0, err
	}
	size, err := image.WriteArchive(encoder, ref)
	return size, errors.Join(err, encoder.Close())
}
