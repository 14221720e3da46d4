package kit

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/fault"
)

func TestClusterArg(t *testing.T) {
	for _, tc := range []struct {
		name, env string
		flags     []string
		args      []string
		want      string
		wantErr   bool
	}{
		{name: "nothing said", want: "skiff"},
		{name: "environment", env: "ci", want: "ci"},
		{name: "flag wins over environment", env: "ci", flags: []string{"--cluster", "x"}, want: "x"},
		{name: "argument wins over environment", env: "ci", args: []string{"y"}, want: "y"},
		{name: "twice the same", flags: []string{"--cluster", "y"}, args: []string{"y"}, want: "y"},
		{name: "twice", flags: []string{"--cluster", "x"}, args: []string{"y"}, wantErr: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			deps := &Deps{}
			cmd := &cobra.Command{Use: "t"}
			deps.Flags.AddTo(cmd.PersistentFlags(), func(string) string { return tc.env })
			if err := cmd.ParseFlags(tc.flags); err != nil {
				t.Fatal(err)
			}
			got, err := deps.ClusterArg(cmd, tc.args)
			if got != tc.want || (err != nil) != tc.wantErr {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestFlagError(t *testing.T) {
	cmd := &cobra.Command{Use: "t"}
	cmd.Flags().Bool("ephemeral", false, "")
	for in, want := range map[string]string{
		"unknown flag: --ephemral":  "Did you mean --ephemeral? Run 't --help' to see all flags.",
		"unknown flag: --zzz":       "Run 't --help' to see how it is used.",
		"flag needs an argument: x": "Run 't --help' to see how it is used.",
	} {
		var f *fault.Error
		if err := FlagError(cmd, errors.New(in)); !errors.As(err, &f) || f.Code != fault.Usage || f.Hint != want {
			t.Errorf("%s: %+v", in, f)
		}
	}
}

// TestWarn lets warnings through to whoever wants to see no progress, and to programs.
func TestWarn(t *testing.T) {
	for want, flags := range map[string]Flags{
		"Warning: low\n  Raise it.\n":                             {Output: OutputText, Quiet: true},
		`{"warning":{"hint":"Raise it.","message":"low"}}` + "\n": {Output: OutputJSON},
	} {
		var out strings.Builder
		deps := &Deps{Streams: Streams{Err: &out}, Flags: flags}
		deps.Warn("low", "Raise it.")
		deps.Say("this is talk")
		if out.String() != want {
			t.Errorf("%q", out.String())
		}
	}
}

func TestAge(t *testing.T) {
	for in, want := range map[time.Duration]string{
		-time.Second: "0s", 90 * time.Second: "90s", 5 * time.Minute: "5m", 5 * time.Hour: "5h", 90 * time.Hour: "3d",
	} {
		if got := Age(in); got != want {
			t.Errorf("%v: %s, want %s", in, got, want)
		}
	}
}
