// Package kit is what every command is made from: the streams, the flags that all share, and lazy access to the
// engine and the clusters. A command's package holds an Options struct, NewCmd(deps), which only parses, and
// run(ctx, opts), which knows nothing of cobra.
//
// Nothing in [Deps] is opened until it is asked for, so that --help, version and completion never touch Docker.
package kit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/kube"
	"github.com/skiff-cluster/skiff/internal/ui"
	"github.com/skiff-cluster/skiff/internal/ui/tui"
	"github.com/skiff-cluster/skiff/internal/version"
)

// Streams are the three standard streams. Out carries data, Err carries talk.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Deps is what commands depend on.
type Deps struct {
	Streams
	// Getenv reads the environment.
	Getenv func(string) string
	// Engine connects to the container engine.
	Engine func(ctx context.Context) (cluster.Engine, error)
	// Image opens the node image that this program carries.
	Image func() (cluster.NodeImage, error)
	// Applier applies manifests to the cluster that credentials are of.
	Applier func(creds *cluster.Credentials) (Applier, error)
	// ReleaseSignals gives Ctrl-C back to the system, for commands that bring their own handling.
	ReleaseSignals func()
	// Flags that every command takes.
	Flags Flags
}

// Applier puts the objects of manifest files into a cluster.
type Applier interface {
	// File applies the objects of a file in their order. progress is told how many of them are done, how many there are,
	// and which comes next. The error names the object that was not taken.
	File(ctx context.Context, file string, progress func(done, total int, next string)) error
}

// Flags are the flags of the root command.
type Flags struct {
	Cluster string
	Output  Output
	Quiet   bool
	Verbose bool
}

// JSON is true if a program wants to read the output.
func (d *Deps) JSON() bool { return d.Flags.Output == OutputJSON }

// Service returns the clusters of the engine; what is done to them is told to sink.
func (d *Deps) Service(ctx context.Context, sink event.Sink) (*cluster.Service, error) {
	engine, err := d.Engine(ctx)
	if err != nil {
		return nil, err
	}
	return &cluster.Service{Engine: engine, Image: d.Image, Kube: kube.Kube{}, Events: sink, Version: version.Version()}, nil
}

// Renderer returns the renderer that suits the error stream. The caller closes it.
func (d *Deps) Renderer() ui.Renderer {
	probe := ui.Probe{Terminal: IsTerminal(d.Err), JSON: d.JSON(), Quiet: d.Flags.Quiet, Getenv: d.Getenv}
	switch ui.Choose(probe) {
	case ui.ModeTUI:
		return tui.New(d.Err, tui.Options{Colour: probe.Colour(), Width: columns(d.Err), Verbose: d.Flags.Verbose})
	case ui.ModeJSON:
		return ui.NewJSON(d.Err)
	case ui.ModeQuiet:
		return ui.NewQuiet()
	}
	return ui.NewPlain(d.Err, d.Flags.Verbose)
}

// Say writes one line of talk, unless the user or a program prefers silence.
func (d *Deps) Say(format string, args ...any) {
	if !d.Flags.Quiet && !d.JSON() {
		fmt.Fprintf(d.Err, format+"\n", args...)
	}
}

// Warn tells of what may go wrong, and what to do about it: two lines, or one of JSON if a program reads along. It is no
// progress, so that --quiet lets it through.
func (d *Deps) Warn(message, hint string) {
	if d.JSON() {
		// A reader that went away is no reason to stop.
		_ = json.NewEncoder(d.Err).Encode(map[string]map[string]string{"warning": {"message": message, "hint": hint}})
		return
	}
	fmt.Fprintf(d.Err, "Warning: %s\n  %s\n", message, hint)
}

// PrintJSON writes v to the data stream.
func (d *Deps) PrintJSON(v any) error {
	enc := json.NewEncoder(d.Out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// IsTerminal says if a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func columns(stream any) int {
	if f, ok := stream.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			return w
		}
	}
	return 0
}

// Exit is the error of a command that has said all there is to say and only wants to end with a code.
type Exit struct{ Code int }

func (e Exit) Error() string { return fmt.Sprintf("exit code %d", e.Code) }
