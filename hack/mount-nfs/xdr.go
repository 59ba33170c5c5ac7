// XDR, the encoding of RPC and NFS: big-endian words, strings padded to four bytes. Used by rpc.go and everything that
// builds or reads a call.
package main

import (
	"encoding/binary"
)

type enc struct{ b []byte }

func (e *enc) u32(v uint32) *enc { e.b = binary.BigEndian.AppendUint32(e.b, v); return e }
func (e *enc) u64(v uint64) *enc { e.b = binary.BigEndian.AppendUint64(e.b, v); return e }
func (e *enc) raw(b []byte) *enc { e.b = append(e.b, b...); return e }
func (e *enc) str(s string) *enc {
	e.u32(uint32(len(s)))
	e.b = append(e.b, s...)
	e.b = append(e.b, make([]byte, -len(s)&3)...)
	return e
}

// dec reads XDR; past the end it returns zeros and sets bad.
type dec struct {
	b   []byte
	bad bool
}

func (d *dec) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.bad, d.b = true, nil
		return make([]byte, min(max(n, 0), 64))
	}
	r := d.b[:n]
	d.b = d.b[n:]
	return r
}
func (d *dec) u32() uint32 { return binary.BigEndian.Uint32(d.take(4)) }
func (d *dec) u64() uint64 { return binary.BigEndian.Uint64(d.take(8)) }
func (d *dec) opaque() []byte {
	n := int(d.u32())
	r := d.take(n)
	d.take(-n & 3)
	return r
}
