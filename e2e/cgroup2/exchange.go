//go:build linux

package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// outboxSize is the room for the machine's results; the file is sparse.
const outboxSize = 512 << 20

// writeInbox writes the archive that the machine unpacks and runs: names in it, and the files that they hold.
func writeInbox(file string, content map[string]string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	tw := tar.NewWriter(out)
	for name, source := range content {
		if err := addFile(tw, name, source); err != nil {
			return fmt.Errorf("inbox: %w", err)
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return out.Close()
}

func addFile(tw *tar.Writer, name, source string) error {
	file, err := os.Open(source)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: info.Size(), ModTime: info.ModTime()}
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(tw, file)
	return err
}

// report is what the scenario found; the machine writes it as report.json.
type report struct {
	Facts map[string]string `json:"facts"`
	Steps []struct {
		Name    string  `json:"name"`
		Seconds float64 `json:"seconds"`
		Failure string  `json:"failure,omitempty"`
	} `json:"steps"`
	// Complete is set when the last step was reached.
	Complete bool `json:"complete"`
}

// failure is the first step that failed, or "".
func (r *report) failure() string {
	for _, s := range r.Steps {
		if s.Failure != "" {
			return fmt.Sprintf("%s: %s", s.Name, s.Failure)
		}
	}
	if !r.Complete {
		return "the scenario did not reach its end"
	}
	return ""
}

var errNoReport = errors.New("the machine ended without a report")

// readOutbox unpacks the machine's results into a directory and returns its report.
func readOutbox(file, dir string) (*report, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	tr := tar.NewReader(in)
	for {
		header, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the machine's results: %w", err)
		}
		if header.Typeflag != tar.TypeReg || !filepath.IsLocal(header.Name) {
			continue
		}
		if err := extract(filepath.Join(dir, filepath.Base(header.Name)), tr); err != nil {
			return nil, err
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoReport
	}
	if err != nil {
		return nil, err
	}
	r := new(report)
	return r, json.Unmarshal(data, r)
}

func extract(path string, r io.Reader) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(file, r); err != nil {
		return err
	}
	return file.Close()
}
