package kubernetes

import (
	"errors"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corednslog "github.com/coredns/coredns/plugin/pkg/log"
	"k8s.io/klog/v2"

	"github.com/skiff-cluster/skiff/internal/node/component"
)

// TestLogRouter logs as upstream code does, directly and through klog, and reads the file.
func TestLogRouter(t *testing.T) {
	dir := t.TempDir()
	router := newLogRouter(dir)
	logger := router.Logger()
	logger.Info("directly", "key", "value")
	logger.WithName("part").WithValues("more", 1).Error(errors.New("broken"), "with names and values")
	helper := func() { logger.WithCallDepth(1).Info("from a helper") }
	helper()
	klog.SetLoggerWithOptions(logger, klog.ContextualLogger(true))
	t.Cleanup(klog.ClearLogger)
	klog.InfoS("through klog")
	logger.V(1).Info("too detailed")

	// CoreDNS logs through the standard library's logger. What is nobody's is not for a component's file.
	log.SetOutput(router.Standard())
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	corednslog.NewWithPlugin("errors").Error("no answer")
	log.Print("of a test")
	dns, err := os.ReadFile(filepath.Join(dir, component.NameDNS+".log"))
	if err != nil || !strings.HasSuffix(string(dns), "[ERROR] plugin/errors: no answer\n") || strings.Count(string(dns), "\n") != 1 {
		t.Errorf("CoreDNS's log: %q, %v", dns, err)
	}

	// What names its component goes there, whoever says it.
	component.Logger(component.NameRegistration).Info("registered")
	registration, err := os.ReadFile(filepath.Join(dir, component.NameRegistration+".log"))
	if err != nil || !strings.HasSuffix(string(registration), `"registered"`+"\n") {
		t.Errorf("registration's log: %q, %v", registration, err)
	}

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
