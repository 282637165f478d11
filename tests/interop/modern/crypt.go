package main

import (
	"crypto/pbkdf2"
	"crypto/sha1"

	"github.com/xtaci/kcp-go/v5"
)

// crypts names the packet ciphers: how many bytes of the derived key, and what is made of them
// (kcptun wire, 2.2). Any other word means aes.
var crypts = map[string]struct {
	keyBytes int
	make     func([]byte) (kcp.BlockCrypt, error)
}{
	"aes":         {32, kcp.NewAESBlockCrypt},
	"aes-128":     {16, kcp.NewAESBlockCrypt},
	"aes-192":     {24, kcp.NewAESBlockCrypt},
	"aes-128-gcm": {16, kcp.NewAESGCMCrypt},
	"sm4":         {16, kcp.NewSM4BlockCrypt},
	"twofish":     {32, kcp.NewTwofishBlockCrypt},
	"blowfish":    {32, kcp.NewBlowfishBlockCrypt},
	"cast5":       {16, kcp.NewCast5BlockCrypt},
	"3des":        {24, kcp.NewTripleDESBlockCrypt},
	"tea":         {16, kcp.NewTEABlockCrypt},
	"xtea":        {16, kcp.NewXTEABlockCrypt},
	"salsa20":     {32, kcp.NewSalsa20BlockCrypt},
	"xor":         {32, kcp.NewSimpleXORBlockCrypt},
	"none":        {32, kcp.NewNoneBlockCrypt},
}

// newCrypt makes the packet cipher; null is none at all, not even a checksum.
func newCrypt(name, key string) (kcp.BlockCrypt, error) {
	if name == "null" {
		return nil, nil
	}
	pass, err := pbkdf2.Key(sha1.New, key, []byte("kcp-go"), 4096, 32)
	if err != nil {
		return nil, err
	}
	kind, known := crypts[name]
	if !known {
		kind = crypts["aes"]
	}
	return kind.make(pass[:kind.keyBytes])
}
