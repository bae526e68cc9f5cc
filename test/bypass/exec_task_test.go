//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// execTaskTechniques start the tool from another task than the policy speaks of.
func execTaskTechniques() []technique {
	started := func(attr *syscall.SysProcAttr) func(*Env) error {
		return func(e *Env) error {
			cmd := exec.Command(e.Tool, e.Token)
			cmd.SysProcAttr = attr
			return uses(e, cmd)
		}
	}
	mapped := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
	return []technique{
		{name: "exec from another thread", attempt: func(e *Env) error { return inThread(func() error { return execPath(e) }) }},
		{name: "exec from a thread that was another's child", attempt: spawn(nil), then: func(e *Env) error { return inThread(func() error { return execPath(e) }) }},
		{name: "vfork", attempt: started(&syscall.SysProcAttr{Cloneflags: unix.CLONE_VFORK | unix.CLONE_VM})},
		{name: "CLONE_PARENT", attempt: toolOfParent},
		{name: "double fork", attempt: toolOfOrphan},
		{name: "uid change", attempt: started(&syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})},
		{name: "user namespace", attempt: needing("user", started(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: mapped, GidMappings: mapped}))},
		{name: "pid namespace", attempt: needing("pid", started(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}))},
		{name: "cgroup move", attempt: func(e *Env) error { return errors.Join(moveCgroup(e), useTool(e)) }, after: removeCgroup},
		{name: "program that changes under its name", attempt: raceProgram},
	}
}

// execPath turns this process into the tool.
func execPath(e *Env) error {
	return os.NewSyscallError("execve", unix.Exec(e.Tool, []string{"tool", e.Token}, nil))
}

func toolOfParent(e *Env) error {
	return orphan(e, func(out *os.File) error {
		_, err := os.StartProcess(e.Tool, []string{"tool", e.Token}, &os.ProcAttr{
			Files: []*os.File{nil, out, out}, Sys: &syscall.SysProcAttr{Cloneflags: unix.CLONE_PARENT},
		})
		return err
	})
}

// toolOfOrphan starts the tool from a process whose parents are gone.
func toolOfOrphan(e *Env) error {
	return orphan(e, func(out *os.File) error {
		cmd := exec.Command(shell(), "-c", orphaned(fmt.Sprintf("'%s' %s", e.Tool, e.Token)))
		cmd.Stdout = out
		return cmd.Run()
	})
}

// raceProgram has a link lead to the tool for a moment, time and again, while it starts what the link leads to.
func raceProgram(e *Env) error {
	next, link := e.work("next"), e.work("link")
	if err := os.Symlink("/bin/true", link); err != nil {
		return err
	}
	return race(func() error { return use(e, link) }, func(i int) error {
		to := "/bin/true"
		if i%2 == 0 {
			to = e.Tool
		}
		return errors.Join(os.Symlink(to, next), os.Rename(next, link))
	})
}
