//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestCommandLineMistakes(t *testing.T) {
	t.Parallel()
	c := New(t, "A mistake on the command line is explained before anything is done").NewCluster("")
	long := strings.Repeat("a", 33)
	for _, mistake := range []struct {
		args  []string
		code  int
		words []string
	}{
		{[]string{"crate"}, exitUsage, []string{`"crate"`, "skiff create"}},
		{[]string{"create", "--retian"}, exitUsage, []string{"--retian", "--retain"}},
		{[]string{"create", "a", "b"}, exitUsage, []string{`"b"`, "skiff create --help"}},
		{[]string{"create", "a", "--cluster", "b"}, exitUsage, []string{"twice"}},
		{[]string{"create", "--wait", "soon"}, exitUsage, []string{"--wait", "soon"}},
		{[]string{"create", "--api-port", "70000"}, exitUsage, []string{"--api-port", "70000"}},
		{[]string{"create", "--api-address", "localhost"}, exitUsage, []string{"localhost", "127.0.0.1"}},
		{[]string{"create", "--output", "yaml"}, exitUsage, []string{"yaml", "json"}},
		{[]string{"create", "Upper"}, exitUsage, []string{`"Upper"`, "lower-case"}},
		{[]string{"create", "under_score"}, exitUsage, []string{`"under_score"`, "lower-case"}},
		{[]string{"create", "../../etc"}, exitUsage, []string{`"../../etc"`, "lower-case"}},
		{[]string{"create", "-x"}, exitUsage, []string{"-x"}},
		{[]string{"create", "--", "-x"}, exitUsage, []string{`"-x"`, "lower-case"}},
		{[]string{"create", ""}, exitUsage, []string{`""`, "lower-case"}},
		{[]string{"create", "name\nwith lines"}, exitUsage, []string{`\n`, "lower-case"}},
		{[]string{"create", long}, exitUsage, []string{long, "32"}},
		{[]string{"create", c.Name, "--image", "nobody/has-this:1"}, exitNotFound, []string{"nobody/has-this:1", "docker pull"}},
		{[]string{"load"}, exitUsage, []string{"image is missing"}},
		{[]string{"load", "x", "--archive", "y"}, exitUsage, []string{"--archive"}},
		{[]string{"delete", "--all", "x"}, exitUsage, []string{"--all"}},
		{[]string{"node", "shell", "ls", "-l"}, exitUsage, []string{"-l"}},
		{[]string{"node", "shell", "ls", "x"}, exitUsage, []string{"--"}},
		{[]string{"node", "destroy"}, exitUsage, []string{`"destroy"`}},
		{[]string{"node", "remove"}, exitUsage, []string{"the node is missing", "node remove --help"}},
		{[]string{"list", "x"}, exitUsage, []string{`"x"`}},
	} {
		c.Fails(c.TrySkiff(mistake.args...), mistake.code, mistake.words...)
	}
	c.Gone()
}

func TestClusterDoesNotExist(t *testing.T) {
	t.Parallel()
	c := New(t, "A command on a cluster that does not exist says which there are and how to make it").NewCluster("")
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	for _, args := range [][]string{
		{"status"}, {"status", c.Name}, {"delete"}, {"kubeconfig"}, {"kubeconfig", "merge"}, {"kubectl", "get", "nodes"},
		{"load", "skiff-node"}, {"node", "list"}, {"node", "shell"}, {"bundle", "--file", file},
	} {
		c.Fails(c.TrySkiff(args...), exitNotFound, "there is no cluster "+c.Name, "skiff create "+c.Name)
	}
	c.Step("what is to be gone may be gone already, if that is said")
	for _, args := range [][]string{{"delete", "--ignore-not-found"}, {"kubeconfig", "remove"}} {
		if r := c.TrySkiff(args...); r.Code != 0 {
			t.Errorf("%s", r)
		}
	}
}

func TestHelpNeedsNoDocker(t *testing.T) {
	t.Parallel()
	c := New(t, "Help, version and completion work before Docker is installed").NewCluster("")
	env := append(c.env(), "DOCKER_HOST=unix:///nonexistent/docker.sock")
	for _, args := range [][]string{
		{}, {"--help"}, {"create", "--help"}, {"help", "exit-codes"}, {"version"}, {"completion", "bash"}, {"kubectl", "--help"}, {"kubectl", "get", "--help"}, {"kubectl", "version", "--client"},
	} {
		if r := skiffRun(t.Context(), env, args...); r.Code != 0 || r.Stdout == "" || r.Stderr != "" {
			t.Errorf("%s", r)
		}
	}
}
