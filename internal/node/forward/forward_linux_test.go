package forward

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// fast is for tests whose faults are real. What depends on the machine's speed has a second.
var fast = Timing{
	Period: 50 * time.Millisecond, Idle: 100 * time.Millisecond, Quick: 10 * time.Millisecond,
	Check: time.Second, Dial: time.Second, Resolve: 50 * time.Millisecond, Drain: time.Minute, Grace: 10 * time.Millisecond,
}

// front is a Forwarder that serves.
type front struct {
	*Forwarder
	*history
	address string
	// stop ends Serve, and fails the test if it leaves anything behind.
	stop func()
}

// serve starts a Forwarder over targets, and waits until each was checked once.
func serve(t testing.TB, config Config, targets ...Target) *front {
	t.Helper()
	h := newHistory()
	config.OnChange, config.Log = h.add, quiet
	if config.Timing == (Timing{}) {
		config.Timing = fast
	}
	f := &front{Forwarder: New(config), history: h}
	f.SetTargets(targets)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	fronts.Add(1)
	go func() { ended <- f.Serve(ctx, l) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if fronts.Add(-1) == 0 {
			noneLeft(t)
		}
	})
	t.Cleanup(f.stop)
	return f
}

// fronts is how many serve now: a test may have one inside another.
var fronts atomic.Int32

// noneLeft fails if a goroutine runs code of a Forwarder.
func noneLeft(t testing.TB) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		for line := range strings.SplitSeq(stack, "\n") {
			for _, part := range []string{"forward.(*Forwarder).", "forward.(*target).", "forward.(*link).", "forward.pump"} {
				if strings.Contains(line, part) && !strings.HasPrefix(line, "created by") {
					t.Errorf("left behind:\n%s", stack)
				}
			}
		}
	}
}

// echo serves connections at a gate, with its name and then with whatever comes, until the client's end.
func echo(t testing.TB, name, address string) *gate {
	t.Helper()
	g := listen(t, address)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := g.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				if _, err := io.WriteString(conn, name); err == nil {
					_, _ = io.Copy(conn, struct{ io.Reader }{conn})
				}
			})
		}
	})
	t.Cleanup(func() { g.thaw(); g.kill(); serving.Wait() })
	return g
}

// client is a connection to a front.
type client struct {
	*net.TCPConn
	t testing.TB
}

// connect connects, and does not wait for anything.
func connect(t testing.TB, address string) client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return client{conn.(*net.TCPConn), t}
}

// hear wants to read exactly that.
func (c client) hear(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		c.t.Fatalf("heard %q, %v; want %q", got[:n], err, want)
	}
}

// says wants it to be echoed.
func (c client) says(word string) {
	c.t.Helper()
	if _, err := io.WriteString(c, word); err != nil {
		c.t.Fatal(err)
	}
	c.hear(word)
}

// ends waits for the end of the connection, wants it to be a reset or not, and returns what came before.
func (c client) ends(reset bool) string {
	c.t.Helper()
	rest, err := io.ReadAll(c)
	if errors.Is(err, syscall.ECONNRESET) != reset || !reset && err != nil {
		c.t.Fatalf("ended with %v, want a reset: %t", err, reset)
	}
	return string(rest)
}

