package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// exitCodes is the only place where failures become exit codes.
var exitCodes = []struct {
	code    int
	meaning string
	faults  []fault.Code
}{
	{0, "done", nil},
	{1, "failed in a way that has no code of its own", []fault.Code{fault.Internal}},
	{2, "the command line is wrong, or its values make no sense", []fault.Code{fault.Usage, fault.Invalid}},
	{3, "no such cluster, node, image or file", []fault.Code{fault.NotFound}},
	{4, "the cluster exists already, or another skiff works on it", []fault.Code{fault.Exists, fault.Conflict}},
	{5, "Docker cannot be reached or used, or refuses something", []fault.Code{
		fault.DockerUnreachable, fault.DockerPermission, fault.DockerTooOld, fault.DockerRefused,
	}},
	{6, "the host lacks something: disk, a port, a subnet, a node image", []fault.Code{
		fault.NoSpace, fault.PortInUse, fault.NetworkOverlap, fault.NoImage,
	}},
	{7, "the kubeconfig cannot be read or written", []fault.Code{
		fault.KubeconfigInvalid, fault.KubeconfigReadOnly, fault.KubeconfigLocked,
	}},
	{8, "the cluster is not ready", []fault.Code{fault.NotReady, fault.NodeFailed}},
	{9, "the cluster is ready, and not all of its manifests could be applied", []fault.Code{fault.ManifestRefused}},
	{exitCanceled, "cancelled with Ctrl-C", []fault.Code{fault.Canceled}},
}

const exitCanceled = 130 // as a shell reports a program that SIGINT ended

// exitCode returns the exit code for what a command returned.
func exitCode(err error) int {
	var exit kit.Exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.Code
	}
	code := codeOf(err)
	for _, row := range exitCodes {
		for _, f := range row.faults {
			if f == code {
				return row.code
			}
		}
	}
	return 1
}

// codeOf is fault.CodeOf that also knows a cancelled context, whoever noticed it first.
func codeOf(err error) fault.Code {
	code := fault.CodeOf(err)
	if code == fault.Internal && errors.Is(err, context.Canceled) {
		return fault.Canceled
	}
	return code
}

// exitCodesTopic is `skiff help exit-codes`.
func exitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Exit codes of skiff. 'skiff kubectl' and 'skiff node shell' end with the code of what they ran.\n\n")
	for _, row := range exitCodes {
		fmt.Fprintf(&b, "%5d  %s\n", row.code, row.meaning)
		if len(row.faults) > 0 {
			names := make([]string, len(row.faults))
			for i, f := range row.faults {
				names[i] = string(f)
			}
			fmt.Fprintf(&b, "       \"code\" with --output json: %s\n", strings.Join(names, ", "))
		}
	}
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes of skiff mean", Long: strings.TrimRight(b.String(), "\n")}
}

// printError tells the user of a failure: what happened, why, what more is known, what to do next.
func printError(w io.Writer, err error, asJSON, verbose bool) {
	var exit kit.Exit
	if err == nil || errors.As(err, &exit) {
		return
	}
	if asJSON {
		printErrorJSON(w, err)
		return
	}
	if knownToUser(err) {
		return
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		fmt.Fprintf(w, "Error: %s\n", err)
		return
	}
	fmt.Fprintf(w, "Error: %s\n", f.Summary)
	if cause := causeOf(f, err, verbose); cause != "" {
		fmt.Fprintf(w, "  Cause: %s\n", strings.ReplaceAll(cause, "\n", "\n         "))
	}
	for _, d := range f.Details {
		fmt.Fprintf(w, "  | %s\n", d)
	}
	if hint := hintsOf(f, err); hint != "" {
		fmt.Fprintf(w, "\n%s\n", hint)
	}
}

// knownToUser is true for what Ctrl-C did, unless it left something behind that the user must deal with.
func knownToUser(err error) bool {
	if codeOf(err) != fault.Canceled {
		return false
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		return true
	}
	return len(siblings(f, err)) == 0 && f.Hint == ""
}

// causeOf is the error under f. What wrapped f on its way up matters to developers only, unless it is a second
// failure, such as that of a rollback.
func causeOf(f *fault.Error, err error, verbose bool) string {
	var parts []string
	if f.Cause != nil && f.Code != fault.Canceled { // the cause of that is Ctrl-C
		parts = append(parts, f.Cause.Error())
	}
	others := siblings(f, err)
	for _, e := range others {
		parts = append(parts, e.Error())
	}
	if verbose && len(others) == 0 && err.Error() != f.Error() {
		parts = append(parts, "(all) "+err.Error())
	}
	return strings.Join(parts, "\n")
}

// hintsOf says what to do about f, and about the failures beside it.
func hintsOf(f *fault.Error, err error) string {
	var hints []string
	add := func(f *fault.Error) {
		if f.Hint != "" && !slices.Contains(hints, f.Hint) {
			hints = append(hints, f.Hint)
		}
	}
	add(f)
	for _, e := range siblings(f, err) {
		var other *fault.Error
		if errors.As(e, &other) {
			add(other)
		}
	}
	return strings.Join(hints, "\n")
}

// siblings are the errors that were joined to f, on the way from err down to it.
func siblings(f *fault.Error, err error) []error {
	var out []error
	for err != nil && err != error(f) { //nolint:errorlint // the wrappers themselves are looked at
		switch e := err.(type) { //nolint:errorlint // as above
		case interface{ Unwrap() []error }:
			err = nil
			for _, joined := range e.Unwrap() {
				switch {
				case err == nil && errors.Is(joined, f):
					err = joined
				case !knownToUser(joined):
					out = append(out, joined)
				}
			}
		default:
			err = errors.Unwrap(err)
		}
	}
	return out
}

// errorJSON is an error with --output json.
type errorJSON struct {
	Code     fault.Code `json:"code"`
	Message  string     `json:"message"`
	Cause    string     `json:"cause,omitempty"`
	Details  []string   `json:"details,omitempty"`
	Hint     string     `json:"hint,omitempty"`
	ExitCode int        `json:"exitCode"`
}

func printErrorJSON(w io.Writer, err error) {
	out := errorJSON{Code: codeOf(err), Message: err.Error(), ExitCode: exitCode(err)}
	var f *fault.Error
	if errors.As(err, &f) {
		out.Message, out.Details, out.Hint = f.Summary, f.Details, hintsOf(f, err)
		out.Cause = causeOf(f, err, false)
	}
	// One line, as all that goes to the error stream with --output json.
	_ = json.NewEncoder(w).Encode(map[string]errorJSON{"error": out})
}
