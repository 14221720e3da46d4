package forward

import (
	"io"
	"net"
	"os"
	"runtime"
	"testing"
)

// through runs a benchmark without and with a Forwarder between client and server, and with io.Copy (which is splice)
// in its place, for comparison.
func through(b *testing.B, run func(b *testing.B, address string), serveConn func(net.Conn)) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveConn(conn)
		}
	}()
	b.Run("direct", func(b *testing.B) { run(b, l.Addr().String()) })
	b.Run("forwarded", func(b *testing.B) {
		timing := Timing{Period: 1 << 40, Idle: 1 << 40}
		f := serve(b, Config{Check: fakeHealthy, Timing: timing}, Target{"a", l.Addr().String()})
		f.await(b, "a", StateHealthy)
		run(b, f.address)
		f.stop()
	})
	b.Run("spliced", func(b *testing.B) { run(b, splice(b, l.Addr().String())) })
}

// splice is the simplest forwarder there is.
func splice(b *testing.B, to string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				upstream, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				go func() {
					_, _ = io.Copy(client, upstream)
					_ = client.Close()
				}()
				_, _ = io.Copy(upstream, client)
				_ = upstream.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// BenchmarkThroughput sends as fast as it goes, in one direction over one connection.
func BenchmarkThroughput(b *testing.B) {
	through(b, func(b *testing.B, address string) {
		c := connect(b, address)
		chunk := make([]byte, 1<<20)
		b.SetBytes(int64(len(chunk)))
		for b.Loop() {
			if _, err := c.Write(chunk); err != nil {
				b.Fatal(err)
			}
		}
		_ = c.Close()
	}, func(conn net.Conn) {
		defer conn.Close()
		buffer := make([]byte, 256<<10)
		for {
			if _, err := conn.Read(buffer); err != nil {
				return
			}
		}
	})
}

func echoConn(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, 1024)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		_, _ = conn.Write(buffer[:n])
	}
}

// BenchmarkRoundTrip sends 400 bytes and waits for them, over one connection.
func BenchmarkRoundTrip(b *testing.B) {
	through(b, func(b *testing.B, address string) {
		c := connect(b, address)
		word := make([]byte, 400)
		for b.Loop() {
			_, _ = c.Write(word)
			if _, err := io.ReadFull(c, word); err != nil {
				b.Fatal(err)
			}
		}
		_ = c.Close()
	}, echoConn)
}

// BenchmarkConnect makes a connection, sends a byte, waits for it, and hangs up.
func BenchmarkConnect(b *testing.B) {
	through(b, func(b *testing.B, address string) {
		word := make([]byte, 1)
		for b.Loop() {
			c, err := net.Dial("tcp", address)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = c.Write(word)
			if _, err := io.ReadFull(c, word); err != nil {
				b.Fatal(err)
			}
			reset(c.(*net.TCPConn)) // or the test runs out of ports
		}
	}, echoConn)
}

// BenchmarkIdle reports what an idle connection costs: memory of the Go runtime, and file descriptors. Client and
// server are in the same process: what "direct" has is theirs.
func BenchmarkIdle(b *testing.B) {
	through(b, func(b *testing.B, address string) {
		const n = 500
		for b.Loop() {
			memory, files := usage()
			var clients []net.Conn
			word := make([]byte, 400)
			for range n {
				c, err := net.Dial("tcp", address)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = c.Write(word)
				if _, err := io.ReadFull(c, word); err != nil {
					b.Fatal(err)
				}
				clients = append(clients, c)
			}
			after, filesAfter := usage()
			b.ReportMetric(float64(after-memory)/n, "bytes/conn")
			b.ReportMetric(float64(filesAfter-files)/n, "files/conn")
			for _, c := range clients {
				reset(c.(*net.TCPConn))
			}
		}
	}, echoConn)
}

func usage() (memory int64, files int) {
	runtime.GC()
	runtime.GC() // the pools' second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	list, _ := os.ReadDir("/proc/self/fd")
	return int64(m.HeapAlloc + m.StackInuse), len(list)
}
