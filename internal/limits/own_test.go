package limits

import "testing"

func TestOwned(t *testing.T) {
	cgroupPol := "mode: enforce\nprocesses:\n  web:\n    match: {cgroup: \"/app/**\"}\n    max_processes: 7\n"
	for name, c := range map[string]struct {
		policy string
		procs  []Process // of web; the last one of nobody
		home   string
		reason string
	}{
		"one unit":           {webPol, []Process{{1, "web.service", web}, {2, "o.service", other}}, web, ""},
		"below its unit":     {webPol, []Process{{1, "web.service", web + "/a"}, {2, "web.service", web + "/b/c"}, {3, "", "/"}}, web, ""},
		"two units":          {webPol, []Process{{1, "web.service", web}, {2, "web2.service", "/system.slice/web2.service"}, {3, "", "/"}}, "", "it has more than one unit"},
		"a stranger below":   {webPol, []Process{{1, "web.service", web}, {3, "", web + "/x"}}, "", "its cgroup holds others' processes"},
		"a name alike":       {webPol, []Process{{1, "web.service", web}, {3, "", web + "2"}}, web, ""},
		"no cgroup known":    {webPol, []Process{{1, "web.service", ""}, {3, "", "/"}}, "", "the cgroup of one of its processes is not known"},
		"no unit known":      {webPol, []Process{{1, "", web}, {3, "", "/"}}, "", "the cgroup of one of its processes is not known"},
		"by cgroup":          {cgroupPol, []Process{{1, "", "/app/a"}, {3, "", "/"}}, "/app/a", ""},
		"by two cgroups":     {cgroupPol, []Process{{1, "", "/app/a/b"}, {2, "", "/app/ab"}, {3, "", "/ap"}}, "/app", ""},
		"one below another":  {cgroupPol, []Process{{1, "", "/app/a"}, {2, "", "/app/a/b"}, {3, "", "/app"}}, "/app/a", ""},
		"nothing in common":  {cgroupPol, []Process{{1, "", "/app/a"}, {2, "", "/srv"}, {3, "", "/b"}}, "", "its processes have no cgroup in common"},
		"the root":           {cgroupPol, []Process{{1, "", "/"}, {3, "", "/b"}}, "", "its processes have no cgroup in common"},
		"out of the tree":    {cgroupPol, []Process{{1, "", "/../app"}, {3, "", "/b"}}, "", "its processes have no cgroup in common"},
		"by its program":     {"mode: enforce\nprocesses:\n  web:\n    max_processes: 7\n", []Process{{1, "web.service", web}, {3, "", "/"}}, "", "its entry does not match by unit or cgroup"},
		"unit in its middle": {webPol, []Process{{1, "web.service", "/x/web.service/y/web.service"}, {3, "", "/"}}, "/x/web.service", ""},
	} {
		t.Run(name, func(t *testing.T) {
			whose := make([]uint32, len(c.procs))
			for i := range len(whose) - 1 {
				whose[i] = 1
			}
			home, reason := owned(image(t, c.policy), 1, c.procs[:len(c.procs)-1], c.procs, whose)
			if home != c.home || reason != c.reason {
				t.Errorf("%q, %q", home, reason)
			}
		})
	}
}