// nobody wants a new connection to be reset, be it while it is being made.
func nobody(t testing.TB, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err == nil {
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, err = conn.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
}

func TestRelay(t *testing.T) {
	a := echo(t, "a", "127.0.0.1:0")
	f := serve(t, Config{}, Target{"a", a.address()})
	f.await(t, "a", StateHealthy)

	t.Run("half close", func(t *testing.T) {
		c := connect(t, f.address)
		c.hear("a")
		if _, err := io.WriteString(c, "last words"); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := c.ends(false); got != "last words" {
			t.Errorf("heard %q after the end", got)
		}
	})
	t.Run("much", func(t *testing.T) {
		c := connect(t, f.address)
		c.hear("a")
		much := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
		go func() {
			_, _ = c.Write(much)
			_ = c.CloseWrite()
		}()
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, much) {
			t.Errorf("%d of %d bytes came back, %v", len(got), len(much), err)
		}
	})
	t.Run("a reset stays a reset", func(t *testing.T) {
		c := connect(t, f.address)
		c.hear("a")
		a.mu.Lock()
		for conn := range a.conns {
			reset(conn.TCPConn)
		}
		a.mu.Unlock()
		c.ends(true)
	})
	t.Run("a client's reset too", func(t *testing.T) {
		raw := listen(t, "127.0.0.1:0")
		f := serve(t, Config{Check: fakeHealthy}, Target{"raw", raw.address()})
		c := connect(t, f.address)
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Fatal(err)
		}
		conn, err := raw.Accept()
		if err != nil {
			t.Fatal(err)
		}
		server := client{conn.(*gated).TCPConn, t}
		server.hear("x")
		reset(c.TCPConn)
		server.ends(true)
	})
}

type alwaysHealthy struct{}

func (alwaysHealthy) Check(context.Context) error { return nil }
func (alwaysHealthy) Close()                      {}

func fakeHealthy(Dial) Check { return alwaysHealthy{} }

// TestDialsTheNext has all but one of the targets unreachable in different ways, although their checks succeed.
func TestDialsTheNext(t *testing.T) {
	refusing := listen(t, "127.0.0.1:0")
	refusing.kill()
	cut := listen(t, "127.0.0.1:0")
	cut.cut(t, true)
	good := echo(t, "good", "127.0.0.1:0")
	lookUp := func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") }
	timing := fast
	timing.Dial = 200 * time.Millisecond
	timing.Quick, timing.Idle, timing.Period = time.Hour, time.Hour, time.Hour // one check, at the beginning
	f := serve(t, Config{Check: fakeHealthy, Resolve: lookUp, Timing: timing},
		Target{"refusing", refusing.address()}, Target{"cut", cut.address()}, Target{"nowhere", "nowhere:1"},
		Target{"badly written", "127.0.0.1"}, Target{"good", good.address()})
	for _, name := range []string{"refusing", "cut", "nowhere", "badly written", "good"} {
		f.await(t, name, StateHealthy)
	}
	connect(t, f.address).hear("good")
	for i, want := range []string{"connection refused", "i/o timeout", "no such host", "missing port", ""} {
		h := f.Health()[i]
		if (h.State == StateDown) != (want != "") || !strings.Contains(h.LastError, want) {
			t.Errorf("%+v, want %q", h, want)
		}
	}
	// Nobody asks those again as long as there is a good one.
	start := time.Now()
	for range 20 {
		connect(t, f.address).hear("good")
	}
	if took := time.Since(start); took >= 20*timing.Dial {
		t.Errorf("20 connections took %v", took)
	}
	good.kill()
	nobody(t, f.address)
}

// TestAllDown has only a server that says it is not ready: better than none.
func TestAllDown(t *testing.T) {
	a := startServer(t, "a", "127.0.0.1:0")
	a.notReady.Store(true)
	_, roots := certificate()
	f := serve(t, Config{Check: HTTPS("/readyz", "example.com", roots)}, Target{"a", a.address()})
	f.await(t, "a", StateDown)
	if body, err := get(newClient(), f.address); err != nil || body != "a" {
		t.Errorf("%q, %v", body, err)
	}
	a.notReady.Store(false)
	f.await(t, "a", StateHealthy)
}

