//go:build linux

package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/internal/kernel"
)

// Scope limits whom the guard watches, in the kernel. The zero value watches everybody.
type Scope struct {
	// Cgroup is a directory of the cgroup v2 tree, absolute or below its root.
	Cgroup string
	// PIDs are watched with the children they make from now on.
	PIDs []int
	// Container is an id or the beginning of one; its cgroup is watched.
	Container string
}

// resolve finds the scope's cgroup below the root of the tree.
func (s Scope) resolve(root string) (kernel.Scope, error) {
	out := kernel.Scope{PIDs: s.PIDs}
	for _, pid := range s.PIDs {
		if err := unix.Kill(pid, 0); errors.Is(err, unix.ESRCH) {
			return out, fmt.Errorf("no process %d", pid)
		}
	}
	if s.Cgroup == "" && s.Container == "" {
		return out, nil
	}
	if root == "" {
		return out, errors.New("no cgroup v2 tree is mounted: a cgroup or container cannot be watched alone")
	}
	dir := s.Cgroup
	if s.Container != "" {
		if s.Cgroup != "" {
			return out, errors.New("name a cgroup or a container, not both")
		}
		var err error
		if dir, err = containerCgroup(root, s.Container); err != nil {
			return out, err
		}
	}
	if rel, err := filepath.Rel(root, dir); err == nil && filepath.IsLocal(rel) {
		dir = rel
	}
	dir = strings.Trim(filepath.Clean("/"+dir), "/")
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(root, dir, "cgroup.procs"), &st); err != nil && dir != "" {
		return out, fmt.Errorf("no cgroup %s below %s: %w", dir, root, err)
	}
	if err := unix.Stat(filepath.Join(root, dir), &st); err != nil {
		return out, fmt.Errorf("cgroup %s: %w", dir, err)
	}
	if dir != "" {
		out.CgroupID, out.CgroupLevel = st.Ino, uint32(strings.Count(dir, "/")+1)
	}
	return out, nil
}

// containerCgroup finds the one cgroup whose name holds an id that begins so.
func containerCgroup(root, id string) (string, error) {
	if len(id) < 4 || strings.Trim(id, "0123456789abcdef") != "" {
		return "", fmt.Errorf("container %q: give at least four digits of its hexadecimal id", id)
	}
	var found []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // a cgroup that went meanwhile
		}
		if err != nil || !e.IsDir() {
			return err
		}
		name := strings.TrimSuffix(e.Name(), ".scope")
		if _, after, ok := strings.Cut(name, "-"); ok {
			name = after // docker-ID.scope, crio-ID.scope, cri-containerd-ID.scope
			name = name[strings.LastIndexByte(name, '-')+1:]
		}
		if strings.HasPrefix(name, id) && len(name) == 64 {
			found = append(found, path)
			return filepath.SkipDir
		}
		return nil
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("look for container %s: %w", id, err)
	case len(found) == 0:
		return "", fmt.Errorf("no cgroup of a container %s below %s", id, root)
	case len(found) > 1:
		return "", fmt.Errorf("container %s is ambiguous: %d containers begin so", id, len(found))
	}
	return found[0], nil
}
