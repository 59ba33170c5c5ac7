package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	logs       = "/var/log/blueno"
	poll       = 20 * time.Millisecond
	restart    = 500 * time.Millisecond
	maxRestart = 8 * time.Second
	// A component that ran this long before it ended starts again without a longer wait.
	settled = 20 * time.Second
)

func initialise(path string) error {
	config, err := readConfig(path)
	if err != nil {
		return err
	}
	if err := enterRoot(config); err != nil {
		return err
	}
	if err := syscall.Sethostname([]byte(config.Hostname)); err != nil {
		return err
	}
	if len(config.Exec) > 0 {
		return execute(config)
	}
	if out, err := exec.Command("/bin/ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip link set lo up: %s", out)
	}
	for name, value := range config.Sysctls {
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644); err != nil {
			return err
		}
	}
	waitForAddress(config.Address)
	s := &supervisor{running: map[int]*process{}}
	for _, component := range config.Components {
		go s.launch(&process{component: component, delay: restart})
	}
	s.reap()
	return nil
}

// execute runs the one command as a child: as process 1 it would neither get signals nor collect orphans.
func execute(config *Config) error {
	if err := os.Chdir(config.Cwd); err != nil {
		return err
	}
	if err := os.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"); err != nil {
		return err
	}
	command := exec.Command(config.Exec[0], config.Exec[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.Env = config.Env
	err := command.Run()
	if exit, ok := err.(*exec.ExitError); ok {
		os.Exit(exit.ExitCode())
	}
	return err
}

// waitForAddress returns once the host has plugged in the network cable (hack/clusterlib/network.py).
func waitForAddress(address string) {
	for {
		addresses, _ := net.InterfaceAddrs()
		for _, a := range addresses {
			if strings.HasPrefix(a.String(), address+"/") {
				return
			}
		}
		time.Sleep(poll)
	}
}

type process struct {
	component Component
	started   time.Time
	delay     time.Duration
}

type supervisor struct {
	// Held while a process is forked and noted, so that reap finds even one that ends at once.
	mutex   sync.Mutex
	running map[int]*process
}

func (s *supervisor) launch(p *process) {
	for _, address := range p.component.After {
		waitFor(address)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	pid, err := fork(p.component)
	if err != nil {
		fmt.Fprintf(os.Stderr, "node: %s: %v\n", p.component.Name, err)
		time.AfterFunc(maxRestart, func() { s.launch(p) })
		return
	}
	p.started = time.Now()
	s.running[pid] = p
}

// reap collects every child, orphans of the node included, and starts components again.
func (s *supervisor) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.ECHILD {
			time.Sleep(poll)
		}
		if err != nil {
			continue
		}
		s.mutex.Lock()
		p := s.running[pid]
		delete(s.running, pid)
		s.mutex.Unlock()
		if p == nil {
			continue
		}
		if time.Since(p.started) > settled {
			p.delay = restart
		}
		how := fmt.Sprintf("exit status %d", status.ExitStatus())
		if status.Signaled() {
			how = status.Signal().String()
		}
		fmt.Fprintf(os.Stderr, "node: %s %s ended (%s), starts again in %s\n",
			time.Now().Format(time.RFC3339), p.component.Name, how, p.delay)
		delay := p.delay
		p.delay = min(p.delay*2, maxRestart)
		time.AfterFunc(delay, func() { s.launch(p) })
	}
}

func fork(component Component) (int, error) {
	name := filepath.Join(logs, component.Name+".log")
	log, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	null, err := os.Open("/dev/null")
	if err != nil {
		return 0, err
	}
	defer null.Close()
	environment := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}
	return syscall.ForkExec(component.Argv[0], component.Argv, &syscall.ProcAttr{
		Dir: "/", Env: environment, Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
}

// waitFor takes "network:address", for example "tcp:127.0.0.1:2379" or "unix:/run/x.sock".
func waitFor(address string) {
	network, target, _ := strings.Cut(address, ":")
	for {
		connection, err := net.DialTimeout(network, target, time.Second)
		if err == nil {
			connection.Close()
			return
		}
		time.Sleep(poll)
	}
}
