package forward

import (
	"net"

	"golang.org/x/sys/unix"
)

// lostRetransmits is after how many unanswered retransmissions a connection is lost. The pauses between them double,
// beginning with 0.2 s or more, so that 6 are at least 12.6 s. The kernel's own limit is 15, a quarter of an hour. A
// peer that is there but does not read acknowledges what it has, so its connection is never lost.
const lostRetransmits = 6

// lost is true if one end of the connection no longer acknowledges what is sent to it.
func (l *link) lost(limit int) bool {
	return retransmits(l.client) >= limit || retransmits(l.upstream) >= limit
}

// retransmits is how many times in a row the kernel has sent the same data again, without an answer.
func retransmits(conn *net.TCPConn) int {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = int(info.Retransmits)
		}
	})
	return n
}
