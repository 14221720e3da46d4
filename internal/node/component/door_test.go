package component

import (
	"errors"
	"net"
	"testing"
	"time"
)

// TestDoor connects to both entrances before the door is open, and once more after it was closed.
func TestDoor(t *testing.T) {
	d, err := newDoor("127.0.0.1:0", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	greet := func(l net.Listener, word string) {
		t.Helper()
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := conn.Write([]byte(word)); err != nil {
			t.Fatal(err)
		}
	}
	hear := func() string {
		t.Helper()
		conn, err := d.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		buf := make([]byte, 4)
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(buf); err != nil {
			t.Fatal(err)
		}
		return string(buf)
	}
	greet(d.side, "side") // is not refused, and not heard yet
	greet(d.main, "main")
	if got := hear(); got != "main" {
		t.Errorf("heard %q at a closed door", got)
	}
	d.open()
	d.open()
	if got := hear(); got != "side" {
		t.Errorf("heard %q at an open door", got)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed door: %v", err)
	}
	for _, l := range []net.Listener{d.main, d.side} {
		if conn, err := net.Dial("tcp", l.Addr().String()); err == nil {
			_ = conn.Close()
			t.Errorf("%s still listens", l.Addr())
		}
	}
}

func TestDoorBusy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := newDoor("127.0.0.1:0", l.Addr().String()); err == nil {
		t.Error("shares a port that another listens on")
	}
}
