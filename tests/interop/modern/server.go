package main

import (
	"log"
	"net"
	"time"

	"github.com/xtaci/kcp-go/v5"
	"github.com/xtaci/smux"
)

// serve accepts conversations and connects every stream to the target (kcptun wire, 8.5). It
// returns only with an error.
func serve(o *options) error {
	block, err := newCrypt(o.crypt, o.key)
	if err != nil {
		return err
	}
	veil, err := newVeil(o)
	if err != nil {
		return err
	}
	listener, err := kcp.ListenWithOptions(o.local, block, o.dataShards, o.parityShards)
	if err != nil {
		return err
	}
	complain("SetDSCP:", listener.SetDSCP(o.dscp))
	complain("SetReadBuffer:", listener.SetReadBuffer(o.sockbuf))
	complain("SetWriteBuffer:", listener.SetWriteBuffer(o.sockbuf))
	for {
		conversation, err := listener.AcceptKCP()
		if err != nil {
			return err
		}
		log.Println("remote address:", conversation.RemoteAddr())
		tune(conversation, o)
		go serveSession(conversation, o, veil)
	}
}

func serveSession(conversation *kcp.UDPSession, o *options, veil *veil) {
	session, err := smux.Server(carrier(conversation, o), smuxConfig(o))
	if err != nil {
		log.Println("smux:", err)
		conversation.Close()
		return
	}
	defer session.Close()
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			log.Println("session ended:", err)
			return
		}
		go reach(stream, o, veil)
	}
}

// reach connects one stream to the target.
func reach(stream *smux.Stream, o *options, veil *veil) {
	network := "tcp"
	if _, _, err := net.SplitHostPort(o.remote); err != nil {
		network = "unix"
	}
	target, err := net.DialTimeout(network, o.remote, 10*time.Second)
	if err != nil {
		log.Println("target:", err)
		stream.Close()
		return
	}
	relay(stream, target, o, veil)
}
