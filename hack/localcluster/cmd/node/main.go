// Runs a Linux node (or one build command) in namespaces of its own, like a container without an engine.
//
//	node run CONFIG    started by hack/clusterlib: makes the namespaces, waits for init
//	node init CONFIG   process 1 of the namespaces: mounts, then supervises the components or executes one command
//	node pki CONFIG    writes the cluster's certificates
//
// The end of `run`, by whatever signal, ends init, and with init every process, mount, link and firewall rule of the
// node: nothing has to be undone one by one. Only cgroup directories outlive it (hack/clusterlib removes them).
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: node run|init|pki CONFIG"))
	}
	var err error
	switch os.Args[1] {
	case "run":
		err = run(os.Args[2])
	case "init":
		err = initialise(os.Args[2])
	case "pki":
		err = writePKI(os.Args[2])
	default:
		err = fmt.Errorf("unknown command %q", os.Args[1])
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "node:", err)
	os.Exit(1)
}

func run(path string) error {
	// The parent-death signal comes when the *thread* that forked ends, so this one must live as long as the process.
	runtime.LockOSThread()
	config, err := readConfig(path)
	if err != nil {
		return err
	}
	leave, err := enterCgroups(config.Cgroup)
	if err != nil {
		return err
	}
	child := exec.Command("/proc/self/exe", "init", path)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	flags := uintptr(syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC)
	if config.NetNS {
		flags |= syscall.CLONE_NEWNET
	}
	if config.Cgroup != "" {
		flags |= syscall.CLONE_NEWCGROUP
	}
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	if err := child.Start(); err != nil {
		return err
	}
	if err := leave(); err != nil {
		return err
	}
	startUplink(config.Uplink, child.Process.Pid)
	err = child.Wait()
	if exit, ok := err.(*exec.ExitError); ok && exit.Exited() {
		os.Exit(exit.ExitCode())
	}
	return err
}

// startUplink starts the node's way to the internet; the cluster works without it, so a failure is only logged.
func startUplink(argv []string, pid int) {
	if len(argv) == 0 {
		return
	}
	arguments := make([]string, len(argv))
	for i, argument := range argv {
		arguments[i] = strings.ReplaceAll(argument, "{pid}", strconv.Itoa(pid))
	}
	uplink := exec.Command(arguments[0], arguments[1:]...)
	uplink.Stdout, uplink.Stderr = os.Stdout, os.Stderr
	uplink.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := uplink.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "node: no way out to the internet:", err)
	}
}