// TestSilence has a server with a connection fall silent.
func TestSilence(t *testing.T) {
	_, roots := certificate()
	check := HTTPS("/readyz", "example.com", roots)
	for _, tc := range []struct {
		name        string
		quiet, loud func(t *testing.T, s *server)
	}{
		{"frozen", func(_ *testing.T, s *server) { s.freeze() }, func(_ *testing.T, s *server) { s.thaw() }},
		{"cut off", func(t *testing.T, s *server) { s.cut(t, true) }, func(t *testing.T, s *server) { s.cut(t, false) }},
	} {
		t.Run(tc.name+", with another server", func(t *testing.T) {
			a := startServer(t, "a", "127.0.0.1:0")
			f := serve(t, Config{Check: check}, Target{"a", a.address()})
			c := connect(t, f.address)
			f.await(t, "a", StateHealthy)
			b := startServer(t, "b", "127.0.0.1:0")
			f.SetTargets([]Target{{"a", a.address()}, {"b", b.address()}})
			f.await(t, "b", StateHealthy)
			tc.quiet(t, a)
			c.ends(true)
			f.await(t, "a", StateDown)
			tc.loud(t, a)
			f.await(t, "a", StateHealthy)
		})
		t.Run(tc.name+", alone", func(t *testing.T) {
			a := startServer(t, "a", "127.0.0.1:0")
			timing := fast
			timing.Check, timing.Dial = 100*time.Millisecond, 100*time.Millisecond
			f := serve(t, Config{Check: check, Timing: timing}, Target{"a", a.address()})
			f.await(t, "a", StateHealthy)
			c := connect(t, f.address)
			for accepted := 0; accepted < 2; { // that of the check, and the client's
				a.mu.Lock()
				accepted = a.accepted
				a.mu.Unlock()
				runtime.Gosched()
			}
			tc.quiet(t, a)
			f.await(t, "a", StateDown)
			for failures := 0; failures < 4; { // more than it takes
				f.Forwarder.mu.Lock()
				failures = f.targets[0].failures
				f.Forwarder.mu.Unlock()
				runtime.Gosched()
			}
			tc.loud(t, a)
			// Plain HTTP gets a plain answer, over the connection from before.
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			c.hear("HTTP/1.0 400 ")
		})
	}
}

// TestFrozenIsLeftInPeace has a server from the beginning whose kernel takes connections, and which does not answer:
// that is no reason to look again soon.
func TestFrozenIsLeftInPeace(t *testing.T) {
	frozen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	_, roots := certificate()
	f := New(Config{Log: quiet, Check: HTTPS("/readyz", "example.com", roots), Timing: Timing{Check: time.Millisecond, Quick: 20 * time.Millisecond}})
	f.SetTargets([]Target{{"a", frozen.Addr().String()}})
	began := time.Now()
	f.begin()
	defer f.end()
	for failures := 0; failures < 5; time.Sleep(time.Millisecond) {
		f.mu.Lock()
		failures = f.targets[0].failures
		f.mu.Unlock()
	}
	if took, least := time.Since(began), (20+40+80+160)*time.Millisecond; took < least {
		t.Errorf("the fifth check ended after %s; it should not have begun before %s", took, least)
	}
}

// dialingCheck is a check whose dial is not answered.
type dialingCheck struct{ t *target }

func (c dialingCheck) Check(context.Context) error {
	c.t.dialed(os.ErrDeadlineExceeded)
	return os.ErrDeadlineExceeded
}

func (dialingCheck) Close() {}

// TestSilenceIsConfirmed has a dial that is not answered put a healthy target down, but not end its connections: that
// takes a second check.
func TestSilenceIsConfirmed(t *testing.T) {
	server := listen(t, "127.0.0.1:0")
	f := New(Config{Log: quiet})
	f.SetTargets([]Target{{Name: "a"}, {Name: "b"}})
	a, b := f.targets[0], f.targets[1]
	a.state, b.state = StateHealthy, StateHealthy
	l := &link{client: connect(t, server.address()).TCPConn, upstream: connect(t, server.address()).TCPConn}
	a.links[l] = struct{}{}
	for _, want := range []error{nil, net.ErrClosed} {
		a.check(t.Context(), dialingCheck{a})
		if a.state != StateDown {
			t.Errorf("is %s", a.state)
		}
		if _, err := l.client.Write([]byte("x")); !errors.Is(err, want) {
			t.Errorf("the connection: %v, want %v", err, want)
		}
	}
}

