package dockertest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// rule is something that a test wants to happen at a call.
type rule struct {
	method string
	n      int // 1 is the first call of the method since the engine was made, 0 every one
	after  bool
	call   string // if not "", only calls that [Engine.Calls] names so
	f      func(context.Context) error
}

// Before runs f at the n-th call of a method of cluster.Engine (0: at every one), before anything is done. If f
// returns an error, nothing is done and the call returns it.
func (e *Engine) Before(method string, n int, f func(context.Context) error) {
	e.addRule(rule{method: method, n: n, f: f})
}

// After runs f at the n-th call of a method (0: at every one), when everything was done. If f returns an error,
// the call returns it although its work is done: an answer that was lost.
func (e *Engine) After(method string, n int, f func(context.Context) error) {
	e.addRule(rule{method: method, n: n, after: true, f: f})
}

// Fail lets the n-th call of a method (0: every one) do nothing and return err.
func (e *Engine) Fail(method string, n int, err error) {
	e.Before(method, n, func(context.Context) error { return err })
}

// FailOn lets the next call that [Engine.Calls] names so, as "StartContainer a", do nothing and return err.
func (e *Engine) FailOn(call string, err error) {
	method, _, _ := strings.Cut(call, " ")
	failed := false // guarded by mu
	e.addRule(rule{method: method, call: call, f: func(context.Context) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		if failed {
			return nil
		}
		failed = true
		return err
	}})
}

// Block holds the n-th call of a method (0: every one), before anything is done, until it is released or the
// call's context ends.
func (e *Engine) Block(method string, n int) *Barrier {
	b := &Barrier{reached: make(chan struct{}), released: make(chan struct{})}
	e.Before(method, n, func(ctx context.Context) error {
		b.reachedOnce.Do(func() { close(b.reached) })
		select {
		case <-b.released:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", method, context.Cause(ctx))
		}
	})
	return b
}

// Barrier holds calls back; see [Engine.Block].
type Barrier struct {
	reached, released         chan struct{}
	reachedOnce, releasedOnce sync.Once
}

// Reached is closed when the first call arrives.
func (b *Barrier) Reached() <-chan struct{} { return b.reached }

// Release lets this and all later calls pass.
func (b *Barrier) Release() { b.releasedOnce.Do(func() { close(b.released) }) }

// Calls returns every call so far, in order: the method and what it was called on, as "StartContainer a".
func (e *Engine) Calls() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

// Count says how often a method was called.
func (e *Engine) Count(method string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts[method]
}

// addRule panics for a method that the engine does not have: the rule would never apply, and the test with it
// would prove nothing.
func (e *Engine) addRule(r rule) {
	if _, ok := reflect.TypeFor[cluster.Engine]().MethodByName(r.method); !ok {
		panic("dockertest: cluster.Engine has no method " + r.method)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rules = append(e.rules, r)
}

// matching returns what is to be run at a call. The caller holds mu.
func (e *Engine) matching(method, call string, n int, after bool) []func(context.Context) error {
	var fs []func(context.Context) error
	for _, r := range e.rules {
		if r.method == method && r.after == after && (r.call == "" || r.call == call) && (r.n == 0 || r.n == n) {
			fs = append(fs, r.f)
		}
	}
	return fs
}
