// The daemon: asks the server for the export, mounts, serves FUSE until the mount is gone. Called by main.go.
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// refusal is the MOUNT service's answer, in the words of nfs-utils: people and programs know them.
type refusal uint32

func (r refusal) Error() string {
	if e := nfsErrno(uint32(r)); e != syscall.EACCES && e != syscall.EPERM {
		return "reason given by server: " + e.Error()
	}
	return "access denied by server"
}

// rootHandle asks the MOUNT service for the export's file handle.
func (o *options) rootHandle() (string, error) {
	ports := []string{o.mport}
	if o.mport == "" { // ask the portmapper, then try the usual ports
		ports = []string{"20048", o.port}
		d, err := oneShot(net.JoinHostPort(o.host, "111"), false, 100000, 2, 3,
			(&enc{}).u32(100005).u32(3).u32(6).u32(0).b)
		if err == nil {
			if p := d.u32(); p != 0 {
				ports = []string{strconv.Itoa(int(p))}
			}
		}
	}
	var err error
	for _, p := range ports {
		var d *dec
		if d, err = oneShot(net.JoinHostPort(o.host, p), o.resv, 100005, 3, 1, (&enc{}).str(o.path).b); err != nil {
			err = fmt.Errorf("MOUNT service of %s on port %s: %w", o.host, p, err)
			continue
		}
		if st := d.u32(); st != 0 {
			return "", refusal(st)
		}
		return string(d.opaque()), nil
	}
	return "", err
}

func serve(o options, report *os.File) error {
	var root string
	var err error
	for start := time.Now(); ; time.Sleep(500 * time.Millisecond) {
		if root, err = o.rootHandle(); err == nil {
			break
		}
		if time.Since(start) > o.retry || errors.As(err, new(refusal)) {
			return err
		}
	}
	c := &client{addr: net.JoinHostPort(o.host, o.port), resv: o.resv, soft: o.retry, pend: map[uint32]*call{}, xid: uint32(time.Now().UnixNano())}
	go c.run()
	fs := newFS(c, root, o.ttl)
	mode, err := fs.probe()
	if err != nil {
		return fmt.Errorf("NFS service of %s: %w", c.addr, err)
	}
	c.soft = o.soft

	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/fuse: %w", err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=%o,user_id=0,group_id=0,allow_other,default_permissions,max_read=%d", fd, mode&unix.S_IFMT, maxIO)
	target := o.target
	os.Chdir("/")
	if err := unix.Mount(o.host+":"+o.path, target, "fuse.nfs", o.flags, data); err != nil {
		return fmt.Errorf("mount(2) of fuse: %w", err)
	}
	srv, err := fuse.NewServer(fs, fmt.Sprintf("/dev/fd/%d", fd), &fuse.MountOptions{
		MaxWrite: maxIO, MaxReadAhead: maxIO, MaxBackground: 32, DisableXAttrs: true, DisableSplice: true, Name: "nfs"})
	if err != nil {
		unix.Unmount(target, unix.MNT_DETACH)
		return err
	}
	fs.srv = srv
	var once sync.Once
	end := func(why string) {
		once.Do(func() {
			log.Printf("%s, ending", why)
			go func() { time.Sleep(20 * time.Second); log.Printf("giving up uncommitted writes"); os.Exit(1) }()
			fs.commitAll()
			os.Exit(0)
		})
		select {}
	}
	go func() { // an aborted connection (umount -f) must end us even while calls are stuck
		for {
			p := []unix.PollFd{{Fd: int32(fd)}}
			if _, err := unix.Poll(p, -1); err == nil && p[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0 {
				end("unmounted")
			}
		}
	}()
	go func() {
		var st unix.Statfs_t
		err := unix.Statfs(target, &st) // answered by us: the mount is ready
		var dev unix.Stat_t
		if unix.Stat(target, &dev) == nil { // the kernel starts FUSE with 128 KiB of read-ahead
			os.WriteFile(fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", unix.Major(dev.Dev), unix.Minor(dev.Dev)), []byte("4096"), 0)
		}
		log.Printf("mounted, flags %#x, err %v", o.flags, err)
		io.WriteString(report, "OK")
		report.Close()
	}()
	srv.Serve()
	end("session over")
	return nil
}
