package main

import (
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/xtaci/smux"
)

// relay copies both ways. Each direction ends on its own: it waits closewait, then half-closes its
// destination; when both have ended, both ends are closed (kcptun wire, 8.5).
func relay(stream *smux.Stream, conn net.Conn, o *options, veil *veil) {
	defer stream.Close()
	defer conn.Close()
	if !o.quiet {
		log.Printf("stream opened: %s (%d)", conn.RemoteAddr(), stream.ID())
		defer log.Printf("stream closed: %s (%d)", conn.RemoteAddr(), stream.ID())
	}
	var end io.ReadWriteCloser = stream
	copyAll := io.Copy
	if veil != nil {
		end, copyAll = veil.over(stream), copySmall
	}
	direction := func(to io.WriteCloser, from io.Reader) {
		if _, err := copyAll(to, from); err != nil && !o.quiet {
			log.Println("pipe:", err)
		}
		time.Sleep(time.Duration(o.closeWait) * time.Second)
		closeWrite(to)
	}
	var both sync.WaitGroup
	both.Go(func() { direction(end, conn) })
	both.Go(func() { direction(conn, end) })
	both.Wait()
}

// closeWrite ends one direction, or both where the destination knows no half close.
func closeWrite(to io.Closer) {
	if half, can := to.(interface{ CloseWrite() error }); can {
		half.CloseWrite()
		return
	}
	to.Close()
}
