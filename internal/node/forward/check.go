package forward

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Check is the health check of one target. Its methods are called by one goroutine.
type Check interface {
	// Check looks once. It returns soon after ctx ended, which also limits its time.
	Check(ctx context.Context) error
	// Close drops the connections that it keeps. Check may be called again, and makes new ones.
	Close()
}

// NewCheck makes the check of a target; dial connects to it.
type NewCheck func(dial Dial) Check

// Dial connects to a target.
type Dial func(ctx context.Context) (*net.TCPConn, error)

// TCP is a check that connects, and no more: for servers of which nothing else is known.
func TCP(dial Dial) Check { return tcpCheck(dial) }

type tcpCheck Dial

func (dial tcpCheck) Check(ctx context.Context) error {
	conn, err := dial(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (tcpCheck) Close() {}

// HTTPS is a check that wants path to answer 200, from a server whose certificate is signed by one of roots for
// serverName. API servers answer /readyz to anybody, and fail it before they stop. One connection is kept, so that
// a check costs no handshake; this is HTTP/1.1 by hand because net/http would keep two goroutines for it, and connect
// in a third that outlives the check.
func HTTPS(path, serverName string, roots *x509.CertPool) NewCheck {
	config := &tls.Config{RootCAs: roots, ServerName: serverName, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: skiff-forward\r\n\r\n", path, serverName)
	return func(dial Dial) Check { return &httpsCheck{dial: dial, path: path, config: config, request: request} }
}

type httpsCheck struct {
	dial    Dial
	path    string
	config  *tls.Config
	request []byte
	conn    *tls.Conn // nil if there is none
	reader  *bufio.Reader
}

// answerLimit is how many bytes of an answer are read. /readyz says "ok", or names what is not ready.
const answerLimit = 64 << 10

// Check implements Check.
func (c *httpsCheck) Check(ctx context.Context) error {
	if c.conn != nil {
		status, err := c.ask(ctx)
		if err == nil || isSilent(err) || ctx.Err() != nil {
			return c.judge(status, err)
		}
		// The server has closed it, maybe because of its age. A new one tells.
	}
	if err := c.connect(ctx); err != nil {
		return err
	}
	status, err := c.ask(ctx)
	return c.judge(status, err)
}

func (c *httpsCheck) judge(status int, err error) error {
	if err != nil {
		return fmt.Errorf("GET %s: %w", c.path, err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s answers %d %s", c.path, status, http.StatusText(status))
	}
	return nil
}

// connect makes a new connection.
func (c *httpsCheck) connect(ctx context.Context) error {
	tcp, err := c.dial(ctx)
	if err != nil {
		return err
	}
	conn := tls.Client(tcp, c.config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = tcp.Close()
		return fmt.Errorf("TLS handshake with %s: %w", tcp.RemoteAddr(), err)
	}
	c.conn, c.reader = conn, bufio.NewReader(conn)
	return nil
}

// ask sends the request over the connection and returns the status of the answer. The connection is dropped if it is
// of no more use.
func (c *httpsCheck) ask(ctx context.Context) (status int, err error) {
	keep := false
	defer func() {
		if !keep {
			c.Close()
		}
	}()
	deadline, _ := ctx.Deadline()
	if err := c.conn.SetDeadline(deadline); err != nil {
		return 0, err
	}
	conn := c.conn
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := c.conn.Write(c.request); err != nil {
		return 0, err
	}
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, io.LimitReader(answer.Body, answerLimit))
	keep = err == nil && n < answerLimit && !answer.Close
	return answer.StatusCode, err
}

// Close implements Check. A dead server is not waited for.
func (c *httpsCheck) Close() {
	if c.conn != nil {
		_ = c.conn.NetConn().Close()
		c.conn, c.reader = nil, nil
	}
}
