package enforce

import (
	"slices"

	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
)

// The ladders follow docs/doctor's families of controls, rule by rule. Rungs of one ladder go from the best down, and a
// way that leaves holes stands below one of the same ability that does not.

// lsm is the step that needs BPF LSM programs with labels and paths.
func lsm(how string) step {
	return step{ability: Prevent, how: how, needs: []string{"lsm", "task_storage_lsm", "bpf_loop"}}
}

// seen are the steps for what an LSM hook would refuse: a signal when its call is seen, else a record.
func seen(how string) []step {
	return []step{
		{ability: Kill, how: "a signal once " + how, needs: []string{"tp_btf", "raw_tracepoint"}},
		{ability: Observe, how: "a record once " + how, needs: []string{"raw_tracepoint"}},
	}
}

func hooked(hook, how string) []step { return append([]step{lsm("LSM hook " + hook)}, seen(how)...) }

// answered is what every rung of fanotify has in common.
const answered = "fanotify permission events, answered by the daemon: without it everything passes"

func execLadder(blockedPath string) []step {
	fanotify := step{ability: Prevent, how: answered + ", and so does what ld.so loads as data", needs: []string{"fanotify_permission"}}
	if _, _, ok := Watchable(blockedPath); !ok {
		fanotify.barred = "without LSM programs only executables that a block list names by their path or their directory can be refused"
	}
	return slices.Concat([]step{lsm("LSM hooks of exec"), fanotify}, seen("the program runs"))
}

// fileLadder tells a rule about reading alone, which fanotify holds, from one that says more: there it refuses the open, and
// the rest is seen.
func fileLadder(blockedPath string, access policy.Access) []step {
	const used = "the file has been used"
	opens := step{ability: Prevent, how: answered, needs: []string{"fanotify_permission"}}
	rest := seen(used)
	_, _, watchable := Watchable(blockedPath)
	switch {
	case !watchable || access&policy.AccessRead == 0:
		opens.barred = "without LSM programs only reading of files that a block list names by their path or their directory can be refused"
	case access != policy.AccessRead:
		opens.barred = "without LSM programs opening the file can be refused, but not what is done to its name"
		for i := len(rest) - 1; i >= 0; i-- {
			both := rest[i]
			both.how = "opening is refused by " + answered + "; of other uses " + both.how
			both.needs = append([]string{"fanotify_permission"}, both.needs...)
			rest = slices.Insert(rest, i, both)
		}
	}
	return slices.Concat([]step{lsm("LSM hooks, over the path and the file itself"), opens}, rest)
}

// networkLadder is for peers; hooks are the cgroup hooks that judge them.
func networkLadder(rule policy.NetworkRule, hooks ...string) []step {
	if rule.Path != nil {
		return hooked("unix_stream_connect and unix_may_send", "the socket has been used")
	}
	needs, how := append(hooks, "cgroup_sock_create", "socket_storage"), "cgroup programs"
	if rule.Host != "" {
		needs, how = append(needs, "cgroup_skb"), "cgroup programs, with addresses from the DNS answers that pass"
	}
	return []step{
		{ability: Prevent, how: how + ", and LSM programs for sockets that are passed on", needs: append([]string{"lsm", "task_storage_lsm"}, needs...)},
		{ability: Prevent, how: how + "; a socket that is passed on is judged by its maker", needs: needs},
		{ability: Observe, how: "a record once the socket has been used", needs: []string{"tp_btf"}},
	}
}

func syscallLadder(names []string) []step {
	hook := lsm("the LSM hooks of these calls")
	for _, name := range names {
		if syscalls.Hook(name) == "" {
			hook.barred = "no LSM hook judges every use of the call; only where Stockade starts the process seccomp can refuse it"
			break
		}
	}
	if hook.barred == "" && len(names) == 1 {
		hook.how = "LSM hook " + syscalls.Hook(names[0])
	}
	return []step{
		hook,
		{ability: Kill, how: "a signal at sys_enter: the call still runs", needs: []string{"raw_tracepoint"}},
	}
}

// limitLadder is for limits of memory, processor time and processes.
func limitLadder(p *policy.Process) []step {
	cgroup := step{ability: Prevent, how: "the limits of its cgroup, while that has its controllers on and holds no one else's tasks", needs: []string{"cgroup_v2", "cgroup_controllers"}}
	if !p.Match.Unit.Present && !p.Match.Cgroup.Present {
		cgroup.barred = "a cgroup's limit needs an entry that matches by unit or cgroup, which has a cgroup of its own"
	}
	signal := step{ability: Kill, how: "a signal on sustained excess"}
	if p.OnLimit != policy.LimitKill {
		signal.barred = "on_limit is not kill"
	}
	return []step{cgroup, signal, {ability: Observe, how: "samples"}}
}
