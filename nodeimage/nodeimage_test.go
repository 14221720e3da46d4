package nodeimage

import (
	"runtime"
	"testing"
	"testing/fstest"

	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/nodeimage/imagefile"
)

func TestFind(t *testing.T) {
	dir := "artifact/" + runtime.GOARCH + "/"
	description := `{"ref":"skiff-node:1","architecture":"` + runtime.GOARCH + `","size":5}`
	image, err := find(fstest.MapFS{
		dir + imagefile.DescriptionName: {Data: []byte(description)},
		dir + imagefile.ArchiveName:     {Data: []byte("any")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if image.Ref() != "skiff-node:1" || image.Size() != 5 {
		t.Errorf("got %q of %d bytes", image.Ref(), image.Size())
	}
}

func TestFindNothing(t *testing.T) {
	_, err := find(fstest.MapFS{"artifact/" + runtime.GOARCH + "/.keep": {}})
	if fault.CodeOf(err) != fault.NoImage {
		t.Errorf("want %s, got %v", fault.NoImage, err)
	}
}
