package main

import (
	"io"
	"time"

	"github.com/golang/snappy"
	"github.com/xtaci/kcp-go/v5"
	"github.com/xtaci/smux"
)

// tune gives one conversation kcptun's settings (kcptun wire, 3.2).
func tune(conversation *kcp.UDPSession, o *options) {
	conversation.SetStreamMode(true)
	conversation.SetWriteDelay(false)
	conversation.SetNoDelay(o.nodelay[0], o.nodelay[1], o.nodelay[2], o.nodelay[3])
	conversation.SetWindowSize(o.sndwnd, o.rcvwnd)
	conversation.SetMtu(o.mtu)
	conversation.SetACKNoDelay(o.ackNoDelay)
	conversation.SetRateLimit(uint32(max(o.rateLimit, 0)))
}

// smuxConfig is what smux shall do, the same on both sides.
func smuxConfig(o *options) *smux.Config {
	config := smux.DefaultConfig()
	config.Version = o.smuxVersion
	config.MaxReceiveBuffer = o.smuxBuf
	config.MaxStreamBuffer = o.streamBuf
	config.MaxFrameSize = o.frameSize
	config.KeepAliveInterval = time.Duration(o.keepAlive) * time.Second
	return config
}

// carrier is what smux runs on: the conversation, or snappy over it.
func carrier(conversation *kcp.UDPSession, o *options) io.ReadWriteCloser {
	if o.noComp {
		return conversation
	}
	return &compressed{
		Closer: conversation,
		reader: snappy.NewReader(conversation),
		writer: snappy.NewBufferedWriter(conversation),
	}
}

// compressed is one snappy framed stream in each direction (kcptun wire, 6).
type compressed struct {
	io.Closer
	reader *snappy.Reader
	writer *snappy.Writer
}

func (c *compressed) Read(b []byte) (int, error) {
	return c.reader.Read(b)
}

// Write compresses one smux frame; each is flushed, or the peer would wait for it.
func (c *compressed) Write(b []byte) (int, error) {
	n, err := c.writer.Write(b)
	if err != nil {
		return n, err
	}
	return n, c.writer.Flush()
}
