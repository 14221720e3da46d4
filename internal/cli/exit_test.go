package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/testutil"
)

func TestExitCode(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{&fault.Error{Code: fault.Usage}, 2},
		{fmt.Errorf("while: %w", &fault.Error{Code: fault.NotFound}), 3},
		{errors.Join(&fault.Error{Code: fault.Exists}, errors.New("rollback")), 4},
		{&fault.Error{Code: fault.DockerTooOld}, 5},
		{&fault.Error{Code: fault.Canceled}, 130},
		{fmt.Errorf("stop: %w", context.Canceled), 130},
		{&fault.Error{Code: fault.NodeFailed, Cause: context.Canceled}, 8},
		{kit.Exit{Code: 42}, 42},
		{&fault.Error{Code: "from the future"}, 1},
	} {
		if got := exitCode(tc.err); got != tc.want {
			t.Errorf("%v: %d, want %d", tc.err, got, tc.want)
		}
	}
}

// TestEveryFaultHasAnExitCode reads the codes from the source of package fault, so that a new one cannot be
// forgotten in the table.
func TestEveryFaultHasAnExitCode(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../fault/fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	inTable := map[string]int{}
	for _, row := range exitCodes {
		for _, f := range row.faults {
			inTable[string(f)]++
		}
	}
	codes := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Code" {
			return true
		}
		codes++
		value := strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
		if inTable[value] != 1 {
			t.Errorf("fault %q is %d times in the table of exit codes", value, inTable[value])
		}
		return true
	})
	if codes < 15 {
		t.Errorf("found only %d codes", codes)
	}
}

func TestPrintError(t *testing.T) {
	full := &fault.Error{
		Code: fault.NotReady, Summary: "cluster demo did not become ready within 2m", Hint: "Run 'skiff doctor'.",
		Details: []string{"kube-apiserver: bind: address in use", "dns: no answer"}, Cause: errors.New("condition dns"),
	}
	for _, tc := range []struct {
		name    string
		err     error
		verbose bool
	}{
		{name: "plain", err: errors.New("unexpected EOF")},
		{name: "full", err: full},
		{name: "wrapped", err: fmt.Errorf("create: %w", full)},
		{name: "wrapped-verbose", err: fmt.Errorf("create: %w", full), verbose: true},
		{name: "rollback-failed", err: errors.Join(full, errors.New("rollback: remove network skiff-demo: in use"))},
		{name: "exit", err: kit.Exit{Code: 7}},
		{name: "cancelled", err: &fault.Error{Code: fault.Canceled, Summary: "cancelled"}},
		{name: "cancelled-rollback-failed", err: errors.Join(
			&fault.Error{Code: fault.Canceled, Summary: "the creation of cluster demo was cancelled", Cause: errors.New("cancelled")},
			&fault.Error{Code: fault.DockerUnreachable, Summary: "what was made could not be removed again",
				Hint: "Run 'skiff delete demo'.", Cause: errors.New("remove network skiff-demo: in use")})},
		{name: "cancelled-hint", err: fmt.Errorf("delete: %w", &fault.Error{Code: fault.Canceled,
			Summary: "the deletion of cluster demo was cancelled", Hint: "Run 'skiff delete demo' again to remove the rest."})},
		{name: "cancelled-twice", err: errors.Join(&fault.Error{Code: fault.Canceled, Summary: "cancelled"}, context.Canceled)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b bytes.Buffer
			printError(&b, tc.err, false, tc.verbose)
			testutil.Golden(t, "errors/"+tc.name+".txt", b.String())
			b.Reset()
			printError(&b, tc.err, true, tc.verbose)
			if errors.As(tc.err, new(kit.Exit)) {
				if b.Len() > 0 {
					t.Errorf("a command's own exit code is no error: %s", &b)
				}
				return
			}
			var got struct{ Error errorJSON }
			if err := json.Unmarshal(b.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if got.Error.Code != codeOf(tc.err) || got.Error.ExitCode != exitCode(tc.err) || got.Error.Message == "" {
				t.Errorf("%s", &b)
			}
			if strings.Count(b.String(), "\n") != 1 {
				t.Errorf("more than one line: %s", &b)
			}
		})
	}
}
