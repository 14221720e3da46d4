package buildflags

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestArgs(t *testing.T) {
	got := Args([]string{"extra"}, Set("a/b.c=d")...)
	want := []string{
		"build", "-trimpath", "-buildvcs=false", "-tags=grpcnotrace,notest,extra",
		"-ldflags=-s -w -X=a/b.c=d",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestSkiff(t *testing.T) {
	if got := Skiff("v1", ""); len(got) != 1 {
		t.Errorf("an unknown commit must not be set: %q", got)
	}
	if got := Skiff("v1", "abc"); !slices.Contains(got, "-X="+Module+"/internal/version.commit=abc") {
		t.Errorf("the commit is not set: %q", got)
	}
}

func TestKubernetes(t *testing.T) {
	got, err := Kubernetes(ModuleInfo{Version: "v1.37.2", Time: "2026-10-27T12:01:04Z"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"-X=k8s.io/component-base/version.gitVersion=v1.37.2",
		"-X=k8s.io/component-base/version.gitMajor=1",
		"-X=k8s.io/component-base/version.gitMinor=37",
		"-X=k8s.io/client-go/pkg/version.buildDate=2026-10-27T12:01:04Z",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing in %q", want, got)
		}
	}
	if _, err := Kubernetes(ModuleInfo{Version: "master"}); err == nil {
		t.Error("a version that is no release must be refused")
	}
}

// The Makefile's flags and ours must be the same: otherwise everything is compiled twice.
func TestMakefileUsesTheSameTags(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	want := "-trimpath -buildvcs=false -tags=" + Tags
	if !strings.Contains(string(makefile), want) {
		t.Errorf("the Makefile's GOFLAGS are not %q", want)
	}
}
