package kubeconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// kubectlSees is what kubectl makes of the same files.
func kubectlSees(t *testing.T, f Files) *api.Config {
	t.Helper()
	rules := clientcmd.ClientConfigLoadingRules{Precedence: f.paths}
	config, err := rules.Load()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func at(paths ...string) Files { return Files{paths: paths, patience: 100 * time.Millisecond} }

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// tree is every file below a directory with its content, mode and target.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%s %s", info.Mode(), path)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			line += " -> " + target
		case info.Mode().IsRegular():
			line += "\n" + read(t, path)
		}
		list = append(list, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestLocate(t *testing.T) {
	list := strings.Join([]string{"", "a", "b", "a"}, string(filepath.ListSeparator))
	home := filepath.Join("h", ".kube", "config")
	for _, tc := range []struct {
		name, explicit string
		env            map[string]string
		want           []string
	}{
		{"flag", "x", map[string]string{"KUBECONFIG": list, "HOME": "h"}, []string{"x"}},
		{"variable", "", map[string]string{"KUBECONFIG": list, "HOME": "h"}, []string{"a", "b"}},
		{"variable of nothing", "", map[string]string{"KUBECONFIG": string(filepath.ListSeparator), "HOME": "h"}, []string{home}},
		{"home", "", map[string]string{"HOME": "h"}, []string{home}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(tc.want[0], ".kube") {
				t.Skip("there, the home is not HOME")
			}
			f, err := Locate(tc.explicit, func(k string) string { return tc.env[k] })
			if err != nil || !slices.Equal(f.paths, tc.want) {
				t.Errorf("%v, %v", f.paths, err)
			}
		})
	}
}

// TestWhichFile writes to lists of files and lets kubectl's own code judge if it took effect.
func TestWhichFile(t *testing.T) {
	const other = "contexts:\n- name: other\n  context: {cluster: other}\ncurrent-context: other\n"
	for _, tc := range []struct {
		name    string
		files   map[string]string
		changed []string
	}{
		{"none exists", nil, []string{"c"}},
		{"first exists", map[string]string{"a": "", "b": other}, []string{"a"}},
		{"second exists", map[string]string{"b": other}, []string{"b"}},
		{"the entry is in the last", map[string]string{"a": other, "c": "contexts:\n- name: skiff-demo\n  context: {namespace: kept}\n"}, []string{"a", "c"}},
		{"the parts are scattered", map[string]string{
			"a": other, "b": "clusters:\n- name: skiff-demo\n  cluster: {server: old}\n",
			"c": "users:\n- name: skiff-demo\n  user: {token: old}\n",
		}, []string{"a", "b", "c"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			var paths []string
			for _, name := range []string{"a", "b", "c"} {
				paths = append(paths, filepath.Join(dir, name))
				if content, ok := tc.files[name]; ok {
					write(t, filepath.Join(dir, name), content)
				}
			}
			f := at(paths...)
			if changed, err := f.Merge(t.Context(), entry); err != nil || !changed {
				t.Fatalf("%v, %v", changed, err)
			}
			for _, name := range []string{"a", "b", "c"} {
				before, existed := tc.files[name]
				after, err := os.ReadFile(filepath.Join(dir, name))
				isChanged := err == nil && (!existed || string(after) != before)
				if isChanged != slices.Contains(tc.changed, name) {
					t.Errorf("file %s changed: %v", name, isChanged)
				}
			}
			config := kubectlSees(t, f)
			context := config.Contexts[entry.Name]
			if config.CurrentContext != entry.Name || context == nil || config.Clusters[entry.Name].Server != entry.Server ||
				string(config.AuthInfos[entry.Name].ClientKeyData) != "key" || config.AuthInfos[entry.Name].Token != "" {
				t.Errorf("kubectl sees %+v", config)
			}
			if strings.Contains(tc.files["c"], "kept") && context.Namespace != "kept" {
				t.Errorf("the namespace is %q", context.Namespace)
			}
			if changed, err := f.Merge(t.Context(), entry); err != nil || changed {
				t.Errorf("again: %v, %v", changed, err)
			}
			if changed, err := f.Remove(t.Context(), entry.Name); err != nil || !changed {
				t.Errorf("%v, %v", changed, err)
			}
			config = kubectlSees(t, f)
			if config.Contexts[entry.Name] != nil || config.Clusters[entry.Name] != nil || config.AuthInfos[entry.Name] != nil || config.CurrentContext == entry.Name {
				t.Errorf("after the removal, kubectl sees %+v", config)
			}
			if slices.Contains(tc.changed, "a") && tc.files["a"] == other && config.Contexts["other"] == nil {
				t.Error("another context is gone")
			}
			if changed, err := f.Remove(t.Context(), entry.Name); err != nil || changed {
				t.Errorf("again: %v, %v", changed, err)
			}
		})
	}
}

// TestRemoveKeepsWhatIsUsed has a second context, in another file, that uses the cluster.
func TestRemoveKeepsWhatIsUsed(t *testing.T) {
	dir := t.TempDir()
	f := at(filepath.Join(dir, "a"), filepath.Join(dir, "b"))
	write(t, f.paths[1], "contexts:\n- name: team\n  context: {cluster: skiff-demo, user: me}\ncurrent-context: team\n")
	if _, err := at(f.paths[0]).Merge(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Remove(t.Context(), entry.Name); err != nil {
		t.Fatal(err)
	}
	config := kubectlSees(t, f)
	if config.Clusters[entry.Name] == nil || config.AuthInfos[entry.Name] != nil || config.Contexts[entry.Name] != nil || config.CurrentContext != "team" {
		t.Errorf("%+v", config)
	}
}

func TestNewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".kube", "config")
	if _, err := at(path).Remove(t.Context(), entry.Name); err != nil {
		t.Fatal(err)
	}
	if err := at(path).Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Fatal("a check, or a removal of nothing, made a directory")
	}
	if _, err := at(path).Merge(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	checkModeAndNeighbours(t, path)
}

