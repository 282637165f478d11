package main

import (
	"log"
	"net"
	"time"

	"github.com/xtaci/kcp-go/v5"
	"github.com/xtaci/smux"
)

// dial listens for applications and gives each connection a stream; sessions are made on demand
// and dealt in turn (kcptun wire, 8.3). It returns only with an error.
func dial(o *options) error {
	block, err := newCrypt(o.crypt, o.key)
	if err != nil {
		return err
	}
	veil, err := newVeil(o)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.local)
	if err != nil {
		return err
	}
	sessions := make([]*smux.Session, max(o.conn, 1))
	for turn := uint16(0); ; turn++ {
		accepted, err := listener.Accept()
		if err != nil {
			return err
		}
		slot := int(turn) % len(sessions)
		if sessions[slot] == nil || sessions[slot].IsClosed() {
			sessions[slot] = connect(o, block)
		}
		go carry(sessions[slot], accepted, o, veil)
	}
}

// carry opens a stream for one connection and copies until both have ended.
func carry(session *smux.Session, accepted net.Conn, o *options, veil *veil) {
	stream, err := session.OpenStream()
	if err != nil {
		log.Println("opening a stream:", err)
		accepted.Close()
		return
	}
	relay(stream, accepted, o, veil)
}

// connect makes a session; what fails is tried again each second, for ever.
func connect(o *options, block kcp.BlockCrypt) *smux.Session {
	for {
		session, err := tryConnect(o, block)
		if err == nil {
			return session
		}
		log.Println("re-connecting:", err)
		time.Sleep(time.Second)
	}
}

func tryConnect(o *options, block kcp.BlockCrypt) (*smux.Session, error) {
	conversation, err := kcp.DialWithOptions(o.remote, block, o.dataShards, o.parityShards)
	if err != nil {
		return nil, err
	}
	tune(conversation, o)
	complain("SetDSCP:", conversation.SetDSCP(o.dscp))
	complain("SetReadBuffer:", conversation.SetReadBuffer(o.sockbuf))
	complain("SetWriteBuffer:", conversation.SetWriteBuffer(o.sockbuf))
	log.Printf("session: %s -> %s", conversation.LocalAddr(), conversation.RemoteAddr())
	session, err := smux.Client(carrier(conversation, o), smuxConfig(o))
	if err != nil {
		conversation.Close()
		return nil, err
	}
	return session, nil
}

func complain(what string, err error) {
	if err != nil {
		log.Println(what, err)
	}
}
