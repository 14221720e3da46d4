package cluster_test

import (
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// FuzzValidateName compares with the rule as it is written in RFC 1123.
func FuzzValidateName(f *testing.F) {
	for _, name := range []string{"skiff", "", "-", "a-", "A", "a\n", strings.Repeat("a", 33), "ä", "a.b"} {
		f.Add(name)
	}
	label := regexp.MustCompile(`\A[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\z`)
	f.Fuzz(func(t *testing.T, name string) {
		want := label.MatchString(name) && len(name) <= 32
		if err := cluster.ValidateName(name); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	})
}

// FuzzFollow gives anything for a node's output: it ends, and says that the node is ready only if the node did.
func FuzzFollow(f *testing.F) {
	for _, out := range []string{
		"", "\n", "{", "{}\n", `{"kind":"ready"}`, "garbage\n{\"kind\":\"ready\"}\n", `{"kind":"component"}`, `{"kind":"condition"}`,
		`{"kind":"fatal","message":"no"}`, `{"kind":"component","component":{"name":"etcd","state":"ready"}}` + "\n",
		`{"kind":"component","component":{"name":"etcd","state":"given-up"}}`, `{"kind":"condition","condition":{"name":"dns","met":true}}`,
		strings.Repeat("x", 5000) + "\n" + `{"kind":"ready"}`,
	} {
		f.Add(out)
	}
	f.Fuzz(func(t *testing.T, out string) {
		err := cluster.Follow(strings.NewReader(out), event.Discard)
		said := false
		for line := range strings.Lines(out) {
			var e nodeapi.Event
			said = said || json.Unmarshal([]byte(line), &e) == nil && e.Kind == nodeapi.EventReady
		}
		if err == nil && !said {
			t.Error("ready, and it never said so")
		}
		// However the output is cut into reads.
		again := cluster.Follow(iotest.OneByteReader(strings.NewReader(out)), event.Discard)
		if (err == nil) != (again == nil) || err != nil && err.Error() != again.Error() {
			t.Errorf("%v, and in small pieces %v", err, again)
		}
	})
}

// TestFollow reads what is not an event past.
func TestFollow(t *testing.T) {
	broken := errors.New("connection reset")
	for name, tc := range map[string]struct {
		out   string
		then  error
		ready bool
	}{
		"other output":           {out: "runc: hello\n{not json}\n{\"other\":1}\n{\"kind\":\"ready\"}\n", ready: true},
		"event of a newer node":  {out: "{\"kind\":\"weather\"}\n{\"kind\":\"ready\"}\n", ready: true},
		"no newline at the end":  {out: "{\"kind\":\"ready\"}", ready: true},
		"a line without an end":  {out: strings.Repeat("x", 3<<20) + "\n{\"kind\":\"ready\"}\n", ready: true},
		"it ends":                {out: "hello\n"},
		"the connection breaks":  {out: "hello\n", then: broken},
		"an event that is cut":   {out: "{\"kind\":\"rea"},
		"ready, and then broken": {out: "{\"kind\":\"ready\"}\n", then: broken, ready: true},
	} {
		t.Run(name, func(t *testing.T) {
			then := tc.then
			if then == nil {
				then = io.EOF
			}
			err := cluster.Follow(io.MultiReader(strings.NewReader(tc.out), iotest.ErrReader(then)), event.Discard)
			if (err == nil) != tc.ready {
				t.Errorf("error %v", err)
			}
			if tc.then != nil && !tc.ready && !errors.Is(err, tc.then) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}
