// mount.nfs for a kernel with FUSE but no NFS client: mounts server:/path by forwarding every operation to the NFSv3
// server. Put into the local cluster's node by hack/clusterlib (nfsclient.py), started there by mount(8) for the kubelet.
// What it does and does not do: README.md.
//
//	main.go    options; the parent, which waits until the mount is usable and ends
//	mount.go   the daemon: MOUNT protocol, mount(2), the end
//	client.go  the NFS connection        rpc.go, xdr.go  below it
//	fs.go      what the FUSE operations share; then names.go, files.go and dirs.go, one kind of operation each
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const childEnv = "MOUNT_NFS_FUSE_CHILD"

type options struct {
	host, path, target, logfile string
	port, mport                 string
	flags                       uintptr
	resv                        bool
	soft, ttl, retry            time.Duration
}

func fail(code int, f string, a ...any) {
	fmt.Fprintf(os.Stderr, "mount.nfs: "+f+"\n", a...)
	os.Exit(code)
}

func parse(args []string) options {
	o := options{port: "2049", resv: true, ttl: time.Second, retry: 10 * time.Second,
		flags: unix.MS_NOSUID | unix.MS_NODEV, logfile: "/var/log/blueno/mount-nfs.log"}
	var pos, opts []string
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-o" || a == "-t":
			if i++; i < len(args) && a == "-o" {
				opts = append(opts, strings.Split(args[i], ",")...)
			}
		case strings.HasPrefix(a, "-o"):
			opts = append(opts, strings.Split(a[2:], ",")...)
		case strings.HasPrefix(a, "-"):
			if a == "-V" {
				fmt.Println("mount.nfs stand-in (FUSE to NFSv3)")
				os.Exit(0)
			}
			if strings.Contains(a, "f") { // fake mount
				os.Exit(0)
			}
			if strings.Contains(a, "r") {
				o.flags |= unix.MS_RDONLY
			}
		default:
			pos = append(pos, a)
		}
	}
	if len(pos) == 2 {
		pos[1], _ = filepath.Abs(pos[1])
	} else {
		fail(1, "usage: mount.nfs server:/path dir [-sfnvr] [-o options]")
	}
	i := strings.Index(pos[0], ":/")
	if i < 1 {
		fail(1, "%q is not server:/path", pos[0])
	}
	o.host, o.path, o.target = strings.Trim(pos[0][:i], "[]"), pos[0][i+1:], pos[1]
	timeo, retrans := 600, 2
	for _, s := range opts {
		k, v, _ := strings.Cut(s, "=")
		n, _ := strconv.Atoi(v)
		switch k {
		case "ro":
			o.flags |= unix.MS_RDONLY
		case "rw":
			o.flags &^= unix.MS_RDONLY
		case "noexec":
			o.flags |= unix.MS_NOEXEC
		case "noatime":
			o.flags |= unix.MS_NOATIME
		case "suid":
			o.flags &^= unix.MS_NOSUID
		case "dev":
			o.flags &^= unix.MS_NODEV
		case "port":
			o.port = v
		case "mountport":
			o.mport = v
		case "resvport":
			o.resv = true
		case "noresvport":
			o.resv = false
		case "noac":
			o.ttl = 0
		case "actimeo":
			o.ttl = time.Duration(n) * time.Second
		case "retry":
			o.retry = time.Duration(n) * time.Minute
		case "timeo":
			timeo = n
		case "retrans":
			retrans = n
		case "soft":
			o.soft = 1
		case "logfile":
			o.logfile = v
		case "proto", "mountproto":
			if strings.HasPrefix(v, "udp") {
				fail(32, "only TCP is supported, not %s", s)
			}
		case "sec":
			if v != "sys" && v != "null" {
				fail(32, "only sec=sys is supported, not %s", s)
			}
		case "remount":
			fail(32, "remount is not supported")
		} // vers, nfsvers, hard, nconnect, rsize, wsize, nolock, bg, ...: accepted and ignored
	}
	if o.soft > 0 {
		o.soft = time.Duration(timeo) * 100 * time.Millisecond * time.Duration(retrans+1)
	}
	return o
}

func main() {
	o := parse(os.Args[1:])
	if os.Getenv(childEnv) == "" {
		parent(o)
	}
	syscall.Umask(0)
	log.SetPrefix(fmt.Sprintf("[%d %s:%s %s] ", os.Getpid(), o.host, o.path, o.target))
	report := os.NewFile(3, "report")
	syscall.CloseOnExec(3)
	if err := serve(o, report); err != nil {
		log.Printf("mount failed: %v", err)
		fmt.Fprintf(report, "%v", err)
		os.Exit(32)
	}
}

// parent starts the daemon and waits until the mount is usable.
func parent(o options) {
	if st, err := os.Stat(o.target); err != nil || !st.IsDir() {
		fail(32, "mount point %s is not a directory (%v)", o.target, err)
	}
	lf, err := os.OpenFile(o.logfile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		lf, _ = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	r, w, err := os.Pipe()
	if err != nil {
		fail(32, "%v", err)
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = "mount.nfs-fuse"
	cmd.Env = append(os.Environ(), childEnv+"=1", "GOGC=50")
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = lf, lf, []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		fail(32, "cannot start the daemon: %v", err)
	}
	w.Close()
	if b, _ := io.ReadAll(r); string(b) != "OK" {
		fail(32, "%s while mounting %s:%s", b, o.host, o.path)
	}
	os.Exit(0)
}
