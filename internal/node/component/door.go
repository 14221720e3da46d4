package component

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// Door is the API server's listener, with a side entrance for the components of the same node. What connects there
// waits until the door is opened, when the API server is ready: nobody is refused, gets half an answer, and comes
// back after a pause of seconds, as upstream's clients do. The kernel keeps the queue, so it costs nothing. A client
// whose patience ends earlier (client-go waits ten seconds for a handshake) has to come again.
type Door struct {
	main, side net.Listener
	accepted   chan acceptance
	opened     chan struct{}
	closed     chan struct{}
	openOnce   sync.Once
	closeOnce  sync.Once
}

type acceptance struct {
	conn net.Conn
	err  error
}

// OpenDoor listens where the components of a node look for the API server. It comes before all of them.
func OpenDoor(n *Node) (*Door, error) {
	side := ""
	if n.LocalAPIPort != 0 {
		side = fmt.Sprintf("127.0.0.1:%d", n.LocalAPIPort)
	}
	return newDoor(n.APIServer.String(), side)
}

// newDoor listens on two addresses. An empty side means that there is only the main one.
func newDoor(main, side string) (*Door, error) {
	d := &Door{accepted: make(chan acceptance), opened: make(chan struct{}), closed: make(chan struct{})}
	var err error
	if d.main, err = net.Listen("tcp", main); err != nil {
		return nil, err
	}
	go d.serve(d.main)
	if side == "" {
		return d, nil
	}
	if d.side, err = net.Listen("tcp", side); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	go func() {
		select {
		case <-d.opened:
			d.serve(d.side)
		case <-d.closed:
		}
	}()
	return d, nil
}

// open lets in who waits at the side entrance.
func (d *Door) open() { d.openOnce.Do(func() { close(d.opened) }) }

// serve passes on what connects to one of the listeners.
func (d *Door) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		select {
		case d.accepted <- acceptance{conn, err}:
		case <-d.closed:
			if conn != nil {
				_ = conn.Close()
			}
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// Accept implements net.Listener.
func (d *Door) Accept() (net.Conn, error) {
	select {
	case a := <-d.accepted:
		return a.conn, a.err
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener: the main address.
func (d *Door) Addr() net.Addr { return d.main.Addr() }

// Close implements net.Listener.
func (d *Door) Close() error {
	var err error
	d.closeOnce.Do(func() {
		close(d.closed)
		err = d.main.Close()
		if d.side != nil {
			err = errors.Join(err, d.side.Close())
		}
	})
	return err
}
