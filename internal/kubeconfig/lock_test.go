package kubeconfig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/skiff-cluster/skiff/internal/fault"
)

const childEnv = "SKIFF_KUBECONFIG_CHILD"

// TestMain lets the test binary be its own writer in another process: it merges and removes entries, in the end
// all it merged but the last.
func TestMain(m *testing.M) {
	path := os.Getenv(childEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	f := Files{paths: []string{path}, patience: time.Minute}
	id := os.Args[1]
	for i := range 10 {
		e := entry
		e.Name = fmt.Sprintf("skiff-%s-%d", id, i)
		if _, err := f.Merge(context.Background(), e); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if i < 9 {
			if _, err := f.Remove(context.Background(), e.Name); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
	}
	os.Exit(0)
}

// TestWritersTogether lets processes and goroutines write at once, while a reader must never see half a file.
func TestWritersTogether(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config")
	write(t, path, written)
	const processes, goroutines = 4, 8
	results := make(chan error)
	for i := range processes {
		cmd := exec.Command(os.Args[0], fmt.Sprint("p", i))
		cmd.Env = append(os.Environ(), childEnv+"="+path)
		go func() {
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			results <- err
		}()
	}
	for i := range goroutines {
		e := entry
		e.Name = fmt.Sprint("skiff-g", i)
		go func() {
			_, err := Files{paths: []string{path}, patience: time.Minute}.Merge(t.Context(), e)
			results <- err
		}()
	}
	for left := processes + goroutines; left > 0; {
		select {
		case err := <-results:
			left--
			if err != nil {
				t.Error(err)
			}
		default:
			if config, err := clientcmd.LoadFromFile(path); err != nil || config.Contexts["a"] == nil {
				t.Fatalf("a reader sees %v", err)
			}
		}
	}
	checkOthersIn(t, path, processes, goroutines)
	checkModeAndNeighbours(t, path)
}

func checkOthersIn(t *testing.T, path string, processes, goroutines int) {
	t.Helper()
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a"}
	for i := range processes {
		want = append(want, fmt.Sprintf("skiff-p%d-9", i))
	}
	for i := range goroutines {
		want = append(want, fmt.Sprint("skiff-g", i))
	}
	for _, name := range want {
		if config.Contexts[name] == nil || config.Clusters[name] == nil || config.AuthInfos[name] == nil {
			t.Errorf("%s is lost", name)
		}
	}
	if len(config.Contexts) != len(want) {
		t.Errorf("there are %d contexts instead of %d", len(config.Contexts), len(want))
	}
	if text := read(t, path); !strings.Contains(text, "# the good one") || !strings.Contains(text, "unknown-field: stays") {
		t.Errorf("what others wrote is lost:\n%s", text)
	}
}

// TestWaitsForAnotherWriter has Kubernetes' client write while this package waits, and be refused while this
// package writes.
func TestWaitsForAnotherWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	write(t, path, written)
	options := clientcmd.NewDefaultPathOptions()
	options.LoadingRules.ExplicitPath = path
	modify := func() error {
		config, err := clientcmd.LoadFromFile(path)
		if err != nil {
			return err
		}
		config.CurrentContext = "other"
		return clientcmd.ModifyConfig(options, *config, false)
	}

	f := Files{paths: []string{path}, patience: time.Minute}
	unlock, err := f.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := modify(); err == nil {
		t.Error("client-go does not see the lock")
	}
	merged := make(chan error, 1)
	go func() { _, err := f.Merge(t.Context(), entry); merged <- err }()
	select {
	case err := <-merged:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	if strings.Contains(read(t, path), entry.Name) {
		t.Error("wrote in spite of the lock")
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-merged; err != nil {
		t.Error(err)
	}
	if err := modify(); err != nil {
		t.Errorf("client-go cannot write afterwards: %v", err)
	}
}

// TestLockTellsWhoHoldsIt reads the lock as its next waiter does.
func TestLockTellsWhoHoldsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	unlock, err := at(path).lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}()
	file, err := os.Open(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	line, _ := bufio.NewReader(file).ReadString('\n')
	if line != fmt.Sprintf("skiff, process %d\n", os.Getpid()) {
		t.Errorf("%q", line)
	}
}

// TestWaitingEnds waits for a lock that nobody gives back: for as long as it may take, or until Ctrl-C.
func TestWaitingEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	write(t, path+".lock", "another program, as it is")
	var f *fault.Error
	if err := (Files{paths: []string{path}}).Check(t.Context()); !errors.As(err, &f) || f.Code != fault.KubeconfigLocked ||
		!strings.Contains(f.Summary, "locked by another program, as it is (since") {
		t.Errorf("%v", err)
	}
	pressed := errors.New("Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(pressed)
	if err := (Files{paths: []string{path}, patience: time.Hour}).Check(ctx); !errors.Is(err, pressed) {
		t.Errorf("%v", err)
	}
}

// TestLockThatCannotBeMade is told: a writer that goes on without a lock may lose what others write.
func TestLockThatCannotBeMade(t *testing.T) {
	// As long as a file's name may be, so that no lock beside it can have one.
	path := filepath.Join(t.TempDir(), strings.Repeat("x", 255))
	write(t, path, written)
	unlock, err := at(path).lock(t.Context())
	if unlock != nil || fault.CodeOf(err) != fault.KubeconfigReadOnly {
		t.Fatalf("%v", err)
	}
	if !strings.Contains(err.Error(), "cannot be locked") {
		t.Error(err)
	}
}

// TestNoLockWhereNothingCanBeWritten leaves it to the writer to say so.
func TestNoLockWhereNothingCanBeWritten(t *testing.T) {
	if os.Getuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("this user may write everywhere")
	}
	path := filepath.Join(t.TempDir(), "dir", "config")
	write(t, path, written)
	if err := os.Chmod(filepath.Dir(path), 0o500); err != nil {
		t.Fatal(err)
	}
	unlock, err := at(path).lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

// TestLockRefusals tells apart whom a refusal comes from: a directory that is not the user's, or a lock.
func TestLockRefusals(t *testing.T) {
	windows := runtime.GOOS == "windows"
	for _, tc := range []struct {
		err        error
		skip, held bool
	}{
		{fs.ErrExist, false, true},
		{fs.ErrPermission, !windows, windows},
		{syscall.EROFS, !windows, false},
		{syscall.ENOSPC, false, false},
		{syscall.ENAMETOOLONG, false, false},
	} {
		err := &fs.PathError{Op: "open", Path: "config.lock", Err: tc.err}
		if mayNotCreate(err) != tc.skip || stillHeld(err) != tc.held {
			t.Errorf("%v: may not create: %v, still held: %v", err, mayNotCreate(err), stillHeld(err))
		}
	}
}
