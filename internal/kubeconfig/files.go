package kubeconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"k8s.io/client-go/util/homedir"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// Files are the kubeconfig files of a user, in the order in which kubectl reads them: the first one that says
// something counts. What is new goes to the file that kubectl would take: the first that exists, else the last
// of the list. That file also decides the selected context, because none before it exists.
type Files struct {
	paths []string
	// patience is how long to wait for a lock.
	patience time.Duration
}

// Locate finds the files: explicit if it is not "", else those that KUBECONFIG lists, else .kube/config in the
// home directory.
func Locate(explicit string, getenv func(string) string) (Files, error) {
	f := Files{patience: 5 * time.Second}
	if explicit != "" {
		f.paths = []string{explicit}
		return f, nil
	}
	for _, path := range filepath.SplitList(getenv("KUBECONFIG")) {
		if path != "" && !slices.Contains(f.paths, path) {
			f.paths = append(f.paths, path)
		}
	}
	if len(f.paths) > 0 {
		return f, nil
	}
	home := getenv("HOME")
	if home == "" || runtime.GOOS == "windows" { // there, kubectl looks at several variables
		home = homedir.HomeDir()
	}
	if home == "" {
		return f, &fault.Error{Code: fault.KubeconfigInvalid, Summary: "there is no home directory to find the kubeconfig in",
			Hint: "Set HOME or KUBECONFIG, or name the file with --kubeconfig."}
	}
	f.paths = []string{filepath.Join(home, ".kube", "config")}
	return f, nil
}

// document is one file as it was found.
type document struct {
	path    string
	exists  bool
	special bool // neither a regular file nor missing
	*content
}

// read reads all files; one that does not exist is an empty document.
func (f Files) read() ([]*document, error) {
	docs := make([]*document, len(f.paths))
	for i, path := range f.paths {
		d, err := readFile(path)
		if err != nil {
			return nil, err
		}
		docs[i] = d
	}
	return docs, nil
}

func readFile(path string) (*document, error) {
	d := &document{path: path, exists: true}
	info, err := os.Stat(path)
	var data []byte
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.exists, err = false, nil
	case err == nil && info.IsDir():
		err = errors.New("it is a directory")
	case err == nil && !info.Mode().IsRegular():
		// A device such as /dev/null is a way to say "none", and reading a pipe might never end.
		d.special = true
	case err == nil:
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, &fault.Error{Code: fault.KubeconfigInvalid, Summary: fmt.Sprintf("the kubeconfig %s cannot be read", path),
			Hint: "Make it readable, or name another file with --kubeconfig or KUBECONFIG.", Cause: withoutPath(err)}
	}
	if d.content, err = parse(data); err != nil {
		return nil, invalid(path, err)
	}
	return d, nil
}

// standard is the index of the document that new entries go to.
func (f Files) standard(docs []*document) int {
	if i := slices.IndexFunc(docs, func(d *document) bool { return d.exists }); i >= 0 {
		return i
	}
	return len(docs) - 1
}

// writable says if a document's file can be replaced. A file that nobody may write is protected on purpose, even
// from root and although replacing it needs no right to write it.
func (f Files) writable(d *document) error {
	if d.special {
		return readOnly(d.path, errors.New("it is no regular file"))
	}
	target, err := resolve(d.path)
	if err != nil {
		return readOnly(d.path, err)
	}
	if d.exists {
		info, err := os.Stat(target)
		switch {
		case err != nil:
			return readOnly(d.path, err)
		case info.Mode().Perm()&0o222 == 0:
			return readOnly(d.path, errors.New("its mode forbids writing"))
		}
		file, err := os.OpenFile(target, os.O_WRONLY, 0)
		if err != nil {
			return readOnly(d.path, err)
		}
		file.Close()
	}
	// The new content is written beside the file. A missing directory would be made in the nearest that exists.
	dir := filepath.Dir(target)
	for {
		if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	probe, err := os.CreateTemp(dir, temporary(target))
	if err != nil {
		return readOnly(d.path, err)
	}
	probe.Close()
	if err := os.Remove(probe.Name()); err != nil {
		return readOnly(d.path, err)
	}
	return nil
}

// makeDir makes the directory of the file that would be made.
func (f Files) makeDir() error {
	for _, path := range f.paths {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
	}
	path := f.paths[len(f.paths)-1]
	target, err := resolve(path)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(target), 0o755) // as kubectl does
	}
	if err != nil {
		return readOnly(path, err)
	}
	return nil
}

func readOnly(path string, err error) error {
	return &fault.Error{Code: fault.KubeconfigReadOnly, Summary: fmt.Sprintf("the kubeconfig %s cannot be written", path),
		Hint: "Make it and its directory writable, or name another file with --kubeconfig or KUBECONFIG.", Cause: withoutPath(err)}
}

func invalid(path string, err error) error {
	where := path
	var at *lineError
	if errors.As(err, &at) && at.line > 0 {
		where = fmt.Sprintf("%s, line %d,", path, at.line)
	}
	return &fault.Error{Code: fault.KubeconfigInvalid, Summary: fmt.Sprintf("the kubeconfig %s is not valid", where),
		Hint: "Correct or move the file (nothing in it was changed), or name another one with --kubeconfig or KUBECONFIG.", Cause: err}
}

// withoutPath drops the path of a file system's error where the summary has named it.
func withoutPath(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}
