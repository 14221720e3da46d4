//go:build e2e

package e2e

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
)

// testRun is this run of the test program. Everything it makes in Docker carries its ID in the name, so that runs
// beside each other do not meet, and what is left over can be found.
type testRun struct {
	id    string
	skiff string // path of the program under test
	dir   string // temporary
	// root is the directory of this package.
	root string
	// keepFailed leaves clusters and namespaces of failed scenarios for inspection.
	keepFailed bool
}

// run is set by TestMain before any scenario starts.
var run testRun

// newRun finds what the scenarios need.
func newRun() (testRun, error) {
	r := testRun{id: randomHex(2), keepFailed: os.Getenv("E2E_KEEP_FAILED") == "1"}
	var err error
	if r.root, err = os.Getwd(); err != nil {
		return r, err
	}
	r.skiff = os.Getenv("SKIFF")
	if r.skiff == "" {
		r.skiff = filepath.Join(r.root, "..", "bin", "skiff")
	}
	if r.skiff, err = filepath.Abs(r.skiff); err != nil {
		return r, err
	}
	if info, err := os.Stat(r.skiff); err != nil || info.IsDir() {
		return r, fmt.Errorf("there is no program %s: run 'make build', or name one with SKIFF", r.skiff)
	}
	if out := dockerRun("info", "--format", "{{.ServerVersion}}"); out.Code != 0 {
		return r, fmt.Errorf("scenarios need Docker: %s", out)
	}
	r.dir, err = os.MkdirTemp("", "skiff-e2e-")
	return r, err
}

// prefix starts the names of all clusters of this run.
func (r testRun) prefix() string { return "e2e-" + r.id + "-" }

// clusterName makes a cluster's name of at most 32 characters out of a test's name.
func (r testRun) clusterName(test, suffix string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(test + "/" + suffix))
	words := slug(strings.TrimPrefix(test, "Test"))
	if len(words) > 16 {
		words = strings.Trim(words[:16], "-")
	}
	return fmt.Sprintf("%s%s-%04x", r.prefix(), words, h.Sum32()&0xffff)
}

// artifacts returns a directory for what helps to understand a failure of test.
func (r testRun) artifacts(test string) (string, error) {
	dir := os.Getenv("E2E_ARTIFACTS")
	if dir == "" {
		dir = filepath.Join(r.root, "artifacts")
	}
	dir = filepath.Join(dir, r.id, slug(test))
	return dir, os.MkdirAll(dir, 0o755)
}

// slug makes a DNS label of a test's name: "TestPods/a Secret" is "test-pods-a-secret".
func slug(name string) string {
	var b strings.Builder
	previousLower := false
	for _, c := range name {
		switch {
		case c >= 'A' && c <= 'Z':
			if previousLower {
				b.WriteByte('-')
			}
			b.WriteRune(c - 'A' + 'a')
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b.WriteRune(c)
		case b.Len() > 0:
			b.WriteByte('-')
		}
		previousLower = c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
	}
	label := b.String()
	if len(label) > 60 {
		label = label[:60]
	}
	return strings.Trim(label, "-")
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// remove deletes what the run made outside Docker.
func (r testRun) remove() error { return os.RemoveAll(r.dir) }
