package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest/fakenode"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/nodeimage/imagetar"
)

// TestScripts runs testdata/script/*.txtar: the whole command line on an engine in memory, which lives as long as
// the script. Besides testscript's own commands there are
//
//	skiff ARGS           run skiff
//	code N               check the exit code of the last skiff
//	engine empty         check that the engine has no object
//	engine has TEXT      check that it has a container, network or volume, as "container skiff-a-server-1"
//	engine fail METHOD CODE   let every call of a method of cluster.Engine fail from now on
//	engine interrupt METHOD   be Ctrl-C at the next call of a method
//	engine put METHOD FILE OTHER  make a file with the content of another at the next call of a method
//	engine kill NAME     kill a container
//	engine remove NAME   remove a container, as somebody who knows nothing of skiff
//	engine broken        let nodes that are started from now on fail
//	engine image REF     put an image into it
//	engine save REF FILE an archive with an image of that name that the engine has not
//	noimage              let skiff carry no node image
//	input FILE           give the next skiff a file as its standard input
//	validjson [-lines] FILE   check that a file is JSON, or that each of its lines is
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                filepath.Join("testdata", "script"),
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			w, err := newWorld()
			if err != nil {
				return err
			}
			env.Values[worldKey{}] = w
			env.Defer(w.close)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("KUBECONFIG", "")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"skiff": cmdSkiff, "code": cmdCode, "engine": cmdEngine, "validjson": cmdValidJSON,
			"input":   func(ts *testscript.TestScript, _ bool, args []string) { worldOf(ts).input = ts.ReadFile(args[0]) },
			"noimage": func(ts *testscript.TestScript, _ bool, _ []string) { worldOf(ts).image = nil },
		},
	})
}

// world is what outlives the commands of one script.
type world struct {
	engine *dockertest.Engine
	image  cluster.NodeImage // nil: none
	input  string            // of the next command
	code   int
	cancel func() // of the command that runs
}

type worldKey struct{}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

func newWorld() (*world, error) {
	w := &world{engine: dockertest.New()}
	fakenode.Install(w.engine)
	image, err := newNodeImage(nodeImageRef)
	w.image = image
	return w, err
}

// close ends the programs of all containers, so that none listens on a port any more.
func (w *world) close() {
	for _, object := range w.engine.Objects() {
		if name, ok := strings.CutPrefix(object, "container "); ok {
			w.engine.Kill(name, 137)
		}
	}
}

// File is kit.Applier's: a file that holds the word "refused" is.
func (w *world) File(_ context.Context, file string, progress func(done, total int, next string)) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	progress(0, 1, "ConfigMap default/x")
	if strings.Contains(string(text), "refused") {
		return fmt.Errorf("%s, line 1: ConfigMap default/x: a policy says no", filepath.Base(file))
	}
	return nil
}

func cmdSkiff(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	w.cancel = func() { cancel(&fault.Error{Code: fault.Canceled, Summary: "cancelled"}) }
	input := w.input
	w.input = ""
	w.code = run(ctx, args, &kit.Deps{
		Streams: kit.Streams{In: strings.NewReader(input), Out: ts.Stdout(), Err: ts.Stderr()},
		Getenv:  ts.Getenv,
		Engine:  func(context.Context) (cluster.Engine, error) { return w.engine, nil },
		Image: func() (cluster.NodeImage, error) {
			if w.image == nil {
				return nil, &fault.Error{Code: fault.NoImage, Summary: "this skiff was built without a node image", Hint: "Build it with 'make build'."}
			}
			return w.image, nil
		},
		Applier:        func(*cluster.Credentials) (kit.Applier, error) { return w, nil },
		ReleaseSignals: func() {},
	})
	if neg != (w.code != 0) {
		ts.Fatalf("skiff %s: exit code %d", strings.Join(args, " "), w.code)
	}
}

func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := worldOf(ts).code; (got == want) == neg {
		ts.Fatalf("exit code %d", got)
	}
}

func cmdEngine(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	objects := w.engine.Objects()
	switch args[0] {
	case "empty":
		if (len(objects) == 0) == neg {
			ts.Fatalf("the engine has %q", objects)
		}
	case "has":
		if strings.Contains(strings.Join(objects, "\n")+"\n", strings.Join(args[1:], " ")+"\n") == neg {
			ts.Fatalf("the engine has %q", objects)
		}
	case "fail":
		w.engine.Fail(args[1], 0, &fault.Error{Code: fault.Code(args[2]), Summary: "the engine says no", Hint: "Ask it again."})
	case "interrupt":
		w.engine.Before(args[1], w.engine.Count(args[1])+1, func(context.Context) error { w.cancel(); return nil })
	case "put":
		path, content := ts.MkAbs(args[2]), ts.ReadFile(args[3])
		w.engine.Before(args[1], w.engine.Count(args[1])+1, func(context.Context) error { return os.WriteFile(path, []byte(content), 0o600) })
	case "remove":
		ts.Check(w.engine.RemoveContainer(context.Background(), args[1]))
	case "kill":
		w.engine.Kill(args[1], 137)
	case "broken":
		w.engine.OnStart(func(p *dockertest.Process) int {
			p.Emit(nodeapi.Event{Kind: nodeapi.EventFatal, Message: "no space for etcd"})
			return 1
		})
	case "image":
		w.engine.AddImage(cluster.Image{Tags: []string{args[1]}, Labels: new(nodeImage).Labels()})
	case "save":
		archive, err := newNodeImage(args[1])
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[2]), archive.archive, 0o600))
	default:
		ts.Fatalf("engine: unknown command %s", args[0])
	}
}

func cmdValidJSON(ts *testscript.TestScript, neg bool, args []string) {
	texts := []string{ts.ReadFile(args[len(args)-1])}
	if args[0] == "-lines" {
		texts = strings.Split(strings.TrimSpace(texts[0]), "\n")
	}
	for _, text := range texts {
		if json.Valid([]byte(text)) == neg {
			ts.Fatalf("valid JSON is %v: %s", neg, text)
		}
	}
}

// nodeImage is a node image that fakenode is the program of.
type nodeImage struct{ archive []byte }

const nodeImageRef = "skiff-node:0123456789ab"

func newNodeImage(ref string) (*nodeImage, error) {
	i := &nodeImage{}
	image, err := imagetar.New(imagetar.Config{Architecture: "amd64", Labels: i.Labels()})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = image.WriteArchive(&b, ref)
	i.archive = b.Bytes()
	return i, err
}

func (i *nodeImage) Ref() string { return nodeImageRef }

func (i *nodeImage) Labels() map[string]string {
	return map[string]string{nodeapi.LabelContract: nodeapi.ContractVersion, nodeapi.LabelKubernetes: "v1.37.2", nodeapi.LabelVersion: "v0.1.0",
		nodeapi.LabelVersions: `{"coredns":"v1.15.0","etcd":"v3.7.3","libmnl0":"1.0.4-3","runc":"v1.5.1"}`}
}

func (i *nodeImage) Size() int64          { return int64(len(i.archive)) }
func (i *nodeImage) Architecture() string { return "amd64" }

func (i *nodeImage) Open() (io.ReadCloser, error) {
	if len(i.archive) == 0 {
		return nil, errors.New("there is no archive")
	}
	return io.NopCloser(bytes.NewReader(i.archive)), nil
}
