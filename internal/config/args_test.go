package config

import (
	"reflect"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// TestArgsFields: what users may give a component is told to nodes, and compared when a file is applied.
func TestArgsFields(t *testing.T) {
	fields := (&ExtraArgs{}).byComponent()
	if len(fields) != len(cluster.ArgsFields) || len(fields) != reflect.TypeFor[ExtraArgs]().NumField() {
		t.Errorf("%d fields of %v, and %d of them are compared", reflect.TypeFor[ExtraArgs]().NumField(), fields, len(cluster.ArgsFields))
	}
	for component, field := range cluster.ArgsFields {
		if fields[field.Name] == nil {
			t.Errorf("%s has no field %s", component, field.Name)
		}
		if len(ownFlags[field.Name]) == 0 {
			t.Errorf("users may give %s every flag, though some are Skiff's", component)
		}
	}
}
