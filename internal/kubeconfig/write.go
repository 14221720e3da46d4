package kubeconfig

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// resolve follows symbolic links, also to a file that does not exist yet.
func resolve(path string) (string, error) {
	for range 40 { // as many as Linux follows
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0:
			return path, nil
		case err != nil:
			return "", err
		}
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return "", errors.New("too many symbolic links")
}

// temporary is the pattern of the name of the file that is to take target's place. The dot and the ending hide
// it from tools that read every file of a directory as a kubeconfig.
func temporary(target string) string { return "." + filepath.Base(target) + ".*.tmp" }

// replace gives a file new content, or leaves it as it is: a reader, or a crash, sees the old content or the new.
// A symbolic link stays one. The mode is 0600 afterwards, because the content holds keys; the owner stays.
func replace(path string, content []byte) (err error) {
	target, err := resolve(path)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(target), temporary(target)) // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
		}
	}()
	if info, err := os.Stat(target); err == nil {
		if err := keepOwner(file, info); err != nil {
			return err
		}
	}
	if _, err := file.Write(content); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), target); err != nil {
		return err
	}
	syncDir(filepath.Dir(target))
	return nil
}
