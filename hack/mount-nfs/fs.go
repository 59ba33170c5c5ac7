// What the FUSE operations share. Node ids stand for NFS file handles, so nothing here depends on paths and renames
// need no bookkeeping.
package main

import (
	"bytes"
	"log"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

const (
	maxIO       = 1 << 20  // largest READ and WRITE
	maxUnstable = 32 << 20 // bytes of one file kept for sending again before a COMMIT is forced
)

// NFSv3 procedures
const (
	pGETATTR = iota + 1
	pSETATTR
	pLOOKUP
	pACCESS
	pREADLINK
	pREAD
	pWRITE
	pCREATE
	pMKDIR
	pSYMLINK
	pMKNOD
	pREMOVE
	pRMDIR
	pRENAME
	pLINK
	pREADDIR
	pREADDIRPLUS
	pFSSTAT
	pFSINFO
	pPATHCONF
	pCOMMIT
)

func nfsErrno(s uint32) syscall.Errno {
	switch s {
	case 0:
		return 0
	case 63:
		return syscall.ENAMETOOLONG
	case 66:
		return syscall.ENOTEMPTY
	case 69:
		return syscall.EDQUOT
	case 70, 10001:
		return syscall.ESTALE
	case 10003, 10005, 10007:
		return syscall.EINVAL
	case 10004:
		return syscall.EOPNOTSUPP
	}
	if s < 70 {
		return syscall.Errno(s)
	}
	return syscall.EIO
}

type unstable struct {
	off  uint64
	data []byte
	verf [8]byte
}

type inode struct {
	id      uint64
	fh      string
	lookups uint64
	opens   int
	seen    [3]uint64    // size, mtime, ctime when the kernel's cache was filled
	silly   func()       // removes the .nfs name kept for an open file, at the last close
	rw      sync.RWMutex // writers share it, COMMIT and truncation exclude them
	mu      sync.Mutex   // the two below
	dirty   []unstable   // written, not yet known to be on stable storage
	ndirty  int
}

type handle struct {
	ino *inode
	cr  cred // of the opener, for all later I/O, as in the kernel's client
	mu  sync.Mutex
	ls  []entry
}

type entry struct {
	name string
	a    fuse.Attr
	ino  uint64
	fh   string
}

type nfs struct {
	fuse.RawFileSystem
	c          *client
	srv        *fuse.Server
	ttl        time.Duration
	rmax, wmax uint32

	repl   sync.RWMutex // opening shares it, removing and replacing names exclude that
	mu     sync.Mutex
	byID   map[uint64]*inode
	byFH   map[string]*inode
	files  map[uint64]*handle
	next   uint64
	nopen  int
	nsilly int
}

func newFS(c *client, root string, ttl time.Duration) *nfs {
	r := &inode{id: 1, fh: root, lookups: 1}
	return &nfs{RawFileSystem: fuse.NewDefaultRawFileSystem(), c: c, ttl: ttl, rmax: maxIO, wmax: maxIO, next: 1,
		byID: map[uint64]*inode{1: r}, byFH: map[string]*inode{root: r}, files: map[uint64]*handle{}}
}

func (f *nfs) String() string { return "nfs" }

// call is one NFS operation; JUKEBOX ("try later") is waited out.
func (f *nfs) call(cr cred, proc uint32, e *enc, data []byte) (*dec, bool, syscall.Errno) {
	for {
		d, resent, err := f.c.do(cr, proc, e.b, data)
		if errno, ok := err.(syscall.Errno); ok {
			return nil, resent, errno
		} else if err != nil {
			log.Printf("procedure %d: %v", proc, err)
			return nil, resent, syscall.EIO
		}
		st := d.u32()
		if st == 10008 && !cr.dying() {
			time.Sleep(200 * time.Millisecond)
			continue
		}
		return d, resent, nfsErrno(st)
	}
}

func (f *nfs) probe() (mode uint32, err error) {
	root := f.byID[1].fh
	d, _, e := f.call(cred{}, pFSINFO, (&enc{}).str(root), nil)
	if e != 0 {
		return 0, e
	}
	postAttr(d)
	f.rmax = min(max(d.u32(), 4096), maxIO)
	d.take(8)
	f.wmax = min(max(d.u32(), 4096), maxIO)
	d, _, e = f.call(cred{}, pGETATTR, (&enc{}).str(root), nil)
	if e != 0 {
		return 0, e
	}
	return attr(d).Mode, nil
}

func caller(h *fuse.InHeader, groups bool) cred {
	c := cred{uid: h.Uid, gid: h.Gid, pid: h.Pid}
	if !groups || c.uid == 0 {
		return c
	}
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(int(h.Pid)) + "/status") // FUSE does not send them
	if _, rest, ok := bytes.Cut(b, []byte("\nGroups:")); ok {
		line, _, _ := strings.Cut(string(rest), "\n")
		for _, s := range strings.Fields(line) {
			n, _ := strconv.ParseUint(s, 10, 32)
			c.gids = append(c.gids, uint32(n))
		}
	}
	return c
}

func (f *nfs) node(id uint64) *inode {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.byID[id]; i != nil {
		return i
	}
	return &inode{id: id}
}

func (f *nfs) file(fh uint64) *handle {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.files[fh]
}

func (f *nfs) intern(fh string, a *fuse.Attr) *inode { // counts one lookup
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.byFH[fh]
	if i == nil {
		f.next++
		i = &inode{id: f.next, fh: fh, seen: key(a)}
		f.byID[i.id], f.byFH[fh] = i, i
	}
	i.lookups++
	return i
}

func (f *nfs) drop(i *inode) { // with f.mu held
	if i.lookups == 0 && i.opens == 0 && i.silly == nil && i.id != 1 && f.byID[i.id] == i {
		delete(f.byID, i.id)
		delete(f.byFH, i.fh)
	}
}

func (f *nfs) Forget(id, n uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.byID[id]; i != nil {
		i.lookups -= min(n, i.lookups)
		f.drop(i)
	}
}

func (f *nfs) fill(fh string, a fuse.Attr, out *fuse.EntryOut) *inode {
	i := f.intern(fh, &a)
	out.NodeId, out.Attr = i.id, a
	out.SetEntryTimeout(f.ttl)
	out.SetAttrTimeout(f.ttl)
	return i
}

func (f *nfs) lookup(cr cred, dir, name string) (fh string, a fuse.Attr, e syscall.Errno) {
	d, _, e := f.call(cr, pLOOKUP, (&enc{}).str(dir).str(name), nil)
	if e != 0 {
		return "", a, e
	}
	fh = string(d.opaque())
	a, ok := postAttr(d)
	if !ok {
		a, e = f.getattr(cr, fh)
	}
	return fh, a, e
}

func (f *nfs) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	fh, a, e := f.lookup(caller(h, true), f.node(h.NodeId).fh, name)
	if e == 0 {
		f.fill(fh, a, out)
	}
	return fuse.Status(e)
}
