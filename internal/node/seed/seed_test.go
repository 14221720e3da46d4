package seed

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// then is when the objects of the tests are written, now when they are loaded.
var (
	then = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	now  = time.Date(2027, 8, 9, 10, 11, 12, 0, time.UTC)
)

func mustSeed(t *testing.T) *Seed {
	t.Helper()
	s, err := blankOut(values(t, then), then, then)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// filled are a seed's keys and values as a load at a time writes them.
func filled(t *testing.T, s *Seed, at time.Time) map[string][]byte {
	t.Helper()
	uids, err := newUIDs(s.uids)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, e := range s.entries {
		all[e.key] = e.fill(uids, at)
	}
	return all
}

func TestSeedOfTwoRunsIsTheSame(t *testing.T) {
	later := then.Add(time.Hour)
	other, err := blankOut(values(t, later), later.Add(-time.Minute), later.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mustSeed(t).encode(), other.encode()) {
		t.Error("two runs gave different bytes")
	}
}

func TestFilledObjectsAreNew(t *testing.T) {
	s := mustSeed(t)
	first, second := filled(t, s, now), filled(t, s, now)
	for key, value := range first {
		a, err := objectUID(value)
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		b, err := objectUID(second[key])
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if a == b {
			t.Errorf("%s has the UID %s in two clusters", key, a)
		}
	}
}

func TestFillKeepsReferences(t *testing.T) {
	all := filled(t, mustSeed(t), now)
	var namespace corev1.Namespace
	var account corev1.ServiceAccount
	parse(t, all[namespaceKey], &namespace)
	parse(t, all[accountKey], &account)
	if account.UID == namespace.UID {
		t.Errorf("two objects have the UID %s", account.UID)
	}
	if got := account.OwnerReferences[0].UID; got != namespace.UID {
		t.Errorf("the owner's UID is %s in the reference and %s in the owner", got, namespace.UID)
	}
	if fields := account.ManagedFields[0].FieldsV1.GetRawString(); !strings.Contains(fields, string(namespace.UID)) {
		t.Errorf("the managed fields %s do not name the owner %s", fields, namespace.UID)
	}
	if namespace.Name != "default" || account.Namespace != "default" {
		t.Errorf("names were lost: %q, %q", namespace.Name, account.Namespace)
	}
}

func TestFillSetsEveryTime(t *testing.T) {
	all := filled(t, mustSeed(t), now)
	want := metav1.NewTime(now)
	var schema flowcontrolv1.FlowSchema
	parse(t, all[flowSchemaKey], &schema)
	for what, got := range map[string]metav1.Time{
		"creationTimestamp":  schema.CreationTimestamp,
		"managedFields.time": *schema.ManagedFields[0].Time,
		"lastTransitionTime": schema.Status.Conditions[0].LastTransitionTime,
	} {
		if !got.Equal(&want) {
			t.Errorf("%s of the FlowSchema is %v, not %v", what, got, want)
		}
	}
	service := string(all[apiServiceKey])
	if !json.Valid(all[apiServiceKey]) || strings.Count(service, now.Format(time.RFC3339)) != 3 {
		t.Errorf("the APIService has not three times of the load: %s", service)
	}
	for key, value := range all {
		if bytes.Contains(value, []byte(then.Format(time.RFC3339))) {
			t.Errorf("%s still has the time of the build", key)
		}
	}
}

func TestConstantsInObjectsStay(t *testing.T) {
	all := values(t, then)
	early := then.Add(-24 * time.Hour).Format(time.RFC3339)
	all["/registry/priorityclasses/x"] = []byte(`{"metadata":{"uid":"0be2a5e1-0e33-4c5d-8a8a-5c3f2d1e0f9a"},"description":"since ` + early + `"}`)
	s, err := blankOut(all, then, then)
	if err != nil {
		t.Fatal(err)
	}
	if value := string(filled(t, s, now)["/registry/priorityclasses/x"]); !strings.Contains(value, early) {
		t.Errorf("a time from before the run was changed: %s", value)
	}
}

func TestBlankOutRefuses(t *testing.T) {
	const uid, other = "0be2a5e1-0e33-4c5d-8a8a-5c3f2d1e0f9a", "11111111-2222-4333-8444-555555555555"
	for name, values := range map[string]map[string][]byte{
		"no UID":              {"/registry/roles/a": []byte(`{"metadata":{"name":"a"}}`)},
		"no object":           {"/registry/roles/a": []byte("k8s\x00\xff\xff")},
		"two of one UID":      {"/registry/roles/a": []byte(`{"metadata":{"uid":"` + uid + `"}}`), "/registry/roles/b": []byte(`{"metadata":{"uid":"` + uid + `"}}`)},
		"UID from outside":    {"/registry/roles/a": []byte(`{"metadata":{"uid":"` + uid + `"},"owner":"` + other + `"}`)},
		"not protobuf or so ": {"/registry/roles/a": nil},
	} {
		if _, err := blankOut(values, then, then); err == nil {
			t.Errorf("%s: no error", name)
		} else if !strings.Contains(err.Error(), "/registry/roles/") {
			t.Errorf("%s: the error does not name the key: %v", name, err)
		}
	}
}

func TestFileRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seed")
	s := mustSeed(t)
	if err := s.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Objects() != 4 || !bytes.Equal(got.encode(), s.encode()) {
		t.Errorf("read %d objects, or other ones than were written", got.Objects())
	}
}

