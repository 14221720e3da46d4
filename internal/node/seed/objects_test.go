package seed

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// Keys of the objects that values makes.
const (
	namespaceKey  = "/registry/namespaces/default"
	accountKey    = "/registry/serviceaccounts/default/default"
	flowSchemaKey = "/registry/flowschemas/exempt"
	apiServiceKey = "/registry/apiregistration.k8s.io/apiservices/v1."
)

// values are keys and values as an API server writes them at a time, with random UIDs.
func values(t *testing.T, at time.Time) map[string][]byte {
	t.Helper()
	uids, err := newUIDs(4)
	if err != nil {
		t.Fatal(err)
	}
	meta := func(name string, number int) metav1.ObjectMeta {
		stamp := metav1.NewTime(at)
		return metav1.ObjectMeta{
			Name: name, UID: types.UID(uids[number]), CreationTimestamp: stamp,
			ManagedFields: []metav1.ManagedFieldsEntry{{
				Manager: "kube-apiserver", Operation: metav1.ManagedFieldsOperationUpdate, Time: &stamp,
				FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"` + uids[0] + `\"}":{}}}}`)},
			}},
		}
	}
	account := &corev1.ServiceAccount{ObjectMeta: meta("default", 1)}
	account.Namespace = "default"
	account.OwnerReferences = []metav1.OwnerReference{{Kind: "Namespace", Name: "default", UID: types.UID(uids[0])}}
	schema := &flowcontrolv1.FlowSchema{ObjectMeta: meta("exempt", 2)}
	schema.Status.Conditions = []flowcontrolv1.FlowSchemaCondition{{
		Type: flowcontrolv1.FlowSchemaConditionDangling, Status: flowcontrolv1.ConditionFalse, LastTransitionTime: metav1.NewTime(at),
	}}
	return map[string][]byte{
		namespaceKey:  protobuf(t, "v1", "Namespace", &corev1.Namespace{ObjectMeta: meta("default", 0)}),
		accountKey:    protobuf(t, "v1", "ServiceAccount", account),
		flowSchemaKey: protobuf(t, "flowcontrol.apiserver.k8s.io/v1", "FlowSchema", schema),
		apiServiceKey: mustJSON(t, map[string]any{
			"kind": "APIService", "apiVersion": "apiregistration.k8s.io/v1", "metadata": meta("v1.", 3),
			"status": map[string]any{"conditions": []any{map[string]any{"type": "Available", "lastTransitionTime": metav1.NewTime(at)}}},
		}),
	}
}

func protobuf(t *testing.T, apiVersion, kind string, object interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	raw, err := object.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	unknown := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: apiVersion, Kind: kind}, Raw: raw}
	data, err := unknown.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte(protobufPrefix), data...)
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// parse decodes a value of the datastore into an object.
func parse(t *testing.T, value []byte, object interface{ Unmarshal([]byte) error }) {
	t.Helper()
	data, ok := strings.CutPrefix(string(value), protobufPrefix)
	if !ok {
		t.Fatalf("the value is not protobuf: %q", value)
	}
	var unknown runtime.Unknown
	if err := unknown.Unmarshal([]byte(data)); err != nil {
		t.Fatal(err)
	}
	if err := object.Unmarshal(unknown.Raw); err != nil {
		t.Fatal(err)
	}
}
