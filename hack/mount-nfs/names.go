// Operations on names: make, link, remove, rename. What is removed or replaced while open lives on as .nfs….
package main

import (
	"fmt"
	"log"
	"math/rand"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// made reads the answer of CREATE, MKDIR, SYMLINK and MKNOD. A call that was sent
// again after the server died may find its own work done: EEXIST is then success.
func (f *nfs) made(cr cred, dir, name string, d *dec, resent bool, e syscall.Errno, out *fuse.EntryOut) (*inode, syscall.Errno) {
	var fh string
	var a fuse.Attr
	if e == 0 {
		if d.u32() == 1 {
			fh = string(d.opaque())
		}
		var ok bool
		if a, ok = postAttr(d); !ok {
			fh = ""
		}
	} else if e != syscall.EEXIST || !resent {
		return nil, e
	}
	if fh == "" {
		if fh, a, e = f.lookup(cr, dir, name); e != 0 {
			return nil, e
		}
	}
	return f.fill(fh, a, out), 0
}

func (f *nfs) make(h *fuse.InHeader, proc uint32, name string, args *enc, out *fuse.EntryOut) fuse.Status {
	cr, dir := caller(h, true), f.node(h.NodeId).fh
	d, re, e := f.call(cr, proc, (&enc{}).str(dir).str(name).raw(args.b), nil)
	_, e = f.made(cr, dir, name, d, re, e, out)
	return fuse.Status(e)
}

func (f *nfs) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return f.make(&in.InHeader, pMKDIR, name, sattr(in.Mode), out)
}

func (f *nfs) Symlink(_ <-chan struct{}, h *fuse.InHeader, to, name string, out *fuse.EntryOut) fuse.Status {
	return f.make(h, pSYMLINK, name, sattr(0777).str(to), out)
}

func (f *nfs) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	s := sattr(in.Mode)
	switch in.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		return f.make(&in.InHeader, pCREATE, name, (&enc{}).u32(1).raw(s.b), out)
	case syscall.S_IFSOCK:
		return f.make(&in.InHeader, pMKNOD, name, (&enc{}).u32(6).raw(s.b), out)
	case syscall.S_IFIFO:
		return f.make(&in.InHeader, pMKNOD, name, (&enc{}).u32(7).raw(s.b), out)
	}
	return fuse.EPERM
}

func (f *nfs) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	cr, dir := caller(&in.InHeader, true), f.node(in.NodeId).fh
	_, re, e := f.call(cr, pLINK, (&enc{}).str(f.node(in.Oldnodeid).fh).str(dir).str(name), nil)
	if e == 0 || (e == syscall.EEXIST && re) {
		var fh string
		var a fuse.Attr
		if fh, a, e = f.lookup(cr, dir, name); e == 0 {
			f.fill(fh, a, out)
		}
	}
	return fuse.Status(e)
}

// busy returns the inode of dir/name if it is open here. A release just sent by
// close() may still be on its way, so it is given a moment.
func (f *nfs) busy(cr cred, dir, name string) *inode {
	for try := 0; ; try++ {
		f.mu.Lock()
		n := f.nopen
		f.mu.Unlock()
		if n == 0 {
			return nil
		}
		fh, _, e := f.lookup(cr, dir, name)
		f.mu.Lock()
		i := f.byFH[fh]
		open := e == 0 && i != nil && i.opens > 0 && i.silly == nil
		f.mu.Unlock()
		if !open {
			return nil
		} else if try == 2 {
			return i
		}
		time.Sleep(time.Millisecond)
	}
}

// keep records the hidden name under which an open but removed file lives on
// (f.repl is held).
func (f *nfs) keep(i *inode, cr cred, dir, name string) {
	cr.pid = 0
	rm := func() {
		if _, _, e := f.call(cr, pREMOVE, (&enc{}).str(dir).str(name), nil); e != 0 && e != syscall.ENOENT {
			log.Printf("removing %s: %v", name, e)
		}
		f.mu.Lock()
		f.nsilly--
		f.mu.Unlock()
	}
	f.mu.Lock()
	f.nsilly++
	open := i.opens > 0
	if open {
		i.silly = rm
	}
	f.mu.Unlock()
	if !open { // closed meanwhile
		rm()
	}
}

func sillyName() string { return fmt.Sprintf(".nfs%016x%08x", time.Now().UnixNano(), rand.Uint32()) }

func (f *nfs) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	cr, dir := caller(h, true), f.node(h.NodeId).fh
	f.repl.Lock()
	defer f.repl.Unlock()
	if i := f.busy(cr, dir, name); i != nil {
		s := sillyName()
		_, _, e := f.call(cr, pRENAME, (&enc{}).str(dir).str(name).str(dir).str(s), nil)
		if e == 0 {
			f.keep(i, cr, dir, s)
			return fuse.OK
		}
	}
	_, re, e := f.call(cr, pREMOVE, (&enc{}).str(dir).str(name), nil)
	if e == syscall.ENOENT && re {
		e = 0
	}
	return fuse.Status(e)
}

func (f *nfs) Rmdir(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	cr, dir := caller(h, true), f.node(h.NodeId).fh
	for try := 0; ; try++ {
		_, re, e := f.call(cr, pRMDIR, (&enc{}).str(dir).str(name), nil)
		f.mu.Lock()
		n := f.nsilly
		f.mu.Unlock()
		if e == syscall.ENOTEMPTY && n > 0 && try < 20 { // a .nfs file about to go
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if e == syscall.ENOENT && re {
			e = 0
		}
		return fuse.Status(e)
	}
}

func (f *nfs) Rename(_ <-chan struct{}, in *fuse.RenameIn, old, name string) fuse.Status {
	if in.Flags != 0 {
		return fuse.EINVAL // NFSv3 has neither NOREPLACE nor EXCHANGE
	}
	cr, from, to := caller(&in.InHeader, true), f.node(in.NodeId).fh, f.node(in.Newdir).fh
	f.repl.Lock()
	defer f.repl.Unlock()
	i, s := f.busy(cr, to, name), sillyName()
	if i != nil { // a second name for the file that is replaced while open; the name itself never vanishes
		if _, _, e := f.call(cr, pLINK, (&enc{}).str(i.fh).str(to).str(s), nil); e != 0 {
			log.Printf("keeping a second name for %s: %v", name, e)
			i = nil
		}
	}
	_, re, e := f.call(cr, pRENAME, (&enc{}).str(from).str(old).str(to).str(name), nil)
	if e == syscall.ENOENT && re {
		_, _, e = f.lookup(cr, to, name)
	}
	if i != nil {
		f.keep(i, cr, to, s)
	}
	return fuse.Status(e)
}

func (f *nfs) Readlink(_ <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	d, _, e := f.call(caller(h, false), pREADLINK, (&enc{}).str(f.node(h.NodeId).fh), nil)
	if e != 0 {
		return nil, fuse.Status(e)
	}
	postAttr(d)
	return d.opaque(), fuse.OK
}
