package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// enterRoot builds the node's file system in this mount namespace and makes it the root.
func enterRoot(config *Config) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	all, err := hierarchies()
	if err != nil {
		return err
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", config.Lower, config.Upper, config.Work)
	if err := mount("overlay", config.Root, "overlay", 0, options); err != nil {
		return err
	}
	steps := []func() error{
		func() error { return mountSystem(config.Root) },
		func() error { return mountDevices(filepath.Join(config.Root, "dev")) },
		func() error { return bindAll(config) },
		func() error { return maskSysctls(config) },
	}
	if config.Cgroup != "" {
		steps = append(steps, func() error { return mountCgroups(config.Root, all) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return pivot(config.Root)
}

func mountSystem(root string) error {
	if err := mount("proc", filepath.Join(root, "proc"), "proc", 0, ""); err != nil {
		return err
	}
	if err := mount("sysfs", filepath.Join(root, "sys"), "sysfs", 0, ""); err != nil {
		return err
	}
	return mount("tmpfs", filepath.Join(root, "run"), "tmpfs", 0, "mode=755")
}

// mountDevices gives a small /dev. kmsg is for the kubelet's watch for killed processes, fuse for FUSE mounts.
func mountDevices(dev string) error {
	if err := mount("tmpfs", dev, "tmpfs", syscall.MS_NOSUID, "mode=755"); err != nil {
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "kmsg", "fuse"} {
		if _, err := os.Stat("/dev/" + name); err != nil {
			continue
		}
		if err := bind(Bind{Source: "/dev/" + name, Target: filepath.Join(dev, name)}); err != nil {
			return err
		}
	}
	options := "newinstance,ptmxmode=0666,mode=0620,gid=5"
	if err := mount("devpts", filepath.Join(dev, "pts"), "devpts", 0, options); err != nil {
		return err
	}
	if err := mount("tmpfs", filepath.Join(dev, "shm"), "tmpfs", 0, "mode=1777"); err != nil {
		return err
	}
	if err := mount("mqueue", filepath.Join(dev, "mqueue"), "mqueue", 0, ""); err != nil {
		return err
	}
	links := map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd",
		"stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	return nil
}

func bindAll(config *Config) error {
	for _, b := range config.Binds {
		b.Target = filepath.Join(config.Root, b.Target)
		if err := bind(b); err != nil {
			return err
		}
	}
	return nil
}

func bind(b Bind) error {
	info, err := os.Stat(b.Source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(b.Target, 0o755)
	} else if _, missing := os.Lstat(b.Target); missing != nil {
		if err = os.MkdirAll(filepath.Dir(b.Target), 0o755); err == nil {
			err = os.WriteFile(b.Target, nil, 0o644)
		}
	}
	if err != nil {
		return err
	}
	if err := syscall.Mount(b.Source, b.Target, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s on %s: %w", b.Source, b.Target, err)
	}
	if !b.ReadOnly {
		return nil
	}
	return syscall.Mount("", b.Target, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
}

// maskSysctls lays plain files over kernel settings that have no namespace. The kubelet insists on writing
// vm.overcommit_memory, kernel.panic and the like; it writes to these files, and the host's values stay.
func maskSysctls(config *Config) error {
	for path, value := range config.Masked {
		file := filepath.Join(config.Root, "run/masked", path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		target := filepath.Join(config.Root, "proc/sys", path)
		if _, err := os.Stat(target); err != nil {
			continue
		}
		if err := bind(Bind{Source: file, Target: target}); err != nil {
			return err
		}
	}
	return nil
}

func pivot(root string) error {
	old := filepath.Join(root, ".old")
	if err := os.MkdirAll(old, 0o700); err != nil {
		return err
	}
	if err := syscall.PivotRoot(root, old); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := syscall.Unmount("/.old", syscall.MNT_DETACH); err != nil {
		return err
	}
	if err := os.Remove("/.old"); err != nil {
		return err
	}
	// The kubelet and containerd pass mounts to each other's namespaces: that needs shared propagation.
	return syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, "")
}
