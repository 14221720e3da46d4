package supervise

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// childEnv tells this test binary to be a supervised program instead. Its value is what to do.
const childEnv = "SKIFF_TEST_CHILD"

func TestMain(m *testing.M) {
	switch mode := os.Getenv(childEnv); mode {
	case "":
		os.Exit(m.Run())
	case "reaper":
		time.AfterFunc(time.Minute, func() { // a status or an orphan got lost, and somebody waits for it
			fmt.Println("the scenario hangs")
			os.Exit(1)
		})
		if err := reaperScenario(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	default:
		os.Exit(childModes[mode]())
	}
}

// childModes are programs that behave as programs do. Each returns its exit code.
var childModes = map[string]func() int{
	"succeed": func() int { return 0 },
	"fail": func() int {
		fmt.Println("to stdout")
		fmt.Fprint(os.Stderr, "disk on fire") // no line break
		return 3
	},
	"die": func() int {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		return block()
	},
	"print-long-lines": func() int {
		fmt.Printf("%s\nshort\n", strings.Repeat("x", 100_000))
		return 0
	},
	"print-setting": func() int {
		text, _ := io.ReadAll(os.NewFile(4, "extra"))
		group, _ := unix.Getpgid(0)
		fmt.Printf("%s\n%s\nleads its group: %t\n", os.Getenv("EXTRA"), text, group == os.Getpid())
		return 0
	},
	"obey": obey,
	"ignore-term": func() int {
		signal.Ignore(unix.SIGTERM)
		fmt.Println("up")
		return block()
	},
	"obey-with-family": func() int { return withFamily(nil) },
	"fail-with-family": func() int { return withFamily(new(4)) },
	"report": func() int {
		events := os.NewFile(3, "events")
		for i := range 10_000 {
			fmt.Fprintf(events, "event %d\n", i)
		}
		return 0
	},
	// orphan leaves a process behind that is in nobody's group and ends with file descriptor 3.
	"orphan": func() int {
		cmd := self("wait-for-fd3")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		cmd.ExtraFiles = []*os.File{os.NewFile(3, "release")}
		if os.Getenv("SHARE_OUTPUT") != "" {
			cmd.Stdout = os.Stdout
		}
		return report(cmd, 7)
	},
	// orphan-brief leaves one behind that ends at once.
	"orphan-brief": func() int {
		cmd := self("succeed")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return report(cmd, 7)
	},
	"wait-for-fd3": func() int {
		_, _ = io.Copy(io.Discard, os.NewFile(3, "release"))
		return 0
	},
}

// obey ends when it is asked to.
func obey() int {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, unix.SIGTERM)
	fmt.Println("up")
	<-terminated
	fmt.Println("bye")
	return 0
}

// withFamily starts a process that does not end when asked to, and ends itself: when asked to, or with a code.
func withFamily(code *int) int {
	cmd := self("ignore-term")
	cmd.ExtraFiles = []*os.File{os.NewFile(3, "held")}
	up, err := cmd.StdoutPipe()
	if err != nil {
		return 98
	}
	if err := cmd.Start(); err != nil {
		return 98
	}
	if _, err := io.ReadFull(up, make([]byte, len("up\n"))); err != nil {
		return 97
	}
	if code != nil {
		return *code
	}
	return obey()
}

// report starts cmd, prints its number and returns code.
func report(cmd *exec.Cmd, code int) int {
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		return 98
	}
	fmt.Println(cmd.Process.Pid)
	return code
}

// block stays for long, but not for ever should the test die.
func block() int {
	time.Sleep(time.Minute)
	return 96
}

func self(mode string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = childEnviron(mode)
	return cmd
}

func childEnviron(mode string) []string { return append(os.Environ(), childEnv+"="+mode) }
