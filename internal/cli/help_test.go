package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/testutil"
)

// untouched are dependencies that fail the test when they are opened.
func untouched(t *testing.T, out *bytes.Buffer) *kit.Deps {
	return &kit.Deps{
		Streams: kit.Streams{In: strings.NewReader(""), Out: out, Err: out},
		Getenv:  func(string) string { return "" },
		Engine: func(context.Context) (cluster.Engine, error) {
			t.Error("Docker was touched")
			return nil, context.Canceled
		},
		Image:          func() (cluster.NodeImage, error) { return nil, context.Canceled },
		ReleaseSignals: func() {},
	}
}

// TestHelp holds the help of every command to its golden file, and every command to showing an example. None of
// it may touch Docker.
func TestHelp(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		name := strings.ReplaceAll(strings.TrimSpace(strings.TrimPrefix(c.CommandPath(), "skiff")), " ", "-")
		if name == "" {
			name = "skiff"
		}
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			path := strings.Fields(c.CommandPath())[1:]
			if code := run(context.Background(), append([]string{"help"}, path...), untouched(t, &out)); code != 0 {
				t.Errorf("exit code %d", code)
			}
			testutil.Golden(t, "help/"+name+".txt", out.String())
			if c.Runnable() && c.Name() != "help" && !strings.Contains(out.String(), "Examples:\n  skiff") && !strings.Contains(out.String(), "Examples:\n  source") {
				t.Error("shows no example")
			}
			for _, l := range strings.Split(out.String(), "\n") {
				if len(l) > 120 {
					t.Errorf("line of %d characters: %s", len(l), l)
				}
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	root := newRoot(untouched(t, &bytes.Buffer{}))
	root.InitDefaultHelpCmd()
	walk(root)
}

// TestWithoutDocker runs what must work where no Docker is.
func TestWithoutDocker(t *testing.T) {
	for _, args := range [][]string{
		{}, {"--help"}, {"create", "--help"}, {"version"}, {"version", "-o", "json"},
		{"completion", "bash"}, {"completion", "zsh"}, {"completion", "fish"}, {"completion", "powershell"},
		{"help", "exit-codes"}, {"node"}, {"config"}, {"config", "print-schema"},
	} {
		var out bytes.Buffer
		if code := run(context.Background(), args, untouched(t, &out)); code != 0 || out.Len() == 0 {
			t.Errorf("%q: exit code %d, %q", args, code, out.String())
		}
	}
}
