package imagefile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/skiff-cluster/skiff/nodeimage/imagetar"
)

func testImage(t *testing.T) *imagetar.Image {
	t.Helper()
	var tree imagetar.Tree
	tree.Data("/program", bytes.Repeat([]byte("0123456789abcdef"), 100_000), 0o755)
	layer, err := imagetar.NewLayer(&tree)
	if err != nil {
		t.Fatal(err)
	}
	image, err := imagetar.New(imagetar.Config{Architecture: "arm64"}, layer)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestWriteThenOpen(t *testing.T) {
	image := testImage(t)
	var want bytes.Buffer
	if _, err := image.WriteArchive(&want, "name:1"); err != nil {
		t.Fatal(err)
	}
	for name, best := range map[string]bool{"quick": false, "best": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			description := Description{Ref: "name:1", Architecture: "arm64", Labels: map[string]string{"a": "b"}}
			if err := Write(dir, image, description, best); err != nil {
				t.Fatal(err)
			}
			file, err := Open(os.DirFS(dir))
			if err != nil {
				t.Fatal(err)
			}
			if file.Ref() != "name:1" || file.Architecture() != "arm64" || file.Labels()["a"] != "b" {
				t.Errorf("got %+v", file.description)
			}
			if file.Size() != int64(want.Len()) {
				t.Errorf("size is %d, want %d", file.Size(), want.Len())
			}
			r, err := file.Open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err := errors.Join(err, r.Close()); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want.Bytes()) {
				t.Error("read something else than was written")
			}
		})
	}
}

func TestWriteIsReproducible(t *testing.T) {
	var got [2][]byte
	for i := range got {
		dir := t.TempDir()
		if err := Write(dir, testImage(t), Description{Ref: "name:1"}, true); err != nil {
			t.Fatal(err)
		}
		var err error
		if got[i], err = os.ReadFile(filepath.Join(dir, ArchiveName)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got[0], got[1]) {
		t.Error("the same image was compressed to different bytes")
	}
}

func TestOpenNothing(t *testing.T) {
	if _, err := Open(os.DirFS(t.TempDir())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("want fs.ErrNotExist, got %v", err)
	}
}

func TestWriteLeavesNothingAfterAFailure(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, testImage(t), Description{Ref: "No Name"}, false); err == nil {
		t.Fatal("an invalid name must be refused")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
