package forward

import (
	"net"
	"sync"
	"syscall"
)

// link is one forwarded connection. upstream is nil until there is one, and set under the Forwarder's lock.
type link struct {
	client, upstream *net.TCPConn
	from             net.Listener
}

// relay passes data on in both directions until both have ended. The end of one is passed on as such, and leaves the
// other open: the request may have ended and the answer be still to come.
func (l *link) relay() {
	var back sync.WaitGroup
	back.Go(func() { l.direct(l.client, l.upstream) })
	l.direct(l.upstream, l.client)
	back.Wait()
	_ = l.client.Close()
	_ = l.upstream.Close()
}

// direct passes on one direction. If it breaks, so does the other.
func (l *link) direct(dst, src *net.TCPConn) {
	err := pump(dst, src)
	if err == nil {
		err = dst.CloseWrite()
	}
	if err != nil {
		l.abort()
	}
}

// abort ends the connection with a reset on both sides. The client must not take it for an orderly end: in a protocol
// without lengths half an answer would look like a whole one. The server's side must not linger: nobody is there to
// acknowledge its end.
func (l *link) abort() {
	if l.upstream == nil {
		return // its dial fails by itself, and another target is tried
	}
	reset(l.upstream)
	reset(l.client)
}

func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// bufferSize is how much is read at once, in bytes.
const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// pump copies src to dst until src ends, and holds a buffer only while there is something to copy. io.Copy would have
// the kernel do it (splice), which needs a pipe per direction for the whole life of a connection: four more file
// descriptors, and of the 64 MiB of pipes that a user without privileges may have on a host, 2 MiB. It is no faster
// (see BenchmarkThroughput).
func pump(dst, src *net.TCPConn) error {
	raw, err := src.SyscallConn()
	if err != nil {
		return err
	}
	var buffer *[bufferSize]byte
	var n int
	var readErr error
	read := func(fd uintptr) bool {
		if buffer == nil {
			buffer = buffers.Get().(*[bufferSize]byte)
		}
		for {
			n, readErr = syscall.Read(int(fd), buffer[:])
			if readErr != syscall.EINTR {
				break
			}
		}
		if readErr != syscall.EAGAIN {
			return true
		}
		buffers.Put(buffer)
		buffer = nil
		return false // wait until there is something
	}
	defer func() {
		if buffer != nil {
			buffers.Put(buffer)
		}
	}()
	for {
		if err := raw.Read(read); err != nil {
			return err
		}
		if readErr != nil || n == 0 {
			return readErr
		}
		if _, err := dst.Write(buffer[:n]); err != nil {
			return err
		}
	}
}
