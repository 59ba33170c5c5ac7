// Operations on open files: close-to-open consistency, writes that survive a restart of the server.
package main

import (
	"bytes"
	"log"
	"math/rand"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func (f *nfs) newHandle(i *inode, cr cred) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	f.files[f.next] = &handle{ino: i, cr: cr}
	i.opens++
	return f.next
}

func (f *nfs) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	cr, dir := caller(&in.InHeader, true), f.node(in.NodeId).fh
	f.repl.RLock()
	defer f.repl.RUnlock()
	args := (&enc{}).str(dir).str(name)
	excl := in.Flags&syscall.O_EXCL != 0
	if excl { // EXCLUSIVE: sent again, it recognises its own file
		args.u32(2).u64(rand.Uint64())
	} else {
		args.u32(0).raw(sattr(in.Mode).b)
	}
	d, re, e := f.call(cr, pCREATE, args, nil)
	i, e := f.made(cr, dir, name, d, re && !excl, e, &out.EntryOut)
	if e == 0 && excl { // the mode, and the times in which the verifier was kept
		_, _, e = f.call(cr, pSETATTR, (&enc{}).str(i.fh).u32(1).u32(in.Mode&07777).u32(0).u32(0).u32(0).u32(1).u32(1).u32(0), nil)
		if e == 0 {
			out.Attr, e = f.getattr(cr, i.fh)
		}
	}
	if e != 0 {
		return fuse.Status(e)
	}
	f.mu.Lock()
	f.nopen++
	f.mu.Unlock()
	out.Fh = f.newHandle(i, cr)
	return fuse.OK
}

// Open asks the server for the attributes (close-to-open consistency) and keeps
// the cached pages only if the file has not changed since.
func (f *nfs) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	i, cr := f.node(in.NodeId), caller(&in.InHeader, true)
	f.repl.RLock()
	defer f.repl.RUnlock()
	a, e := f.getattr(cr, i.fh)
	if e != 0 {
		return fuse.Status(e)
	}
	f.mu.Lock()
	same := i.seen == key(&a)
	i.seen = key(&a)
	f.nopen++
	f.mu.Unlock()
	if same {
		out.OpenFlags |= fuse.FOPEN_KEEP_CACHE
	} else {
		f.srv.InodeNotify(i.id, -1, 0) // the attributes; the pages go because KEEP_CACHE is not set
	}
	out.Fh = f.newHandle(i, cr)
	return fuse.OK
}

func (f *nfs) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	h := f.file(in.Fh)
	cr := h.cr
	cr.pid = in.Pid
	n := 0
	for want := min(int(in.Size), len(buf)); n < want; {
		d, _, e := f.call(cr, pREAD, (&enc{}).str(h.ino.fh).u64(in.Offset+uint64(n)).u32(min(uint32(want-n), f.rmax)), nil)
		if e != 0 {
			return nil, fuse.Status(e)
		}
		postAttr(d)
		d.u32()
		eof := d.u32() == 1
		got := copy(buf[n:want], d.opaque())
		if n += got; eof || got == 0 || d.bad {
			break
		}
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

func (f *nfs) write(i *inode, cr cred, off uint64, data []byte, stable uint32) syscall.Errno {
	for len(data) > 0 {
		b := data[:min(len(data), int(f.wmax))]
		d, _, e := f.call(cr, pWRITE, (&enc{}).str(i.fh).u64(off).u32(uint32(len(b))).u32(stable).u32(uint32(len(b))), b)
		if e != 0 {
			return e
		}
		wcc(d)
		n, how := int(d.u32()), d.u32()
		u := unstable{off: off}
		copy(u.verf[:], d.take(8))
		if d.bad || n <= 0 || n > len(b) {
			return syscall.EIO
		}
		if how == 0 {
			u.data = b[:n]
			i.mu.Lock()
			i.dirty = append(i.dirty, u)
			i.ndirty += n
			i.mu.Unlock()
		}
		off, data = off+uint64(n), data[n:]
	}
	return 0
}

func (f *nfs) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	h := f.file(in.Fh)
	cr := h.cr
	cr.pid = in.Pid
	h.ino.rw.RLock()
	e := f.write(h.ino, cr, in.Offset, bytes.Clone(data), 0)
	h.ino.rw.RUnlock()
	h.ino.mu.Lock()
	full := h.ino.ndirty > maxUnstable
	h.ino.mu.Unlock()
	if e == 0 && full {
		e = f.commit(h.ino, cr)
	}
	return uint32(len(data)), fuse.Status(e)
}

// commit makes all that was written stable. If the server restarted in between
// (its verifier changed), what it may have lost is written again.
func (f *nfs) commit(i *inode, cr cred) syscall.Errno {
	i.rw.Lock()
	defer i.rw.Unlock()
	i.mu.Lock()
	list := i.dirty
	i.dirty, i.ndirty = nil, 0
	i.mu.Unlock()
	if len(list) == 0 {
		return 0
	}
	d, _, e := f.call(cr, pCOMMIT, (&enc{}).str(i.fh).u64(0).u32(0), nil)
	if e == 0 {
		wcc(d)
		verf := d.take(8)
		for n, u := range list {
			if bytes.Equal(u.verf[:], verf) {
				continue
			}
			log.Printf("server restarted with %d uncommitted writes, writing them again", len(list)-n)
			for ; n < len(list) && e == 0; n++ {
				e = f.write(i, cr, list[n].off, list[n].data, 2)
			}
			break
		}
	}
	if e == syscall.EINTR || e == syscall.ETIMEDOUT { // nothing was refused: keep it for the next try
		i.mu.Lock()
		i.dirty = list
		for _, u := range list {
			i.ndirty += len(u.data)
		}
		i.mu.Unlock()
	} else if e != 0 {
		log.Printf("COMMIT: %v", e)
	}
	return e
}

func (f *nfs) commitAll() {
	f.mu.Lock()
	var all []*inode
	for _, i := range f.byID {
		all = append(all, i)
	}
	f.mu.Unlock()
	for _, i := range all {
		f.commit(i, cred{})
	}
}

func (f *nfs) sync(fh uint64, pid uint32) fuse.Status {
	h := f.file(fh)
	cr := h.cr
	cr.pid = pid
	return fuse.Status(f.commit(h.ino, cr))
}

func (f *nfs) Flush(_ <-chan struct{}, in *fuse.FlushIn) fuse.Status { return f.sync(in.Fh, in.Pid) }
func (f *nfs) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status { return f.sync(in.Fh, in.Pid) }

func (f *nfs) FsyncDir(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.OK } // NFS directory operations are synchronous

func (f *nfs) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	f.sync(in.Fh, 0) // only what mmap wrote after the last flush
	f.release(in.Fh, 1)
}

func (f *nfs) release(fh uint64, n int) {
	f.mu.Lock()
	h := f.files[fh]
	delete(f.files, fh)
	f.nopen -= n
	i := h.ino
	i.opens--
	silly := i.opens == 0 && i.silly != nil
	f.drop(i)
	f.mu.Unlock()
	if !silly {
		return
	}
	f.repl.Lock() // nobody is opening it again just now
	defer f.repl.Unlock()
	f.mu.Lock()
	var rm func()
	if i.opens == 0 {
		rm, i.silly = i.silly, nil
		f.drop(i)
	}
	f.mu.Unlock()
	if rm != nil {
		rm()
	}
}