// TestLost has a connection whose server's address is gone, while the target is healthy (at another address), and one
// whose reader pauses, which is no reason to end it.
func TestLost(t *testing.T) {
	raw := listen(t, "127.0.0.1:0")
	f := serve(t, Config{Check: fakeHealthy, lost: 3}, Target{"raw", raw.address()})
	accept := func(c client) client {
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Fatal(err)
		}
		conn, err := raw.Accept()
		if err != nil {
			t.Fatal(err)
		}
		s := client{conn.(*gated).TCPConn, t}
		s.hear("x")
		return s
	}
	lost := connect(t, f.address)
	accept(lost)
	raw.cut(t, true) // that connection
	raw.mu.Lock()
	clear(raw.conns)
	raw.mu.Unlock()
	raw.cut(t, false) // not those to come
	paused := connect(t, f.address)
	reader := accept(paused)
	sent := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(paused, io.LimitReader(zeros{}, 64<<20))
		_ = paused.CloseWrite()
		sent <- n
	}()
	if _, err := io.WriteString(lost, "is anybody there?"); err != nil {
		t.Fatal(err)
	}
	lost.ends(true)
	if n, err := io.Copy(io.Discard, reader); err != nil || n != <-sent {
		t.Errorf("the paused reader got %d bytes, %v", n, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestTargetsChange(t *testing.T) {
	a, b := echo(t, "a", "127.0.0.1:0"), echo(t, "b", "127.0.0.1:0")
	ta, tb := Target{"a", a.address()}, Target{"b", b.address()}
	timing := fast
	f := serve(t, Config{Timing: timing}, ta)
	f.await(t, "a", StateHealthy)
	old := connect(t, f.address)
	old.hear("a")
	f.SetTargets([]Target{tb})
	f.await(t, "b", StateHealthy)
	old.says("still there")
	connect(t, f.address).hear("b")
	if h := f.Health(); len(h) != 2 || h[0].Name != "b" || h[1].State != StateDraining || h[1].Connections != 1 {
		t.Errorf("%+v", h)
	}
	_ = old.CloseWrite()
	old.ends(false)
	f.await(t, "a", StateRemoved)

	t.Run("time to drain is over", func(t *testing.T) {
		timing.Drain = 50 * time.Millisecond
		f := serve(t, Config{Timing: timing}, ta)
		f.await(t, "a", StateHealthy)
		old := connect(t, f.address)
		old.hear("a")
		f.SetTargets(nil)
		old.ends(true)
		f.await(t, "a", StateRemoved)
		if h := f.Health(); len(h) != 0 {
			t.Errorf("%+v", h)
		}
		nobody(t, f.address)
	})
}

// TestNames has a name that moves to another address, and a resolver that fails in several ways.
func TestNames(t *testing.T) {
	one := echo(t, "one", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(one.address())
	echo(t, "two", "127.0.0.2:"+port)
	var mu sync.Mutex
	asked := 0
	answer := func(context.Context) ([]netip.Addr, error) { return nil, errors.New("not yet") }
	resolver := func(a func(context.Context) ([]netip.Addr, error)) (before int) {
		mu.Lock()
		defer mu.Unlock()
		answer = a
		return asked
	}
	addresses := func(all ...string) func(context.Context) ([]netip.Addr, error) {
		var list []netip.Addr
		for _, a := range all {
			list = append(list, netip.MustParseAddr(a))
		}
		return func(context.Context) ([]netip.Addr, error) { return list, nil }
	}
	timing := fast
	timing.Idle = time.Hour // until it is asked again
	f := serve(t, Config{
		Timing: timing,
		Check:  fakeHealthy, // so that only clients dial
		Resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
			if host != "server" {
				t.Errorf("asked for %q", host)
			}
			mu.Lock()
			asked++
			a := answer
			mu.Unlock()
			return a(ctx)
		},
	}, Target{"a", "server:" + port})
	f.await(t, "a", StateHealthy)

	nobody(t, f.address) // not known yet
	resolver(addresses("127.0.0.1"))
	connect(t, f.address).hear("one")
	resolver(addresses("127.0.0.2"))
	connect(t, f.address).hear("two")
	resolver(func(context.Context) ([]netip.Addr, error) { return nil, errors.New("no such host") })
	connect(t, f.address).hear("two")
	resolver(addresses())
	connect(t, f.address).hear("two")
	resolver(addresses("127.0.0.3", "127.0.0.1")) // nobody listens at the first
	connect(t, f.address).hear("one")
	before := resolver(func(ctx context.Context) ([]netip.Addr, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	for range 10 {
		connect(t, f.address).hear("one")
	}
	mu.Lock()
	defer mu.Unlock()
	if asked != before+1 {
		t.Errorf("a resolver that hangs was asked %d times by ten connections", asked-before)
	}
}

func TestStop(t *testing.T) {
	a := echo(t, "a", "127.0.0.1:0")
	timing := fast
	t.Run("in order", func(t *testing.T) {
		timing.Grace = time.Minute
		f := serve(t, Config{Timing: timing}, Target{"a", a.address()})
		c := connect(t, f.address)
		c.hear("a")
		stopped := make(chan struct{})
		go func() { f.stop(); close(stopped) }()
		for { // until it listens no longer, of which nobody tells
			conn, err := net.Dial("tcp", f.address)
			if err != nil {
				break
			}
			_ = conn.Close()
		}
		c.says("not done yet")
		_ = c.CloseWrite()
		c.ends(false)
		<-stopped
	})
	t.Run("no longer than the grace time", func(t *testing.T) {
		timing.Grace = 50 * time.Millisecond
		f := serve(t, Config{Timing: timing}, Target{"a", a.address()})
		c := connect(t, f.address)
		c.hear("a")
		f.stop()
		c.ends(true)
		if h := f.Health(); h[0].Connections != 0 {
			t.Errorf("%+v", h)
		}
	})
	t.Run("while a connection is being made", func(t *testing.T) {
		conn := connect(t, a.address())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l := &link{}
		if New(Config{Log: quiet}).establish(ctx, l, conn.TCPConn) || l.upstream != nil {
			t.Error("is established after the end")
		}
		if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("stays open: %v", err)
		}
	})
	t.Run("and serves again, at two addresses", func(t *testing.T) {
		f := New(Config{Log: quiet})
		f.SetTargets([]Target{{"a", a.address()}})
		for range 2 {
			ctx, cancel := context.WithCancel(t.Context())
			var serving sync.WaitGroup
			for range 2 {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				serving.Go(func() {
					if err := f.Serve(ctx, l); err != nil {
						t.Error(err)
					}
				})
				c := connect(t, l.Addr().String())
				c.hear("a")
				_ = c.Close()
			}
			cancel()
			serving.Wait()
			noneLeft(t)
		}
	})
	t.Run("when the listener fails", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if err := New(Config{Log: quiet}).Serve(t.Context(), l); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
		noneLeft(t)
	})
}

// TestLimit has a third client wait for one of two to leave.
func TestLimit(t *testing.T) {
	a := echo(t, "a", "127.0.0.1:0")
	f := serve(t, Config{Limit: 2, Check: fakeHealthy}, Target{"a", a.address()})
	first, second := connect(t, f.address), connect(t, f.address)
	first.hear("a")
	second.hear("a")
	third := connect(t, f.address)
	for !f.full.Load() {
		runtime.Gosched()
	}
	if a.accepted != 2 {
		t.Errorf("%d connections beyond a limit of 2", a.accepted)
	}
	second.says("undisturbed")
	_ = first.Close()
	third.hear("a")
	fourth := connect(t, f.address)
	f.stop() // although it waits
	fourth.ends(true)
}

// TestDependencies keeps this out of PID 1's way: it is part of a program that is small on purpose.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		switch dep {
		case "golang.org/x/sys/unix", "github.com/skiff-cluster/skiff/internal/node/forward", "github.com/skiff-cluster/skiff/internal/nodeapi":
		default:
			t.Errorf("depends on %s", dep)
		}
	}
}