func checkModeAndNeighbours(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".lock") || strings.HasSuffix(e.Name(), ".tmp") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestSymlink(t *testing.T) {
	for _, exists := range []bool{true, false} {
		dir := t.TempDir()
		target, link := filepath.Join(dir, "dotfiles", "kube"), filepath.Join(dir, "home", "config")
		for _, d := range []string{target, link} {
			if err := os.MkdirAll(filepath.Dir(d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if exists {
			write(t, target, written)
		}
		if err := os.Symlink(filepath.Join("..", "dotfiles", "kube"), link); err != nil {
			t.Skip(err)
		}
		if err := at(link).Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := at(link).Merge(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("the link is %v, %v", info.Mode(), err)
		}
		if !strings.Contains(read(t, target), entry.Name) {
			t.Error("the file that the link leads to was not written")
		}
		checkModeAndNeighbours(t, target)
		checkModeAndNeighbours(t, link)
	}
}

// TestOneFileByTwoNames must not lock itself out.
func TestOneFileByTwoNames(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	f := at(filepath.Join(dir, "link", "config"), filepath.Join(dir, "real", "config"))
	if _, err := f.Merge(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Remove(t.Context(), entry.Name); err != nil {
		t.Fatal(err)
	}
	if config := kubectlSees(t, f); config.Contexts[entry.Name] != nil {
		t.Error("it is still there")
	}
}

// TestRefused holds each refusal to its code, to naming the file, and to changing nothing.
func TestRefused(t *testing.T) {
	for _, tc := range []struct {
		name  string
		setup func(t *testing.T, path string) Files
		code  fault.Code
		say   string
	}{
		{"unparsable", func(t *testing.T, path string) Files {
			write(t, path, "a: b\nc: [d\n")
			return at(path)
		}, fault.KubeconfigInvalid, ", line 2, is not valid"},
		{"a later file is unparsable", func(t *testing.T, path string) Files {
			write(t, path, "c: [d\n")
			write(t, path+".good", written)
			return at(path+".good", path)
		}, fault.KubeconfigInvalid, "is not valid"},
		{"directory", func(t *testing.T, path string) Files {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			return at(path)
		}, fault.KubeconfigInvalid, "cannot be read"},
		{"write-protected", func(t *testing.T, path string) Files {
			write(t, path, written)
			if err := os.Chmod(path, 0o444); err != nil {
				t.Fatal(err)
			}
			return at(path)
		}, fault.KubeconfigReadOnly, "cannot be written"},
		{"a file where the directory should be", func(t *testing.T, path string) Files {
			write(t, path, written)
			return at(filepath.Join(path, "config"))
		}, "", ""},
		{"circle of links", func(t *testing.T, path string) Files {
			if err := os.Symlink(filepath.Base(path), path); err != nil {
				t.Skip(err)
			}
			return at(path)
		}, "", ""},
		{"locked", func(t *testing.T, path string) Files {
			write(t, path, written)
			write(t, path+".lock", "")
			return at(path)
		}, fault.KubeconfigLocked, "is locked by another program"},
		{"locked by skiff", func(t *testing.T, path string) Files {
			write(t, path+".lock", "skiff, process 42\n")
			return at(path)
		}, fault.KubeconfigLocked, "is locked by skiff, process 42"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "config")
			f := tc.setup(t, path)
			before := tree(t, dir)
			_, mergeErr := f.Merge(t.Context(), entry)
			for what, err := range map[string]error{"check": f.Check(t.Context()), "merge": mergeErr} {
				var got *fault.Error
				if !errors.As(err, &got) {
					t.Fatalf("%s: %v", what, err)
				}
				if tc.code != "" && got.Code != tc.code || exitClass(got.Code) != "kubeconfig" || got.Hint == "" ||
					!strings.Contains(got.Summary, tc.say) || !strings.Contains(got.Summary, path) {
					t.Errorf("%s: %+v", what, got)
				}
			}
			if after := tree(t, dir); !slices.Equal(before, after) {
				t.Errorf("changed from\n%s\nto\n%s", before, after)
			}
		})
	}
}

func exitClass(c fault.Code) string { class, _, _ := strings.Cut(string(c), "-"); return class }

func TestDevice(t *testing.T) {
	if _, err := os.Stat("/dev/null"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	fifoLike := at(os.DevNull)
	if _, err := fifoLike.Merge(t.Context(), entry); fault.CodeOf(err) != fault.KubeconfigReadOnly {
		t.Errorf("%v", err)
	}
	if changed, err := fifoLike.Remove(t.Context(), entry.Name); err != nil || changed {
		t.Errorf("%v, %v", changed, err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Fatalf("the device is %v, %v", info.Mode(), err)
	}
	link := filepath.Join(dir, "config")
	if err := os.Symlink(os.DevNull, link); err != nil {
		t.Fatal(err)
	}
	if err := at(link).Check(t.Context()); fault.CodeOf(err) != fault.KubeconfigReadOnly {
		t.Errorf("%v", err)
	}
}
