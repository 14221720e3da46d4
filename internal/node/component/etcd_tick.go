package component

import (
	"reflect"
	"time"
	"unsafe"

	"go.etcd.io/etcd/server/v3/embed"
)

// A member that is alone elects itself after one to two election timeouts of ten ticks: 0.1 s with a fast
// tick, 1 s and more with the usual one. Every tick is a wake-up, though, so the fast one costs an idle
// node 1 % of a core for nothing.
const (
	fastTickMs = 10
	slowTickMs = 100 // etcd's default
)

// slowTicks sets the interval of the ticker that drives raft in a running server. etcd reads the interval
// from its configuration once and has no way to change it, so this reaches for the ticker, which
// time.Ticker allows to be reset while it is in use. If a new release keeps it elsewhere, the fast tick
// stays, and TestSlowTicks fails.
func slowTicks(server *embed.Etcd, interval time.Duration) bool {
	field := reflect.ValueOf(server.Server).Elem().FieldByName("r")
	if !field.IsValid() {
		return false
	}
	field = field.FieldByName("ticker")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*time.Ticker]() {
		return false
	}
	ticker := *(**time.Ticker)(unsafe.Pointer(field.UnsafeAddr()))
	if ticker == nil {
		return false
	}
	ticker.Reset(interval)
	return true
}
