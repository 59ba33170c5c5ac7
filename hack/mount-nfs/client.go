// The NFS connection: calls are pipelined by xid and, as on a hard mount, wait across reconnects until they are answered.
// Used by fs.go.
package main

import (
	"encoding/binary"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

type call struct {
	xid    uint32
	bufs   [2][]byte
	done   chan []byte
	sent   time.Time
	resent bool
}

type client struct {
	addr string
	resv bool
	soft time.Duration // 0: hard

	mu   sync.Mutex
	conn *liveConn
	pend map[uint32]*call
	xid  uint32
	act  time.Time // last time the server was heard, or the queue was empty
}

type liveConn struct {
	net.Conn
	wmu sync.Mutex
}

func (l *liveConn) send(c *call) {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	b := net.Buffers{c.bufs[0], c.bufs[1]}
	if _, err := b.WriteTo(l.Conn); err != nil {
		l.Close() // run() sees it and reconnects
	}
}

// run keeps a connection up for ever and sends again what is unanswered.
func (c *client) run() {
	wait, stall, lastLog := 100*time.Millisecond, 10*time.Second, time.Time{}
	for n := 0; ; n++ {
		conn, err := dial(c.addr, c.resv)
		if err != nil {
			if time.Since(lastLog) > 30*time.Second {
				log.Printf("server %s not answering, still trying: %v", c.addr, err)
				lastLog = time.Now()
			}
			time.Sleep(wait)
			wait = min(wait*2, time.Second)
			continue
		}
		wait = 100 * time.Millisecond
		l := &liveConn{Conn: conn}
		c.mu.Lock()
		again := make([]*call, 0, len(c.pend))
		for _, p := range c.pend {
			p.resent, p.sent = n > 0, time.Now()
			again = append(again, p)
		}
		c.conn, c.act = l, time.Now()
		c.mu.Unlock()
		if n > 0 {
			log.Printf("reconnected to %s, %d calls sent again", c.addr, len(again))
			lastLog = time.Time{}
		}
		stop := make(chan struct{})
		go func() { // a silent server: give this connection up and make another
			t := time.NewTicker(time.Second)
			defer t.Stop()
			for {
				select {
				case <-stop:
					return
				case <-t.C:
				}
				c.mu.Lock()
				stuck, quiet := false, time.Since(c.act)
				for _, p := range c.pend { // ganesha can also drop a single call
					age := time.Since(p.sent)
					stuck = stuck || age > stall && (quiet > stall || age > 3*stall)
				}
				c.mu.Unlock()
				if stuck {
					log.Printf("server %s silent for %v or longer, reconnecting", c.addr, stall)
					l.Close()
				}
			}
		}()
		go func() {
			for _, p := range again {
				l.send(p)
			}
		}()
		heard := false
		for {
			rec, err := readRecord(l)
			if err != nil || len(rec) < 4 {
				log.Printf("connection to %s lost: %v", c.addr, err)
				break
			}
			heard = true
			x := binary.BigEndian.Uint32(rec)
			c.mu.Lock()
			p := c.pend[x]
			delete(c.pend, x)
			c.act = time.Now()
			c.mu.Unlock()
			if p != nil {
				p.done <- rec[4:]
			}
		}
		c.mu.Lock()
		c.conn = nil
		c.mu.Unlock()
		close(stop)
		l.Close()
		if stall = 10 * time.Second; !heard {
			stall = 60 * time.Second // perhaps it is only slow: give it longer
			time.Sleep(wait)
		}
	}
}

// do sends one NFSv3 call and waits for its answer; resent tells that the
// server may have seen the call twice. data must not change afterwards.
func (c *client) do(cr cred, proc uint32, args, data []byte) (d *dec, resent bool, err error) {
	c.mu.Lock()
	c.xid++
	p := &call{xid: c.xid, sent: time.Now(), done: make(chan []byte, 1)}
	m := rpcHeader(p.xid, 100003, 3, proc, cr).raw(args).b
	pad := make([]byte, -len(data)&3)
	if len(pad) > 0 {
		data = append(data[:len(data):len(data)], pad...)
	}
	binary.BigEndian.PutUint32(m, uint32(len(m)-4+len(data))|1<<31)
	p.bufs = [2][]byte{m, data}
	if len(c.pend) == 0 {
		c.act = time.Now()
	}
	c.pend[p.xid] = p
	l := c.conn
	c.mu.Unlock()
	if l != nil {
		l.send(p)
	}
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for start := time.Now(); ; {
		select {
		case rec := <-p.done:
			d, err := rpcReply(rec)
			return d, p.resent, err
		case <-t.C:
			err = nil
			if cr.dying() {
				err = syscall.EINTR
			} else if c.soft > 0 && time.Since(start) > c.soft {
				err = syscall.ETIMEDOUT
			}
			if err != nil {
				c.mu.Lock()
				delete(c.pend, p.xid)
				c.mu.Unlock()
				return nil, true, err
			}
		}
	}
}

// dying: the caller has a fatal signal or is exiting, so nobody waits for the
// answer; without this a killed process could not die while the server is away.
func (c cred) dying() bool {
	dir := "/proc/" + strconv.Itoa(int(c.pid))
	st, err := os.ReadFile(dir + "/stat")
	if c.pid == 0 || err != nil {
		return false
	}
	if f := strings.Fields(string(st[strings.LastIndexByte(string(st), ')')+1:])); len(f) > 6 {
		if fl, _ := strconv.ParseUint(f[6], 10, 64); fl&4 != 0 { // PF_EXITING
			return true
		}
	}
	b, _ := os.ReadFile(dir + "/status")
	for _, line := range strings.Split(string(b), "\n") {
		if k, v, ok := strings.Cut(line, ":"); ok && (k == "SigPnd" || k == "ShdPnd") {
			if m, _ := strconv.ParseUint(strings.TrimSpace(v), 16, 64); m&(1<<8) != 0 { // SIGKILL
				return true
			}
		}
	}
	return false
}
