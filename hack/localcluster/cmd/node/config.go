package main

import (
	"encoding/json"
	"os"
)

// Config is written by hack/clusterlib (nodeconfig.py for a node, toolbox.py for a build) as JSON.
type Config struct {
	Hostname string `json:"hostname"`
	// The root is an overlay: Lower is the cached Debian file system, Upper and Work this node's own.
	Lower string `json:"lower"`
	Upper string `json:"upper"`
	Work  string `json:"work"`
	Root  string `json:"root"`
	Binds []Bind `json:"binds"`
	// Cgroup is the node's directory below every cgroup hierarchy's root; empty: none.
	Cgroup string `json:"cgroup"`
	// NetNS: give the node its own network, and wait until it has Address.
	NetNS   bool              `json:"netns"`
	Address string            `json:"address"`
	Sysctls map[string]string `json:"sysctls"`
	// Masked files of /proc/sys: see maskSysctls.
	Masked map[string]string `json:"masked"`
	// Uplink runs on the host beside the node; "{pid}" becomes the init's pid.
	Uplink     []string    `json:"uplink"`
	Components []Component `json:"components"`
	// Exec replaces supervising: run this one command and end with its status.
	Exec []string `json:"exec"`
	Cwd  string   `json:"cwd"`
	Env  []string `json:"env"`
}

// Bind makes Source (on the host) visible at Target (in the node).
type Bind struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly"`
}

// Component is one supervised program; it starts once every address in After accepts connections.
type Component struct {
	Name  string   `json:"name"`
	Argv  []string `json:"argv"`
	After []string `json:"after"`
}

func readConfig(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	config := &Config{}
	return config, json.Unmarshal(data, config)
}
