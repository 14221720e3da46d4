package kubernetes

import (
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	"gopkg.in/natefinch/lumberjack.v2"
	"k8s.io/klog/v2/textlogger"

	"github.com/skiff-cluster/skiff/internal/node/component"
	"github.com/skiff-cluster/skiff/internal/node/supervise"
)

// processLog is where lines go of which nobody knows the component.
const processLog = "kubernetes"

// logRouter sorts the log lines of this process by component. All upstream code logs through the one klog, or through
// the standard library's one logger, so the component is found on the stack of the caller: the first package that
// belongs to one. What we say ourselves on behalf of a component names it ([component.Logger]).
type logRouter struct {
	dir string
	// rings returns a component's ring of last lines, nil if there is none. It is set when there are components.
	rings atomic.Pointer[func(component string) *supervise.LogRing]

	mu      sync.Mutex
	writers map[string]io.Writer
	sinks   map[string]logr.LogSink
}

func newLogRouter(dir string) *logRouter {
	return &logRouter{dir: dir, writers: map[string]io.Writer{}, sinks: map[string]logr.LogSink{}}
}

// Logger is the logger to be given to klog.
func (r *logRouter) Logger() logr.Logger { return logr.New(&routedSink{router: r}) }

// Writer returns where a component's lines go: its log file, and its ring of last lines.
func (r *logRouter) Writer(name string) io.Writer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.writer(name)
}

func (r *logRouter) writer(name string) io.Writer {
	w, ok := r.writers[name]
	if !ok {
		file := &lumberjack.Logger{Filename: logFile(r.dir, name), MaxSize: 10, MaxBackups: 1}
		w = &tee{file: file, ring: func() *supervise.LogRing {
			rings := r.rings.Load()
			if rings == nil {
				return nil
			}
			return (*rings)(name)
		}}
		r.writers[name] = w
	}
	return w
}

func (r *logRouter) sink(name string) logr.LogSink {
	r.mu.Lock()
	defer r.mu.Unlock()
	sink, ok := r.sinks[name]
	if !ok {
		sink = textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(r.writer(name)))).GetSink()
		r.sinks[name] = sink
	}
	return sink
}

// Standard is where the standard library's logger is to write, which CoreDNS uses. Lines of which nobody knows the
// component stay on the error stream, whose reader is PID 1.
func (r *logRouter) Standard() io.Writer { return standardLog{r} }

type standardLog struct{ router *logRouter }

func (s standardLog) Write(p []byte) (int, error) {
	name := callingComponent()
	if name == processLog {
		return os.Stderr.Write(p)
	}
	return s.router.Writer(name).Write(p)
}

// tee writes to a file and, if there is one, to a ring.
type tee struct {
	file io.Writer
	ring func() *supervise.LogRing
}

func (t *tee) Write(p []byte) (int, error) {
	if ring := t.ring(); ring != nil {
		_, _ = ring.Write(p) // never fails
	}
	return t.file.Write(p)
}

// routedSink is a logr.LogSink that chooses the component's sink for each line.
type routedSink struct {
	router *logRouter
	depth  int
	names  []string
	values []any
}

var _ logr.CallDepthLogSink = (*routedSink)(nil)

// Init does nothing: the components' sinks know the depth of logr's own frames, and s.depth counts what comes on top.
func (s *routedSink) Init(logr.RuntimeInfo) {}

// Enabled is klog's verbosity 0: what upstream shows unless asked for more.
func (s *routedSink) Enabled(level int) bool { return level <= 0 }

func (s *routedSink) Info(level int, msg string, keysAndValues ...any) {
	s.target().Info(level, msg, keysAndValues...)
}

func (s *routedSink) Error(err error, msg string, keysAndValues ...any) {
	s.target().Error(err, msg, keysAndValues...)
}

func (s *routedSink) WithValues(keysAndValues ...any) logr.LogSink {
	c := *s
	c.values = append(append([]any(nil), s.values...), keysAndValues...)
	return &c
}

func (s *routedSink) WithName(name string) logr.LogSink {
	c := *s
	c.names = append(append([]string(nil), s.names...), name)
	return &c
}

func (s *routedSink) WithCallDepth(depth int) logr.LogSink {
	c := *s
	c.depth += depth
	return &c
}

// target is the sink of the component that logs, with this sink's names, values and call depth.
func (s *routedSink) target() logr.LogSink {
	names := s.names
	var sink logr.LogSink
	if len(names) > 0 && slices.Contains(component.Speakers, names[0]) {
		sink, names = s.router.sink(names[0]), names[1:]
	} else {
		sink = s.router.sink(callingComponent())
	}
	if c, ok := sink.(logr.CallDepthLogSink); ok {
		sink = c.WithCallDepth(s.depth + 1) // this sink is one frame
	}
	for _, name := range names {
		sink = sink.WithName(name)
	}
	if len(s.values) > 0 {
		sink = sink.WithValues(s.values...)
	}
	return sink
}

// packageOwners maps the beginning of a function's full name to the component it belongs to. Shared
// libraries (client-go, component-base, and apiserver's, with which others serve too) belong to nobody: the search
// goes on at their caller.
var packageOwners = []struct{ prefix, component string }{
	{"k8s.io/kubernetes/cmd/kube-apiserver", component.NameAPIServer},
	{"k8s.io/kubernetes/pkg/controlplane", component.NameAPIServer},
	{"k8s.io/kubernetes/pkg/kubeapiserver", component.NameAPIServer},
	{"k8s.io/kubernetes/pkg/registry", component.NameAPIServer},
	{"k8s.io/kube-aggregator", component.NameAPIServer},
	{"k8s.io/apiextensions-apiserver", component.NameAPIServer},
	{"k8s.io/kubernetes/cmd/kube-controller-manager", component.NameControllerManager},
	{"k8s.io/kubernetes/pkg/controller", component.NameControllerManager},
	{"k8s.io/controller-manager", component.NameControllerManager},
	{"k8s.io/kubernetes/cmd/kube-scheduler", component.NameScheduler},
	{"k8s.io/kubernetes/pkg/scheduler", component.NameScheduler},
	{"k8s.io/kubernetes/cmd/kubelet", component.NameKubelet},
	{"k8s.io/kubernetes/pkg/kubelet", component.NameKubelet},
	{"k8s.io/kubernetes/pkg/volume", component.NameKubelet},
	{"github.com/google/cadvisor", component.NameKubelet},
	{"k8s.io/kubernetes/third_party/forked/cadvisor", component.NameKubelet},
	{"k8s.io/cri-client", component.NameKubelet},
	{"k8s.io/kubernetes/cmd/kube-proxy", component.NameKubeProxy},
	{"k8s.io/kubernetes/pkg/proxy", component.NameKubeProxy},
	{"github.com/coredns", component.NameDNS},
}

// servingPackage begins the names of what all components serve with. A goroutine of it that none of them is seen
// on is the API server's, which has most of them.
const servingPackage = "k8s.io/apiserver/pkg/"

// callingComponent finds the component that the current goroutine works for.
func callingComponent() string {
	var pcs [48]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	fallback := processLog
	for {
		frame, more := frames.Next()
		for _, owner := range packageOwners {
			if strings.HasPrefix(frame.Function, owner.prefix) {
				return owner.component
			}
		}
		if strings.HasPrefix(frame.Function, servingPackage) {
			fallback = component.NameAPIServer
		}
		if !more {
			return fallback
		}
	}
}
