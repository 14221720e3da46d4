package kubeconfig

import (
	"io/fs"
	"os"
)

// keepOwner does nothing: on Windows, a file's rights come from its directory.
func keepOwner(*os.File, fs.FileInfo) error { return nil }

// syncDir does nothing: on Windows, directories cannot be flushed.
func syncDir(string) error { return nil }
