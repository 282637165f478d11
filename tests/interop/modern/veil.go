package main

import (
	"errors"
	"io"

	"github.com/xtaci/qpp"
	"github.com/xtaci/smux"
)

// veil is QPP over the bytes of streams (kcptun wire, 7).
type veil struct {
	pad  *qpp.QuantumPermutationPad
	seed []byte
}

// newVeil makes the pads; without QPP there is none.
func newVeil(o *options) (*veil, error) {
	if !o.qpp {
		return nil, nil
	}
	if o.qppCount <= 0 {
		return nil, errors.New("QPPCount must be greater than 0")
	}
	seed := []byte(o.key)
	return &veil{qpp.NewQPP(seed, uint16(o.qppCount)), seed}, nil
}

// over transforms one stream; both directions start from the same state.
func (v *veil) over(stream *smux.Stream) *veiled {
	return &veiled{stream, v.pad, qpp.CreatePRNG(v.seed), qpp.CreatePRNG(v.seed), nil}
}

// veiled knows no half close, and no shortcut past its transformation.
type veiled struct {
	stream    *smux.Stream
	pad       *qpp.QuantumPermutationPad
	out, in   *qpp.Rand
	encrypted []byte
}

func (v *veiled) Read(b []byte) (int, error) {
	n, err := v.stream.Read(b)
	v.pad.DecryptWithPRNG(b[:n], v.in)
	return n, err
}

func (v *veiled) Write(b []byte) (int, error) {
	v.encrypted = append(v.encrypted[:0], b...)
	v.pad.EncryptWithPRNG(v.encrypted, v.out)
	return v.stream.Write(v.encrypted)
}

func (v *veiled) Close() error {
	return v.stream.Close()
}

// copySmall copies in pieces of 4096 bytes, as kcptun does under QPP.
func copySmall(to io.Writer, from io.Reader) (int64, error) {
	// Wrapped, or TCP's own ReadFrom and WriteTo would choose the pieces.
	return io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, 4096))
}
