package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// hierarchy is one mounted cgroup file system of the host.
type hierarchy struct {
	mount   string // where the host mounts it
	version int
	options string // controllers of a v1 hierarchy, as mount wants them
}

// hierarchies lists the cgroup mounts. On a hybrid host (v1 controllers and an empty v2 tree) only v1 counts.
func hierarchies() ([]hierarchy, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var one, two []hierarchy
	for _, line := range strings.Split(string(data), "\n") {
		before, after, found := strings.Cut(line, " - ")
		if !found {
			continue
		}
		mount, tail := strings.Fields(before)[4], strings.Fields(after)
		switch tail[0] {
		case "cgroup":
			one = append(one, hierarchy{mount, 1, controllers(tail[2])})
		case "cgroup2":
			two = append(two, hierarchy{mount, 2, ""})
		}
	}
	if len(one) > 0 {
		return one, nil
	}
	return two, nil
}

// controllers drops from a super block's options what mount must not be given again.
func controllers(options string) string {
	var kept []string
	for _, option := range strings.Split(options, ",") {
		if option != "rw" && option != "ro" && option != "xattr" && !strings.HasPrefix(option, "release_agent=") {
			kept = append(kept, option)
		}
	}
	return strings.Join(kept, ",")
}

// enterCgroups moves this process into `name` in every hierarchy, so that a child with its own cgroup namespace sees
// that directory as the root. The function it returns moves this process back: on cgroup v2 a directory that holds
// processes cannot give its controllers to children, and the child cannot move a process it does not see.
func enterCgroups(name string) (func() error, error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	all, err := hierarchies()
	if err != nil {
		return nil, err
	}
	back := map[string]string{}
	for _, h := range all {
		own, err := ownCgroup(h)
		if err != nil {
			return nil, err
		}
		target := filepath.Join(h.mount, name)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return nil, err
		}
		// A new v1 cpuset is empty and takes no process until it is filled.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if value, err := os.ReadFile(filepath.Join(h.mount, file)); err == nil && h.version == 1 {
				if err := os.WriteFile(filepath.Join(target, file), value, 0o644); err != nil {
					return nil, err
				}
			}
		}
		if err := join(target); err != nil {
			return nil, err
		}
		back[filepath.Join(h.mount, own)] = target
	}
	return func() error {
		for directory := range back {
			if err := join(directory); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

func join(directory string) error {
	return os.WriteFile(filepath.Join(directory, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0o644)
}

func ownCgroup(h hierarchy) (string, error) {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for _, line := range strings.Split(string(data), "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) == 3 && ((h.version == 2 && parts[0] == "0") || (h.version == 1 && parts[1] == h.options)) {
			return parts[2], nil
		}
	}
	return "", fmt.Errorf("this process is in no cgroup of %s", h.mount)
}

// mountCgroups mounts the hierarchies below the new root as this cgroup namespace sees them.
func mountCgroups(root string, all []hierarchy) error {
	if len(all) == 1 && all[0].version == 2 {
		return mountUnified(filepath.Join(root, "sys/fs/cgroup"))
	}
	if err := mount("tmpfs", filepath.Join(root, "sys/fs/cgroup"), "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	for _, h := range all {
		target := filepath.Join(root, "sys/fs/cgroup", filepath.Base(h.mount))
		if err := mount("cgroup", target, "cgroup", 0, h.options); err != nil {
			return err
		}
	}
	return nil
}

// mountUnified mounts cgroup v2, moves init into a leaf and hands the controllers down (not run here: see hierarchies).
func mountUnified(target string) error {
	if err := mount("cgroup2", target, "cgroup2", 0, ""); err != nil {
		return err
	}
	leaf := filepath.Join(target, "node")
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		return err
	}
	if err := join(leaf); err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(target, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(data)) {
		control := filepath.Join(target, "cgroup.subtree_control")
		if err := os.WriteFile(control, []byte("+"+name), 0o644); err != nil {
			fmt.Fprintf(os.Stderr, "node: controller %s: %v\n", name, err)
		}
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", kind, target, err)
	}
	return nil
}
