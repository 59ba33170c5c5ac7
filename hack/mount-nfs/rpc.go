// ONC RPC over TCP: record marking, AUTH_UNIX, and single calls on a connection of their own. Used by mount.go
// (portmapper, MOUNT) and client.go (NFS).
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"syscall"
	"time"
)

type cred struct {
	uid, gid uint32
	gids     []uint32
	pid      uint32 // the calling thread, to notice that it is being killed; not sent
}

var hostname, _ = os.Hostname()

func rpcHeader(xid, prog, vers, proc uint32, c cred) *enc {
	a := (&enc{}).u32(uint32(os.Getpid())).str(hostname).u32(c.uid).u32(c.gid)
	a.u32(uint32(min(len(c.gids), 16)))
	for _, g := range c.gids[:min(len(c.gids), 16)] {
		a.u32(g)
	}
	e := (&enc{b: make([]byte, 4, 512)}).u32(xid).u32(0).u32(2).u32(prog).u32(vers).u32(proc)
	return e.u32(1).str(string(a.b)).u32(0).u32(0)
}

var errRPC = errors.New("RPC refused")

func rpcReply(b []byte) (*dec, error) { // after the xid
	d := &dec{b: b}
	if d.u32() != 1 || d.u32() != 0 {
		return nil, fmt.Errorf("%w: denied (authentication or version)", errRPC)
	}
	d.u32()
	d.opaque()
	if s := d.u32(); s != 0 || d.bad {
		return nil, fmt.Errorf("%w: accept status %d", errRPC, s)
	}
	return d, nil
}

func readRecord(r io.Reader) ([]byte, error) {
	var rec []byte
	for {
		var h [4]byte
		if _, err := io.ReadFull(r, h[:]); err != nil {
			return nil, err
		}
		n := binary.BigEndian.Uint32(h[:])
		l := int(n &^ (1 << 31))
		if l > 16<<20 {
			return nil, errors.New("oversized RPC record")
		}
		old := len(rec)
		rec = append(rec, make([]byte, l)...)
		if _, err := io.ReadFull(r, rec[old:]); err != nil {
			return nil, err
		}
		if n>>31 == 1 {
			return rec, nil
		}
	}
}

func dial(addr string, resv bool) (net.Conn, error) {
	for try := 0; ; try++ {
		d := net.Dialer{Timeout: 5 * time.Second, KeepAlive: 10 * time.Second}
		if resv && try < 20 { // servers may insist on a port below 1024
			d.LocalAddr = &net.TCPAddr{Port: 665 + rand.Intn(358)}
		}
		c, err := d.Dial("tcp", addr)
		if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL) {
			if try < 25 {
				continue
			}
		}
		return c, err
	}
}

// oneShot makes a single call on a connection of its own (portmapper, MOUNT).
func oneShot(addr string, resv bool, prog, vers, proc uint32, args []byte) (*dec, error) {
	c, err := dial(addr, resv)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	m := rpcHeader(1, prog, vers, proc, cred{}).raw(args).b
	binary.BigEndian.PutUint32(m, uint32(len(m)-4)|1<<31)
	if _, err = c.Write(m); err != nil {
		return nil, err
	}
	rec, err := readRecord(c)
	if err != nil || len(rec) < 4 {
		return nil, fmt.Errorf("no RPC reply from %s: %v", addr, err)
	}
	return rpcReply(rec[4:])
}
