package kubeconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/skiff-cluster/skiff/internal/testutil"
)

var entry = Entry{Name: "skiff-demo", Server: "https://127.0.0.1:6443", CA: []byte("ca"), ClientCert: []byte("cert"), ClientKey: []byte("key")}

// mergeInto does to one file's content what Merge does to the first of a user's files.
func mergeInto(data []byte, e Entry) ([]byte, error) {
	c, err := parse(data)
	if err != nil {
		return nil, err
	}
	rendered, err := Render(e)
	if err != nil {
		return nil, err
	}
	source, err := parse(rendered)
	if err != nil {
		return nil, err
	}
	for _, s := range sections {
		c.put(s, e.Name, source.items(s)[0])
	}
	c.selectContext(e.Name)
	out, err := c.render(e.Name)
	if out == nil && err == nil {
		out = data
	}
	return out, err
}

// dropFrom does to one file's content what Remove does if no other context uses the cluster or the user.
func dropFrom(data []byte, name string) ([]byte, error) {
	c, err := parse(data)
	if err != nil {
		return nil, err
	}
	for _, s := range sections {
		c.drop(s, name)
	}
	if c.config.CurrentContext == name {
		c.selectContext("")
	}
	out, err := c.render(name)
	if out == nil && err == nil {
		out = data
	}
	return out, err
}

const written = `# mine
apiVersion: v1
kind: Config
future: {field: [1, 2]}  # not known to any client of today
clusters:
- cluster:
    server: https://a.example
    unknown-field: stays
  name: a
users:
- name: a
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: get-token
      args: ["--quick"]
      interactiveMode: Never
contexts:
# the good one
- context:
    cluster: a
    user: a
    namespace: web
    extensions:
    - name: other.tool/data
      extension: {last-used: 2026-01-01}
  name: a
current-context: a
`

func TestMergeGolden(t *testing.T) {
	old := Entry{Name: entry.Name, Server: "https://127.0.0.1:1", CA: []byte("x"), ClientCert: []byte("y"), ClientKey: []byte("z")}
	existing, err := mergeInto([]byte(written), old)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, in string }{
		{"empty", ""},
		{"comments", "# nothing here yet\n"},
		{"null", "null\n"},
		{"foreign", written},
		{"replaced", strings.Replace(string(existing), "    user: skiff-demo\n", "    user: skiff-demo\n    namespace: kept\n", 1)},
		{"indented", "clusters:\n  - name: a\n    cluster: {server: x}\ncontexts: []\nusers: null\n"},
		{"json", `{"apiVersion":"v1","kind":"Config","clusters":[{"name":"a","cluster":{"server":"x"}}],"contexts":[],"users":null,"n":1}`},
		{"anchors", "x: &list\n- context: {cluster: a, user: a}\n  name: a\ncontexts: *list\ncopy: *list\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, err := mergeInto([]byte(tc.in), entry)
			if err != nil {
				t.Fatal(err)
			}
			testutil.Golden(t, "merge/"+tc.name+".yaml", string(out))
			checkMerge(t, []byte(tc.in), out)
			if tc.name == "json" && !json.Valid(out) {
				t.Error("a JSON file is JSON no more")
			}
			again, err := mergeInto(out, entry)
			if err != nil || !bytes.Equal(again, out) {
				t.Errorf("merging twice changes the file: %v\n%s", err, again)
			}
		})
	}
}

