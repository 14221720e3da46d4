package kubeconfig

import (
	"errors"
	"io/fs"
	"os"
)

// keepOwner does nothing: on Windows, a file's rights come from its directory.
func keepOwner(*os.File, fs.FileInfo) error { return nil }

// mayNotCreate is never true: on Windows, a refusal has another meaning.
func mayNotCreate(error) bool { return false }

// stillHeld is true if a lock file is there. On Windows, one that is just being removed is a refusal for a while.
func stillHeld(err error) bool {
	return errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrPermission)
}

// syncDir does nothing: on Windows, directories cannot be flushed.
func syncDir(string) {}
