// Attributes: reading them off an answer, asking for them, setting them.
package main

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func attr(d *dec) (a fuse.Attr) {
	typ := []uint32{0, syscall.S_IFREG, syscall.S_IFDIR, syscall.S_IFBLK, syscall.S_IFCHR, syscall.S_IFLNK, syscall.S_IFSOCK, syscall.S_IFIFO}
	a.Mode = typ[d.u32()&7]
	a.Mode |= d.u32() & 07777
	a.Nlink, a.Uid, a.Gid = d.u32(), d.u32(), d.u32()
	a.Size, a.Blocks = d.u64(), (d.u64()+511)/512
	major, minor := d.u32(), d.u32()
	a.Rdev = minor&0xff | major<<8 | minor&^0xff<<12
	d.u64()
	a.Ino = d.u64()
	a.Atime, a.Atimensec = uint64(d.u32()), d.u32()
	a.Mtime, a.Mtimensec = uint64(d.u32()), d.u32()
	a.Ctime, a.Ctimensec = uint64(d.u32()), d.u32()
	a.Blksize = 4096
	return a
}

func postAttr(d *dec) (a fuse.Attr, ok bool) {
	if d.u32() == 1 {
		return attr(d), true
	}
	return a, false
}

func wcc(d *dec) {
	if d.u32() == 1 {
		d.take(24)
	}
	postAttr(d)
}

func key(a *fuse.Attr) [3]uint64 {
	return [3]uint64{a.Size, a.Mtime*1e9 + uint64(a.Mtimensec), a.Ctime*1e9 + uint64(a.Ctimensec)}
}

// sattr with the given mode, or none; times follow as "do not change".
func sattr(mode uint32) *enc { return (&enc{}).u32(1).u32(mode & 07777).raw(make([]byte, 20)) }

func (f *nfs) getattr(cr cred, fh string) (fuse.Attr, syscall.Errno) {
	d, _, e := f.call(cr, pGETATTR, (&enc{}).str(fh), nil)
	if e != 0 {
		return fuse.Attr{}, e
	}
	a := attr(d)
	if d.bad {
		e = syscall.EIO
	}
	return a, e
}

func (f *nfs) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	a, e := f.getattr(caller(&in.InHeader, false), f.node(in.NodeId).fh)
	out.Attr = a
	out.SetTimeout(f.ttl)
	return fuse.Status(e)
}

func (f *nfs) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	i, cr := f.node(in.NodeId), caller(&in.InHeader, true)
	if fh, ok := in.GetFh(); ok {
		if h := f.file(fh); h != nil {
			cr.uid, cr.gid, cr.gids = h.cr.uid, h.cr.gid, h.cr.gids
		}
	}
	e := (&enc{}).str(i.fh)
	for _, x := range []struct{ bit, v uint32 }{{fuse.FATTR_MODE, in.Mode & 07777}, {fuse.FATTR_UID, in.Uid}, {fuse.FATTR_GID, in.Gid}} {
		if in.Valid&x.bit != 0 {
			e.u32(1).u32(x.v)
		} else {
			e.u32(0)
		}
	}
	if in.Valid&fuse.FATTR_SIZE != 0 {
		if s := f.commit(i, cr); s != 0 { // so that nothing sent again can undo the truncation
			return fuse.Status(s)
		}
		i.rw.Lock()
		defer i.rw.Unlock()
		e.u32(1).u64(in.Size)
	} else {
		e.u32(0)
	}
	for _, x := range []struct {
		set, now uint32
		s        uint64
		ns       uint32
	}{{fuse.FATTR_ATIME, fuse.FATTR_ATIME_NOW, in.Atime, in.Atimensec}, {fuse.FATTR_MTIME, fuse.FATTR_MTIME_NOW, in.Mtime, in.Mtimensec}} {
		switch {
		case in.Valid&x.now != 0:
			e.u32(1)
		case in.Valid&x.set != 0:
			e.u32(2).u32(uint32(x.s)).u32(x.ns)
		default:
			e.u32(0)
		}
	}
	d, _, s := f.call(cr, pSETATTR, e.u32(0), nil)
	if s != 0 {
		return fuse.Status(s)
	}
	if d.u32() == 1 {
		d.take(24)
	}
	a, ok := postAttr(d)
	if !ok {
		a, s = f.getattr(cr, i.fh)
	}
	out.Attr = a
	out.SetTimeout(f.ttl)
	return fuse.Status(s)
}

func (f *nfs) StatFs(_ <-chan struct{}, h *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	d, _, e := f.call(caller(h, false), pFSSTAT, (&enc{}).str(f.node(h.NodeId).fh), nil)
	if e != 0 {
		return fuse.Status(e)
	}
	postAttr(d)
	out.Bsize, out.Frsize, out.NameLen = maxIO, 4096, 255
	out.Blocks, out.Bfree, out.Bavail = d.u64()/4096, d.u64()/4096, d.u64()/4096
	out.Files, out.Ffree = d.u64(), d.u64()
	return fuse.OK
}
