// Directories, read whole when they are opened.
package main

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func (f *nfs) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	out.Fh = f.newHandle(f.node(in.NodeId), caller(&in.InHeader, true))
	return fuse.OK
}

func (f *nfs) ReleaseDir(in *fuse.ReleaseIn) { f.release(in.Fh, 0) }

// list reads the whole directory, so that offsets are ours and a directory that
// changes meanwhile (BAD_COOKIE) or a server restart does not disturb the reader.
func (f *nfs) list(h *handle, cr cred) (ls []entry, e syscall.Errno) {
	var cookie uint64
	verf := make([]byte, 8)
	for tries := 0; ; {
		d, _, e := f.call(cr, pREADDIRPLUS, (&enc{}).str(h.ino.fh).u64(cookie).raw(verf).u32(128<<10).u32(min(f.rmax, 512<<10)), nil)
		if e == syscall.EINVAL && cookie != 0 && tries < 100 { // the verifier aged: fetch the present one
			tries++
			if d, _, e = f.call(cr, pREADDIRPLUS, (&enc{}).str(h.ino.fh).u64(0).raw(make([]byte, 8)).u32(4096).u32(8192), nil); e == 0 {
				postAttr(d)
				copy(verf, d.take(8))
				continue
			}
		}
		if e != 0 {
			return nil, e
		}
		postAttr(d)
		copy(verf, d.take(8))
		for d.u32() == 1 {
			n := entry{ino: d.u64(), name: string(d.opaque())}
			cookie = d.u64()
			a, ok := postAttr(d)
			if n.a = a; d.u32() == 1 && ok {
				n.fh = string(d.opaque())
			}
			ls = append(ls, n)
		}
		if d.u32() == 1 {
			return ls, 0
		} else if d.bad {
			return nil, syscall.EIO
		}
	}
}

func (f *nfs) readdir(in *fuse.ReadIn, out *fuse.DirEntryList, plus bool) fuse.Status {
	h := f.file(in.Fh)
	h.mu.Lock()
	defer h.mu.Unlock()
	if in.Offset == 0 {
		cr := h.cr
		cr.pid = in.Pid
		var e syscall.Errno
		if h.ls, e = f.list(h, cr); e != 0 {
			return fuse.Status(e)
		}
	}
	for n := int(in.Offset); n < len(h.ls); n++ {
		x := &h.ls[n]
		de := fuse.DirEntry{Name: x.name, Ino: x.ino, Mode: x.a.Mode, Off: uint64(n + 1)}
		if !plus {
			if !out.AddDirEntry(de) {
				break
			}
			continue
		}
		eo := out.AddDirLookupEntry(de)
		if eo == nil {
			break
		}
		if x.name != "." && x.name != ".." && x.fh != "" {
			f.fill(x.fh, x.a, eo)
		}
	}
	return fuse.OK
}

func (f *nfs) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.readdir(in, out, false)
}

func (f *nfs) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.readdir(in, out, true)
}
