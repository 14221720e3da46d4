package tui

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestTerminalIsNotAsked checks that package noquery is initialised before Bubble Tea, which would ask the terminal
// for its background, and that TERM is what it was afterwards.
func TestTerminalIsNotAsked(t *testing.T) {
	if os.Getenv("TUI_TEST_CHILD") != "" {
		if got := os.Getenv("TERM"); got != "xterm-test" {
			t.Errorf("TERM is %q", got)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestTerminalIsNotAsked$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1", "TUI_TEST_CHILD=1", "TERM=xterm-test")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ours := strings.Index(string(out), "init github.com/skiff-cluster/skiff/internal/ui/tui/noquery @")
	theirs := strings.Index(string(out), "init github.com/charmbracelet/bubbletea @")
	if ours < 0 || theirs < 0 || ours > theirs {
		t.Errorf("the order of initialisation:\n%s", out)
	}
}
