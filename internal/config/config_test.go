package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/config"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/testutil"
)

// files runs test for every YAML file of a folder of testdata, with the name that its golden file has.
func files(t *testing.T, folder string, test func(t *testing.T, file, golden string)) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	if err != nil || len(all) == 0 {
		t.Fatalf("%q, %v", all, err)
	}
	for _, file := range all {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) { test(t, file, folder+"/"+name+".out") })
	}
}

// neutral removes this machine's folders from a text.
func neutral(t *testing.T, text string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(filepath.ToSlash(text), filepath.ToSlash(dir), "DIR")
}

func render(t *testing.T, c *config.Cluster) string {
	t.Helper()
	out, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// explain is an error as the command line shows it.
func explain(t *testing.T, err error) string {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("%T: %v", err, err)
	}
	text := string(f.Code) + ": " + f.Error() + "\n"
	for _, d := range f.Details {
		text += "| " + d + "\n"
	}
	return text + f.Hint + "\n"
}

// TestValid holds what is read to the golden files, with defaults, and reads it once more.
func TestValid(t *testing.T) {
	files(t, "valid", func(t *testing.T, file, golden string) {
		c, unmapped, err := config.Load(file, nil)
		if err != nil {
			t.Fatal(explain(t, err))
		}
		if unmapped != nil {
			t.Errorf("unmapped: %v", unmapped)
		}
		out := render(t, c)
		testutil.Golden(t, golden, neutral(t, out))
		again, _, err := config.Load(config.Stdin, strings.NewReader(out))
		if err != nil {
			t.Fatalf("what was read, written: %s", explain(t, err))
		}
		if second := render(t, again); second != out {
			t.Errorf("what was read, written and read:\n%s", second)
		}
	})
}

// TestExample holds the example to showing every field.
func TestExample(t *testing.T) {
	c, _, err := config.Load("testdata/valid/example.yaml", nil)
	if err != nil {
		t.Fatal(explain(t, err))
	}
	shown := map[string]bool{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() {
					name := v.Type().Name() + "." + f.Name
					shown[name] = shown[name] || !v.Field(i).IsZero()
					walk(v.Field(i))
				}
			}
		}
	}
	walk(reflect.ValueOf(c).Elem())
	if len(shown) < 40 {
		t.Errorf("only %d fields", len(shown))
	}
	for name, there := range shown {
		if !there {
			t.Errorf("%s is not shown", name)
		}
	}
}

// TestInvalid holds the refusals to the golden files.
func TestInvalid(t *testing.T) {
	files(t, "invalid", func(t *testing.T, file, golden string) {
		_, _, err := config.Load(file, nil)
		if err == nil {
			t.Fatal("accepted")
		}
		if code := fault.CodeOf(err); code != fault.Invalid {
			t.Errorf("code %s", code)
		}
		testutil.Golden(t, golden, neutral(t, explain(t, err)))
	})
}

// TestKind holds what becomes of kind's files, and the report of what does not, to the golden files.
func TestKind(t *testing.T) {
	files(t, "kind", func(t *testing.T, file, golden string) {
		c, unmapped, err := config.Load(file, nil)
		if err != nil {
			testutil.Golden(t, golden, neutral(t, explain(t, err)))
			return
		}
		out := render(t, c)
		for _, u := range unmapped {
			out += "# " + u.String() + "\n"
		}
		testutil.Golden(t, golden, neutral(t, out))
		if _, _, err := config.Load(config.Stdin, strings.NewReader(out)); err != nil {
			t.Errorf("the result is no cluster file: %s", explain(t, err))
		}
	})
}

// TestUnreadable is about files that are not there, or are not cluster files in the first place.
func TestUnreadable(t *testing.T) {
	for _, tc := range []struct {
		path, stdin string
		code        fault.Code
		want        string
	}{
		{"nowhere.yaml", "", fault.NotFound, "there is no cluster file nowhere.yaml"},
		{"testdata", "", fault.Invalid, "the cluster file testdata cannot be read"},
		{config.Stdin, "", fault.Invalid, "stdin: the file is empty"},
		{config.Stdin, strings.Repeat("#\n", 1<<20), fault.Invalid, "more than 1024 KiB"},
		{config.Stdin, "kind: Cluster\napiVersion: skiff.dev/v9\n", fault.Invalid, `stdin:2:13: apiVersion: must be "skiff.dev/v1alpha1"`},
	} {
		_, _, err := config.Load(tc.path, strings.NewReader(tc.stdin))
		if err == nil {
			t.Errorf("%s: accepted", tc.path)
			continue
		}
		if text := explain(t, err); fault.CodeOf(err) != tc.code || !strings.Contains(text, tc.want) {
			t.Errorf("%s: %s", tc.path, text)
		}
	}
}

// TestDefault is the cluster without a file: the same as of a file that says nothing.
func TestDefault(t *testing.T) {
	const head = "apiVersion: skiff.dev/v1alpha1\nkind: Cluster\n"
	for _, file := range []string{head, head + "metadata:\nnetwork: ~\nnodes: []\nkubernetes: {nodeFailure: {evictAfter: }}\n"} {
		c, _, err := config.Load(config.Stdin, strings.NewReader(file))
		if err != nil {
			t.Fatal(explain(t, err))
		}
		if got, want := render(t, config.Default()), render(t, c); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// TestManifestFiles names the files of folders in order.
func TestManifestFiles(t *testing.T) {
	c := config.Default()
	c.Manifests = []string{"testdata/manifests/one.json", "testdata/manifests"}
	got, err := c.ManifestFiles()
	if err != nil {
		t.Fatal(err)
	}
	want := "testdata/manifests/one.json testdata/manifests/namespace.yaml testdata/manifests/one.json testdata/manifests/two.yml"
	if filepath.ToSlash(strings.Join(got, " ")) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzLoad(f *testing.F) {
	for _, folder := range []string{"valid", "invalid", "kind"} {
		all, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range all {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	const head = "apiVersion: skiff.dev/v1alpha1\nkind: Cluster\n"
	for _, seed := range []string{
		"", "{}", "null", "- a", "? [a]\n: b\n", "\ufeffkind: Cluster", "---\n...\n---\n", "a: &a {<<: *a}\n<<: *a\n",
		head + "nodes: &n [*n]\n", head + "nodes:\n- &g\n  role: server\n- <<: *g\n", head + "<<: {network: {ipFamily: dual}}\n",
		head + "metadata: &m {<<: [*m, *m]}\n", head + "network:\n", head + "kubernetes: {extraArgs: {etcd: {? : 1}}}\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c, unmapped, err := config.Load(config.Stdin, bytes.NewReader(in))
		if err != nil {
			var fe *fault.Error
			if !errors.As(err, &fe) || fe.Hint == "" || fe.Code != fault.Invalid || len(fe.Details) == 0 && fe.Cause == nil {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		for _, u := range unmapped {
			if u.Path == "" || u.Line == 0 || u.Reason == "" {
				t.Errorf("unmapped: %+v", u)
			}
		}
		// What is written is read as the same.
		out := render(t, c)
		again, _, err := config.Load(config.Stdin, strings.NewReader(out))
		if err != nil {
			t.Fatalf("%s\n%s", explain(t, err), out)
		}
		if second := render(t, again); second != out {
			t.Errorf("read\n%s\nand then\n%s", out, second)
		}
	})
}
