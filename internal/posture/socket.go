package posture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/stockade-security/stockade/event"
)

// processes counts the processes and lists the sockets of every network namespace that a process is in, each with a process that holds it.
// Namespaces that only a mount or a single thread holds are not seen. A socket that several processes hold is given to the first
// one found, in order of pid.
func (r *Reader) processes(ctx context.Context) (count, sockets []event.Posture) {
	var pids []int
	cut := false
	err := r.each("proc", func(name string) bool {
		if pid, err := strconv.Atoi(name); err == nil && pid > 0 {
			if cut = len(pids) == maxProcesses; cut {
				return false
			}
			pids = append(pids, pid)
		}
		return true
	})
	if err != nil {
		return []event.Posture{{Subject: "process", Name: ListName, Value: reason(err)}}, nil
	}
	slices.Sort(pids)
	count = []event.Posture{{Subject: "process", Name: "count", Value: strconv.Itoa(len(pids))}}
	if cut {
		count = append(count, event.Posture{Subject: "process", Name: ListName, Value: fmt.Sprintf("cut after %d", len(pids))})
	}
	s := &survey{reader: r, byInode: map[uint64]*found{}}
	s.readTables(ctx, s.namespaces(ctx, pids))
	s.findOwners(ctx, pids)
	return count, s.facts()
}

// survey is one pass over sockets and their owners.
type survey struct {
	reader  *Reader
	found   []*found
	byInode map[uint64]*found
	// unreadable counts processes whose descriptors may not be read.
	unreadable int
	problems   []string
}

type found struct {
	socket
	pid int
}

// namespace is a network namespace and some processes in it; more than one, because the first may end before it has been read.
type namespace struct {
	id   uint64
	pids []int
}

// namespaces groups pids by network namespace, in the order of each one's lowest pid.
func (s *survey) namespaces(ctx context.Context, pids []int) []*namespace {
	var list []*namespace
	byID := map[uint64]*namespace{}
	for _, pid := range pids {
		if ctx.Err() != nil {
			break
		}
		target, err := fs.ReadLink(s.reader.root, fmt.Sprintf("proc/%d/ns/net", pid))
		if err != nil {
			continue
		}
		id, ok := inodeOf(target, "net")
		if !ok {
			continue
		}
		n := byID[id]
		if n == nil {
			if len(list) == maxNetns {
				s.problems = append(s.problems, fmt.Sprintf("cut after %d network namespaces", maxNetns))
				break
			}
			n = &namespace{id: id}
			byID[id] = n
			list = append(list, n)
		}
		if len(n.pids) < 3 {
			n.pids = append(n.pids, pid)
		}
	}
	return list
}

// readTables reads the socket tables of each namespace.
func (s *survey) readTables(ctx context.Context, list []*namespace) {
	for _, n := range list {
		for _, t := range tables() {
			if ctx.Err() != nil {
				s.problems = append(s.problems, "cut: "+ctx.Err().Error())
				return
			}
			if len(s.found) == maxSockets {
				s.problems = append(s.problems, fmt.Sprintf("cut after %d", maxSockets))
				return
			}
			s.readTable(n, t)
		}
	}
}

// readTable reads one table through the first process of the namespace that is still there.
func (s *survey) readTable(n *namespace, t table) {
	for _, pid := range n.pids {
		f, err := s.reader.root.Open(fmt.Sprintf("proc/%d/net/%s", pid, t.file))
		if err != nil {
			continue
		}
		err = scanTable(f, t, func(k socket) bool {
			if s.byInode[k.inode] == nil {
				k.netns = n.id
				e := &found{socket: k}
				s.byInode[k.inode] = e
				s.found = append(s.found, e)
			}
			return len(s.found) < maxSockets
		})
		_ = f.Close() // it was only read
		if err == nil {
			return
		}
	}
}

// findOwners goes once through the descriptors of all processes and stops when every socket has an owner.
func (s *survey) findOwners(ctx context.Context, pids []int) {
	missing, budget := len(s.found), maxFDs
	for _, pid := range pids {
		if missing == 0 {
			return
		}
		if budget <= 0 || ctx.Err() != nil {
			s.problems = append(s.problems, fmt.Sprintf("owners of %d not looked for", missing))
			return
		}
		dir := fmt.Sprintf("proc/%d/fd", pid)
		err := s.reader.each(dir, func(fd string) bool {
			budget--
			target, err := fs.ReadLink(s.reader.root, dir+"/"+fd)
			if err != nil {
				return budget > 0
			}
			if inode, ok := inodeOf(target, "socket"); ok {
				if e := s.byInode[inode]; e != nil && e.pid == 0 {
					e.pid = pid
					missing--
				}
			}
			return budget > 0 && missing > 0
		})
		if errors.Is(err, fs.ErrPermission) {
			s.unreadable++
		}
	}
}

// inodeOf reads a link's text of the form KIND:[NUMBER].
func inodeOf(target, kind string) (uint64, bool) {
	rest, ok := strings.CutPrefix(target, kind+":[")
	if !ok {
		return 0, false
	}
	rest, ok = strings.CutSuffix(rest, "]")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(rest, 10, 64)
	return n, err == nil
}

// facts writes what was found, sorted by name, then inode.
func (s *survey) facts() []event.Posture {
	slices.SortFunc(s.found, func(a, b *found) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.netns, b.netns), cmp.Compare(a.inode, b.inode))
	})
	facts := make([]event.Posture, 0, len(s.found)+1)
	owners := map[int]string{}
	for _, e := range s.found {
		value := fmt.Sprintf("state=%s netns=%d inode=%d", e.state, e.netns, e.inode)
		if e.uid != "" {
			value += " uid=" + e.uid
		}
		facts = append(facts, event.Posture{Subject: "socket", Name: e.name, Value: value + s.owner(owners, e.pid)})
	}
	if s.unreadable > 0 {
		s.problems = append(s.problems, fmt.Sprintf("%d processes could not be read", s.unreadable))
	}
	if len(s.problems) > 0 {
		facts = append(facts, event.Posture{Subject: "socket", Name: ListName, Value: strings.Join(s.problems, "; ")})
	}
	return facts
}

// owner describes a process; 0 is a socket that no readable process holds, such as one of the kernel's.
func (s *survey) owner(cache map[int]string, pid int) string {
	if pid == 0 {
		return ""
	}
	text, ok := cache[pid]
	if !ok {
		text = fmt.Sprintf(" pid=%d", pid)
		if comm, _, err := s.reader.read(fmt.Sprintf("proc/%d/comm", pid), 64); err == nil {
			text += " name=" + strconv.Quote(strings.TrimSuffix(string(comm), "\n"))
		}
		if exe, err := fs.ReadLink(s.reader.root, fmt.Sprintf("proc/%d/exe", pid)); err == nil {
			text += " exe=" + strconv.Quote(exe)
		}
		cache[pid] = text
	}
	return text
}
