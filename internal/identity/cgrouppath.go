package identity

import (
	"strings"

	"github.com/stockade-security/stockade/event"
)

// containerIDLength is that of the ids of docker, containerd, podman and cri-o: 256 bits in hexadecimal.
const containerIDLength = 64

// ParseCgroup finds the systemd unit and the container in a cgroup path. The unit is the innermost service, scope,
// mount, socket or swap of the host's systemd, else the innermost slice; names are systemd's own, with their \x
// escapes. What lies below a container belongs to it, so units in there are not the host's; of nested containers
// the innermost counts. Machines of systemd-nspawn and monitors such as conmon are not containers.
func ParseCgroup(path string) (unit string, c *event.Container) {
	slice, parent := "", ""
	for rest := path; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if name == "" {
			continue
		}
		if c == nil {
			switch plain := strings.TrimPrefix(name, "_"); {
			case isUnit(plain):
				unit = plain
			case strings.HasSuffix(plain, ".slice") && len(plain) > len(".slice"):
				slice = plain
			}
		}
		if id, runtime, ok := containerOf(name, parent); ok {
			c = &event.Container{ID: id, Runtime: runtime}
		}
		parent = name
	}
	if unit == "" {
		unit = slice
	}
	return unit, c
}

func isUnit(name string) bool {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 {
		return false
	}
	switch name[dot:] {
	case ".service", ".scope", ".mount", ".socket", ".swap":
		return true
	}
	return false
}

// containerPrefixes are what stands before the id in the names that each runtime gives its cgroups, with the
// systemd driver and with the cgroupfs driver.
var containerPrefixes = [...]struct{ prefix, runtime string }{
	{"docker-", "docker"},
	{"cri-containerd-", "containerd"},
	{"nerdctl-", "containerd"},
	{"crio-", "cri-o"},
	{"libpod-payload-", "podman"},
	{"libpod-", "podman"},
}

// containerOf reads one component of a cgroup path and the one above it.
func containerOf(name, parent string) (id, runtime string, ok bool) {
	// containerd with a systemd path and the cgroupfs driver: SLICE:cri-containerd:ID
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		id = name[i+1:]
		if strings.HasSuffix(name[:i], ":cri-containerd") {
			runtime = "containerd"
		}
		return id, runtime, isContainerID(id)
	}
	name = strings.TrimSuffix(name, ".scope")
	if isContainerID(name) {
		if parent == "docker" {
			runtime = "docker"
		}
		return name, runtime, true
	}
	for _, p := range containerPrefixes {
		if id, found := strings.CutPrefix(name, p.prefix); found && isContainerID(id) {
			return id, p.runtime, true
		}
	}
	return "", "", false
}

func isContainerID(s string) bool {
	if len(s) != containerIDLength {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
