package kubeconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// lock keeps other writers away from the files until unlock is called. Kubernetes' client, and with it kubectl
// and most other tools, lock a kubeconfig by creating FILE.lock, which must not exist; so does this. Files are
// locked in the order of their names, as there, so that two writers never wait for each other. A file in a
// directory that this user may not write is skipped: who wants to write that file will fail, and says why.
func (f Files) lock(ctx context.Context) (unlock func() error, err error) {
	names, err := f.lockNames()
	if err != nil {
		return nil, err
	}
	var held []string
	unlock = func() error {
		var errs []error
		for _, name := range held {
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("unlock the kubeconfig: %w", err))
			}
		}
		return errors.Join(errs...)
	}
	deadline := time.Now().Add(f.patience)
	for _, name := range names {
		ok, err := acquire(ctx, name, deadline)
		if err != nil {
			return nil, errors.Join(err, unlock())
		}
		if ok {
			held = append(held, name)
		}
	}
	return unlock, nil
}

// lockNames are the lock files: those that others use, who see the paths as the user gave them, and those of the
// files that symbolic links lead to. Directories are resolved, so that no file is locked under two names.
func (f Files) lockNames() ([]string, error) {
	var names []string
	add := func(path string) {
		if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
			if abs, err := filepath.Abs(dir); err == nil {
				names = append(names, filepath.Join(abs, filepath.Base(path))+".lock")
			}
		}
	}
	for _, path := range f.paths {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			continue // it is never written
		}
		target, err := resolve(path)
		if err != nil {
			return nil, readOnly(path, err)
		}
		add(path)
		add(target)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// acquire creates a lock file, waiting for another one to disappear, until ctx ends. It is not ok if this user may
// create none. Nothing tells of the end of such a lock, so it is looked at again and again.
func acquire(ctx context.Context, name string, deadline time.Time) (ok bool, err error) {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		switch {
		case err == nil:
			_, err = fmt.Fprintf(file, "skiff, process %d\n", os.Getpid())
			if err = errors.Join(err, file.Close()); err != nil {
				return false, errors.Join(readOnly(name, err), os.Remove(name))
			}
			return true, nil
		case mayNotCreate(err):
			return false, nil
		case !stillHeld(err):
			return false, notLocked(name, err)
		case time.Now().After(deadline):
			return false, locked(name)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// notLocked says why a lock cannot be made: without one, what others write could be lost.
func notLocked(name string, err error) error {
	path := strings.TrimSuffix(name, ".lock")
	return &fault.Error{Code: fault.KubeconfigReadOnly, Summary: fmt.Sprintf("the kubeconfig %s cannot be locked", path), Cause: withoutPath(err),
		Hint: fmt.Sprintf("See why %s cannot be made, or name another file with --kubeconfig or KUBECONFIG.", name)}
}

// locked says who holds a lock, as far as the lock file tells.
func locked(name string) error {
	by := "another program"
	if text, err := os.ReadFile(name); err == nil && len(text) < 100 {
		if who := strings.TrimSpace(string(text)); who != "" {
			by = who
		}
	}
	since := ""
	if info, err := os.Stat(name); err == nil {
		since = fmt.Sprintf(" (since %s)", time.Since(info.ModTime()).Round(time.Second))
	}
	path := strings.TrimSuffix(name, ".lock")
	return &fault.Error{Code: fault.KubeconfigLocked, Summary: fmt.Sprintf("the kubeconfig %s is locked by %s%s", path, by, since),
		Hint: fmt.Sprintf("Try again. If nothing writes to it any more, a program died there: remove %s.", name)}
}
