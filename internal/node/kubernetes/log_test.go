package kubernetes

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/klog/v2"
)

// TestLogRouter logs as upstream code does, directly and through klog, and reads the file.
func TestLogRouter(t *testing.T) {
	dir := t.TempDir()
	logger := newLogRouter(dir).Logger()
	logger.Info("directly", "key", "value")
	logger.WithName("part").WithValues("more", 1).Error(errors.New("broken"), "with names and values")
	helper := func() { logger.WithCallDepth(1).Info("from a helper") }
	helper()
	klog.SetLoggerWithOptions(logger, klog.ContextualLogger(true))
	t.Cleanup(klog.ClearLogger)
	klog.InfoS("through klog")
	logger.V(1).Info("too detailed")

	data, err := os.ReadFile(filepath.Join(dir, processLog+".log")) // a test belongs to no component
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines:\n%s", len(lines), data)
	}
	for i, want := range []string{`"directly" key="value"`, `err="broken"`, "from a helper", "through klog"} {
		if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "log_test.go:") {
			t.Errorf("%q does not say %q and where it comes from", lines[i], want)
		}
	}
}
