//go:build !windows

package kubeconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives file the owner that the file has whose place it takes: with sudo, a user must not lose theirs.
func keepOwner(file *os.File, old fs.FileInfo) error {
	was, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if is, ok := info.Sys().(*syscall.Stat_t); ok && is.Uid == was.Uid {
		return nil
	}
	if err := file.Chown(int(was.Uid), int(was.Gid)); err != nil {
		return fmt.Errorf("it belongs to user %d: %w", was.Uid, withoutPath(err))
	}
	return nil
}

// mayNotCreate is true if a directory is one that this user may not write.
func mayNotCreate(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// stillHeld is true if a lock file is there.
func stillHeld(err error) bool { return errors.Is(err, fs.ErrExist) }

// syncDir makes a renaming durable, where the file system can.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // the new content is in place: only a crash of the host could still undo that
		_ = d.Close()
	}
}
