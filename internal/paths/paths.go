// Package paths says where one instance of the guard keeps its files, so that two instances on a host never share one.
// It only names places: it creates nothing and looks nothing up.
package paths

import "fmt"

// maxInstance bounds an instance's name, so that the socket's path stays well inside the 107 bytes that Linux allows.
const maxInstance = 32

// Paths holds the places of one instance. All are absolute.
type Paths struct {
	// Socket is where the API listens.
	Socket string
	// State is the directory for what has to outlive a restart.
	State string
	// AuditLog is the live audit log; its directory holds the rotated ones.
	AuditLog string
	// BPF is the directory on the bpf file system for pinned programs and maps.
	BPF string
	// Policy is the policy file that is read when none is named. Every instance has the same.
	Policy string
}

// For returns the paths of an instance; "" is the default one. It refuses a name that could lead out of its directory
// or that could not be typed safely: only a-z, 0-9, - and _ are allowed, it starts with a letter or digit.
func For(instance string) (Paths, error) {
	name := "stockade"
	if instance != "" {
		if !valid(instance) {
			return Paths{}, fmt.Errorf("instance name %q: want 1 to %d of a-z, 0-9, - and _, the first a letter or digit", instance, maxInstance)
		}
		name += "-" + instance
	}
	return Paths{
		Socket:   "/run/" + name + "/api.sock",
		State:    "/var/lib/" + name,
		AuditLog: "/var/log/" + name + "/audit.jsonl",
		BPF:      "/sys/fs/bpf/" + name,
		Policy:   "/etc/stockade/policy.yaml",
	}, nil
}

func valid(name string) bool {
	if len(name) > maxInstance {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case (c == '-' || c == '_') && i > 0:
		default:
			return false
		}
	}
	return true
}
