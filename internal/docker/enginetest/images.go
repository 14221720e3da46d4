package enginetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

func (s *suite) testImages(t *testing.T) {
	ref := s.loadImage(t, "other", map[string]string{labelRun + ".image": "other"})
	image, err := s.Image(t.Context(), ref)
	s.must(t, err)
	if !slices.Contains(image.Tags, ref) || image.OS != "linux" || image.Architecture != s.info.Architecture || image.Size <= 0 ||
		len(image.Layers) != 1 || image.Labels[labelRun+".image"] != "other" || !strings.HasPrefix(image.ID, "sha256:") {
		t.Errorf("%+v", image)
	}
	if byID, err := s.Image(t.Context(), image.ID); err != nil || byID.ID != image.ID || !maps.Equal(byID.Labels, image.Labels) {
		t.Errorf("by ID: %+v, %v", byID, err)
	}
	t.Run("labels", func(t *testing.T) {
		for label, want := range map[string]int{s.label: 2, labelRun + ".image=other": 1, labelRun + ".image=else": 0} {
			list, err := s.Images(t.Context(), label)
			s.must(t, err)
			list = slices.DeleteFunc(list, func(i cluster.Image) bool { return i.Labels[labelRun] != s.labels[labelRun] })
			if len(list) != want {
				t.Errorf("label %q finds %+v", label, list)
			}
			if want == 1 && (list[0].ID != image.ID || !slices.Equal(list[0].Tags, []string{ref})) {
				t.Errorf("%+v", list[0])
			}
		}
	})
	t.Run("save, remove, load", func(t *testing.T) {
		r, err := s.SaveImages(t.Context(), []string{ref, s.image})
		s.must(t, err)
		archive, err := io.ReadAll(r)
		s.must(t, errors.Join(err, r.Close()))
		s.must(t, s.RemoveImage(t.Context(), ref))
		_, err = s.Image(t.Context(), ref)
		s.want(t, err, fault.NotFound)
		s.want(t, s.RemoveImage(t.Context(), ref), fault.NotFound)
		s.must(t, s.LoadImage(t.Context(), bytes.NewReader(archive)))
		again, err := s.Image(t.Context(), ref)
		if err != nil || again.ID != image.ID || !slices.Equal(again.Layers, image.Layers) {
			t.Errorf("%+v, %v", again, err)
		}
	})
	t.Run("in use", func(t *testing.T) {
		spec := s.spec("of-image", "serve")
		spec.Image = ref
		s.start(t, spec)
		s.want(t, s.RemoveImage(t.Context(), ref), fault.Conflict)
	})
	t.Run("bad archives", func(t *testing.T) {
		if err := s.LoadImage(t.Context(), strings.NewReader("this is no archive")); err == nil {
			t.Error("text is loaded")
		}
		broken := errors.New("the disk is on fire")
		archive := bytes.NewReader(s.archive(t, s.name+":broken", nil)[:2048])
		if err := s.LoadImage(t.Context(), io.MultiReader(archive, iotest.ErrReader(broken))); !errors.Is(err, broken) {
			t.Errorf("the reader's error became %v", err)
		}
	})
}

func (s *suite) testInspect(t *testing.T) {
	spec := s.spec("inspect", "serve")
	spec.Volumes = map[string]string{s.volume(t, "inspect"): "/data"}
	s.create(t, spec)
	network, _ := s.network(t, "inspect")
	for kind, name := range map[cluster.ObjectKind]string{
		cluster.KindContainer: spec.Name, cluster.KindNetwork: network, cluster.KindVolume: s.name + "-inspect", cluster.KindImage: s.image,
	} {
		raw, err := s.Inspect(t.Context(), kind, name)
		if err != nil || !json.Valid(raw) || !strings.Contains(string(raw), name) {
			t.Errorf("%s: %.200s, %v", kind, raw, err)
		}
		_, err = s.Inspect(t.Context(), kind, s.name+"-missing")
		s.want(t, err, fault.NotFound)
	}
}

// calls are all that is done to a container and other things by name.
func (s *suite) calls(name string) map[string]func(context.Context) error {
	second := func(_ any, err error) error { return err }
	return map[string]func(context.Context) error{
		"start":     func(ctx context.Context) error { return s.StartContainer(ctx, name) },
		"stop":      func(ctx context.Context) error { return s.StopContainer(ctx, name, time.Second) },
		"pause":     func(ctx context.Context) error { return s.PauseContainer(ctx, name) },
		"unpause":   func(ctx context.Context) error { return s.UnpauseContainer(ctx, name) },
		"remove":    func(ctx context.Context) error { return s.RemoveContainer(ctx, name) },
		"copy to":   func(ctx context.Context) error { return s.CopyTo(ctx, name, "/", bytes.NewReader(make([]byte, 1024))) },
		"copy from": func(ctx context.Context) error { return second(s.CopyFrom(ctx, name, "/")) },
		"attach":    func(ctx context.Context) error { return second(s.Attach(ctx, name)) },
		"logs":      func(ctx context.Context) error { return s.Logs(ctx, name, 0, io.Discard) },
		"exec": func(ctx context.Context) error {
			return second(s.Exec(ctx, name, cluster.ExecSpec{Cmd: []string{"x"}}))
		},
		"remove network": func(ctx context.Context) error { return s.RemoveNetwork(ctx, name) },
		"remove volume":  func(ctx context.Context) error { return s.RemoveVolume(ctx, name) },
		"image":          func(ctx context.Context) error { return second(s.Image(ctx, name)) },
		"save":           func(ctx context.Context) error { return second(s.SaveImages(ctx, []string{name})) },
		"remove image":   func(ctx context.Context) error { return s.RemoveImage(ctx, name) },
	}
}

func (s *suite) testMissing(t *testing.T) {
	for what, call := range s.calls(s.name + "-missing") {
		t.Run(what, func(t *testing.T) { s.want(t, call(t.Context()), fault.NotFound) })
	}
}

// testCancelled makes every call with a context that has ended.
func (s *suite) testCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := s.calls(s.name + "-cancelled")
	calls["containers"] = func(ctx context.Context) error { _, err := s.Containers(ctx, s.label); return err }
	calls["create network"] = func(ctx context.Context) error {
		return s.CreateNetwork(ctx, cluster.NetworkSpec{Name: s.name + "-cancelled", Labels: s.labels})
	}
	for what, call := range calls {
		t.Run(what, func(t *testing.T) {
			if err := call(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
	}
}