func TestDamagedFile(t *testing.T) {
	data := mustSeed(t).encode()
	for n := range data {
		if _, err := decode(data[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes pass for a seed", n, len(data))
		}
	}
	if _, err := decode(append(data, 0)); err == nil {
		t.Error("a byte too many passes for a seed")
	}
}

// FuzzDecode checks that a file that is accepted can be loaded.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(fileHeader))
	s := &Seed{uids: 1, entries: []entry{{key: "/registry/roles/a", value: make([]byte, 80), blanks: []blank{
		{kind: blankUID, offset: 0}, {kind: blankJSONTime, offset: 40}, {kind: blankProtoTime, offset: 70},
	}}}}
	f.Add(s.encode())
	uid := "0be2a5e1-0e33-4c5d-8a8a-5c3f2d1e0f9a"
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decode(data)
		if err != nil {
			return
		}
		uids := make([]string, s.uids)
		for i := range uids {
			uids[i] = uid
		}
		for _, e := range s.entries {
			if got := e.fill(uids, now); len(got) != len(e.value) {
				t.Errorf("filling in changed the length of %q from %d to %d", e.key, len(e.value), len(got))
			}
		}
	})
}

func TestConstant(t *testing.T) {
	for key, want := range map[string]bool{
		"/registry/clusterroles/system:node":                       true,
		"/registry/apiregistration.k8s.io/apiservices/v1.apps":     true,
		"/registry/serviceaccounts/kube-system/default":            true,
		"/registry/namespaces/default":                             true,
		"/registry/clusterrolebindings/cluster-admin":              true,
		"/registry/leases/kube-system/apiserver-x":                 false,
		"/registry/services/specs/default/kubernetes":              false,
		"/registry/services/endpoints/default/kubernetes":          false,
		"/registry/configmaps/kube-system/kube-root-ca.crt":        false,
		"/registry/secrets/kube-system/x":                          false,
		"/registry/ranges/serviceips":                              false,
		"/registry/minions/x":                                      false,
		"/registry/namespacesx/default":                            false,
		"compact_rev_key":                                          false,
		marker:                                                     false,
		"/registry/masterleases/192.0.2.1":                         false,
		"/registry/ipaddresses/10.96.0.1":                          false,
		"/registry/events/default/x":                               false,
		"/registry/servicecidrs/kubernetes":                        false,
		"/registry/apiextensions.k8s.io/customresourcedefinitions": false,
	} {
		if got := Constant(key); got != want {
			t.Errorf("Constant(%q) = %t", key, got)
		}
	}
}
