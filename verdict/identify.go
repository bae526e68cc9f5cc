package verdict

import (
	"slices"
	"strconv"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
)

// Facts are what entries can ask of a task.
type Facts struct {
	// Exe is the path of the executable, as the kernel resolved it.
	Exe string
	// UID is the real user id, User its name if it has one.
	UID  uint32
	User string
	// Unit is systemd's; Cgroup the path in the cgroup v2 tree.
	Unit, Cgroup string
	Container    *event.Container
	// SHA256 is the executable's, empty while nobody knows it; an entry that asks for it does not claim the task then.
	SHA256 string
}

// FactsOf are the facts of a process.
func FactsOf(p *event.Process) Facts {
	return Facts{Exe: p.Exe, UID: p.UID, User: p.User, Unit: p.Unit, Cgroup: p.Cgroup, Container: p.Container, SHA256: p.SHA256}
}

// Identify finds the subject that claims a task: the first entry whose conditions hold. A task that none claims is its
// nearest ancestor's that one does claim, if that entry is inherited, and else the default one's. Of an ancestor only
// the executable is known, so it is asked with the task's own unit, cgroup, container and user. ancestors go from the
// parent up. It does not allocate for paths that are clean, and the same arguments always give the same task.
func Identify(img *compile.Image, task Facts, ancestors []event.Ref) Task {
	out, claimed := claim(img, &task)
	if claimed || !img.Inherits {
		return out
	}
	task.SHA256 = ""
	for i := range ancestors {
		task.Exe = ancestors[i].Exe
		if before, claimed := claim(img, &task); claimed {
			if img.Subjects[before.Subject].Inherit {
				out.Subject = before.Subject
			}
			break
		}
	}
	return out
}

// claim finds the entry that claims a task by its own facts, and what its executable is exempt from.
func claim(img *compile.Image, task *Facts) (t Task, claimed bool) {
	exe, long := clean(task.Exe, false)
	if long {
		return t, false
	}
	best := uint32(len(img.Claims))
	for i := range img.Actors.Automata.Count {
		v := img.Automata[img.Actors.Automata.First+i].Match(exe)
		if v == automaton.None {
			continue
		}
		set := &img.ActorSets[v]
		for w, grants := range set.Grants {
			t.Grants[w] |= grants
		}
		for _, c := range set.Claims {
			if c >= best {
				break
			}
			if holds(img, &img.Claims[c], exe, task) {
				best = c
				break
			}
		}
	}
	if best == uint32(len(img.Claims)) {
		return t, false
	}
	t.Subject = img.Claims[best].Subject
	return t, true
}

// holds tests what the executable's path does not tell, cheap conditions first.
func holds(img *compile.Image, c *compile.Claim, exe string, task *Facts) bool {
	return (len(c.SHA256) == 0 || slices.Contains(c.SHA256, task.SHA256)) &&
		(len(c.Users) == 0 || slices.ContainsFunc(c.Users, task.isUser)) &&
		meets(img, &c.Name, exe) && meets(img, &c.Unit, task.Unit) && meets(img, &c.Cgroup, task.Cgroup) &&
		(!c.Container.Present || task.Container != nil && inContainer(img, &c.Container, task.Container))
}

func meets(img *compile.Image, c *compile.Condition, text string) bool {
	return !c.Present || match(img, &c.Table, text) == 1
}

func inContainer(img *compile.Image, c *compile.Condition, box *event.Container) bool {
	for _, name := range [...]string{box.ID, box.Name, box.Image} {
		if name != "" && meets(img, c, name) {
			return true
		}
	}
	return false
}

// isUser compares with a name or a number.
func (f *Facts) isUser(user string) bool {
	if user == f.User {
		return user != ""
	}
	var digits [10]byte
	return user == string(strconv.AppendUint(digits[:0], uint64(f.UID), 10))
}