func TestRemoveGivesBackWhatWasThere(t *testing.T) {
	merged, err := mergeInto([]byte(written), entry)
	if err != nil {
		t.Fatal(err)
	}
	out, err := dropFrom(merged, entry.Name)
	if err != nil {
		t.Fatal(err)
	}
	// All but the selection, and the blanks before a comment, which YAML trees do not hold.
	want := strings.Replace(strings.Replace(written, "current-context: a", `current-context: ""`, 1), "  # not", " # not", 1)
	if string(out) != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

func TestInvalid(t *testing.T) {
	for _, tc := range []struct {
		name, in, say string
		line          int
	}{
		{"syntax", "apiVersion: v1\nclusters:\n- name: a\n  cluster: {server: x\n", "it is not YAML", 4},
		{"indentation", "kind: Config\nusers:\n- name: a\n user: b\n", "it is not YAML", 4},
		{"tab", "apiVersion: v1\n\tkind: Config\n", "it is not YAML", 2},
		{"text", "hello\n", "not a mapping", 1},
		{"section is no list", "kind: Config\nusers:\n  a: b\n", `"users" is not a list`, 3},
		{"item is no mapping", "users:\n- a\n- b\n", `an item of "users"`, 2},
		{"name twice", "users:\n- name: a\n- name: a\n", `twice; the first is on line 2`, 3},
		{"wrong type", "kind: Config\ncurrent-context: [secret]\n", `"current-context"`, 2},
		{"base64", "users:\n- name: a\n  user:\n    client-key-data: secret!\n", `"client-key-data" is not base64`, 4},
		{"other kind", "apiVersion: v1\nkind: Pod\n", "no kubeconfig", 0},
		{"two documents", "kind: Config\n---\nkind: Config\n", "more than one", 2},
		{"binary", "\x00\x01", "it is not YAML", 0},
		{"key twice", "a: 1\nkind: Config\na: 2\n", "already defined", 3},
		{"bad alias", "a: *nowhere\n", "it is not YAML", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := mergeInto([]byte(tc.in), entry)
			var at *lineError
			if !errors.As(err, &at) {
				t.Fatalf("%v", err)
			}
			if at.line != tc.line || !strings.Contains(at.text, tc.say) {
				t.Errorf("line %d: %s", at.line, at.text)
			}
			if strings.Contains(at.text, "secret") {
				t.Errorf("it tells a value: %s", at.text)
			}
		})
	}
}

func TestAnchorsThatCannotBeEdited(t *testing.T) {
	in := "users:\n- &u\n  name: skiff-demo\n  user: {token: t}\nextra: *u\n"
	if out, err := dropFrom([]byte(in), "skiff-demo"); err == nil {
		t.Errorf("wrote\n%s", out)
	}
}

// checkMerge holds a merge to its promise: the entry is there and selected, and all else as it was, for
// Kubernetes' client and for everybody who reads the file as YAML.
func checkMerge(t *testing.T, before, after []byte) {
	t.Helper()
	config, err := clientcmd.Load(after)
	if err != nil {
		t.Fatalf("%v\n%s", err, after)
	}
	if config.CurrentContext != entry.Name {
		t.Errorf("%q is selected", config.CurrentContext)
	}
	context := config.Contexts[entry.Name]
	if context == nil || context.Cluster != entry.Name || context.AuthInfo != entry.Name {
		t.Fatalf("the context is %+v\n%s", context, after)
	}
	cluster, user := config.Clusters[entry.Name], config.AuthInfos[entry.Name]
	if cluster == nil || cluster.Server != entry.Server || string(cluster.CertificateAuthorityData) != "ca" {
		t.Errorf("the cluster is %+v", cluster)
	}
	if user == nil || string(user.ClientCertificateData) != "cert" || string(user.ClientKeyData) != "key" {
		t.Errorf("the user is %+v", user)
	}
	checkOthers(t, before, after)
}

func checkOthers(t *testing.T, before, after []byte) {
	t.Helper()
	var x, y map[string]any
	if err := errors.Join(yaml.Unmarshal(before, &x), yaml.Unmarshal(after, &y)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(others(x, entry.Name), others(y, entry.Name)) {
		t.Errorf("what others wrote has changed:\n%v\n%v\nfrom\n%s\nto\n%s", x, y, before, after)
	}
}

func FuzzMergeAndRemove(f *testing.F) {
	for _, seed := range []string{"", "{}", "null", "# c\n", written, `{"contexts":[{"name":"a","context":{}}]}`,
		"clusters: &l [{name: a, cluster: {server: x}}]\nusers: *l\n", "a: &a {b: c}\n<<: *a\n", "contexts:\n- name: skiff-demo\n  context: null\n",
		"users:\n- name: skiff-demo\n  user: {token: |\n      x\n   }\n", "? [a]\n: b\n", "kind: Pod", "---\n...\n", "\ufeffkind: Config\n",
		"contexts:\n- &c\n  name: skiff-demo\n  context: {cluster: x}\nmore: *c\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		merged, err := mergeInto(in, entry)
		if err != nil {
			if !errors.As(err, new(*lineError)) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		checkMerge(t, in, merged)
		again, err := mergeInto(merged, entry)
		if err != nil || !bytes.Equal(again, merged) {
			t.Fatalf("merging twice: %v\n%s\n%s", err, merged, again)
		}
		removed, err := dropFrom(merged, entry.Name)
		if err != nil {
			return // an anchor in the entry
		}
		checkOthers(t, in, removed)
		config, err := clientcmd.Load(removed)
		if err != nil || config.Contexts[entry.Name] != nil || config.CurrentContext == entry.Name {
			t.Errorf("still there: %v\n%s", err, removed)
		}
	})
}
