package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"

	"github.com/stockade-security/stockade/event"
)

// Snapshot reads every process of /proc into the table. Records may be applied meanwhile, and must be if nothing is
// to be missed: start the sensors first. What a record has told about a process is never overwritten, whichever of
// the two comes first; a pid that is reused while it is read is read again. Its error means that there is no
// process list at all; processes that end meanwhile are none.
func (t *Table) Snapshot(ctx context.Context) error {
	if !procfsSupported {
		return fmt.Errorf("take an inventory of processes: %w", errors.ErrUnsupported)
	}
	names, err := os.ReadDir(t.cfg.Procfs)
	if err != nil {
		return fmt.Errorf("take an inventory of processes: %w", err)
	}
	var infos []procInfo
	for _, n := range names {
		pid, err := strconv.Atoi(n.Name())
		if err != nil || pid <= 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if info, err := readProcess(t.cfg.Procfs, pid); err == nil {
			t.apply(info, true)
			infos = append(infos, info)
		}
	}
	// Parents are older than their children, so each finds its parent's own lineage complete.
	slices.SortFunc(infos, func(a, b procInfo) int {
		return cmp.Or(cmp.Compare(a.proc.StartNS, b.proc.StartNS), cmp.Compare(a.proc.PID, b.proc.PID))
	})
	for _, info := range infos {
		t.link(info)
	}
	return nil
}

// apply adds to a process what /proc says and no record has. Only with add it makes an entry.
func (t *Table) apply(info procInfo, add bool) {
	var cgroupID uint64
	if info.cgroupV2 {
		cgroupID = t.cgroupfs.idOf(info.cgroup)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.findTick(info.proc.PID, info.proc.StartNS, false)
	if e == nil {
		if !add {
			return
		}
		e = t.insert(event.Process{Ref: info.proc.Ref}, false)
		p := *e.proc
		p.Existing = true
		e.proc = &p
	}
	old := e.proc.Ref
	k := known{proc: info.proc, has: hasIDs | hasImage}
	t.setIDs(&k.proc, info.ids)
	if info.proc.Namespaces != nil {
		k.has |= hasNamespaces
	}
	if info.cgroup != "" && e.has&hasCgroup == 0 {
		k.cg = t.cgroupByPath(cgroupID, info.cgroup)
		k.has |= hasCgroup
	}
	if e.has&hasImage == 0 {
		k.proc.Exe, k.proc.CWD = t.intern(info.proc.Exe), t.intern(info.proc.CWD)
		k.proc.ExeDevice, k.proc.Argv = t.intern(info.proc.ExeDevice), t.argv(info.proc.Argv)
		k.img = t.newImage(k.proc, processKey{e.pid, e.start}, info.changedNS)
	}
	t.complete(e, k)
	if e.proc.Ref != old {
		t.reline(e, old)
	}
	t.settle(0)
}

// link gives a process the parent that /proc names: its own, or the one that inherited it.
func (t *Table) link(info procInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.findTick(info.proc.PID, info.proc.StartNS, false)
	if e == nil {
		return
	}
	if info.ppid == 0 {
		e.has |= hasParent
		return
	}
	parent := t.byPID[info.ppid]
	for parent != nil && parent.start > e.start+tickNS {
		parent = parent.older
	}
	if parent != nil {
		t.adopt(parent, e)
	}
	t.settle(0)
}

// fill reads an unknown process, and those of its forebears that are unknown too.
func (t *Table) fill(key processKey) {
	info, err := readProcess(t.cfg.Procfs, key.pid)
	if err == nil && !sameTick(info.proc.StartNS, key.start) {
		err = os.ErrNotExist
	}
	if err != nil {
		t.unfilled(key, errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH))
		return
	}
	t.apply(info, false)
	line := []procInfo{info}
	for pid := info.ppid; pid > 0 && len(line) <= event.MaxParents; pid = info.ppid {
		if _, ok := t.Latest(pid); ok {
			break
		}
		if info, err = readProcess(t.cfg.Procfs, pid); err != nil {
			break
		}
		t.apply(info, true)
		line = append(line, info)
	}
	for _, info := range slices.Backward(line) {
		t.link(info)
	}
	t.mu.Lock()
	t.stats.Filled++
	t.mu.Unlock()
}

// unfilled notes that /proc could not help; a process that is gone has exited, though no record said so.
func (t *Table) unfilled(key processKey, gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.FillFailed++
	if e := t.find(key.pid, key.start); e != nil && gone {
		t.markExited(e)
	}
}

func sameTick(a, b uint64) bool {
	off := int64(a/tickNS) - int64(b/tickNS)
	return off >= -1 && off <= 1
}
