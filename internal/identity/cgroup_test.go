package identity

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stockade-security/stockade/event"
)

var (
	idA = strings.Repeat("0123456789abcdef", 4)
	idB = strings.Repeat("fedcba9876543210", 4)
)

func TestParseCgroup(t *testing.T) {
	for path, want := range map[string]struct{ unit, id, runtime string }{
		"":                                  {},
		"/":                                 {},
		"/system.slice/nginx.service":       {unit: "nginx.service"},
		"/init.scope":                       {unit: "init.scope"},
		"/user.slice":                       {unit: "user.slice"},
		"/.slice/.service":                  {},
		"/system.slice/_cpu.service":        {unit: "cpu.service"},
		"/system.slice/a@b\\x2dc.service/w": {unit: "a@b\\x2dc.service"},
		"/system.slice/dev-disk-by\\x2duuid-1.swap":                                  {unit: "dev-disk-by\\x2duuid-1.swap"},
		"/user.slice/user-1000.slice/session-3.scope":                                {unit: "session-3.scope"},
		"/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope":        {unit: "app-x.scope"},
		"/user.slice/user-1000.slice/user@1000.service/app.slice":                    {unit: "user@1000.service"},
		"/machine.slice/machine-deb.scope":                                           {unit: "machine-deb.scope"},
		"/system.slice/docker-" + idA + ".scope":                                     {"docker-" + idA + ".scope", idA, "docker"},
		"/docker/" + idA:                                                             {"", idA, "docker"},
		"/docker/" + idA + "/init.scope":                                             {"", idA, "docker"},
		"/system.slice/docker-" + idA + ".scope/system.slice/x.service":              {"docker-" + idA + ".scope", idA, "docker"},
		"/machine.slice/libpod-" + idA + ".scope/container":                          {"libpod-" + idA + ".scope", idA, "podman"},
		"/machine.slice/libpod-conmon-" + idA + ".scope":                             {unit: "libpod-conmon-" + idA + ".scope"},
		"/a.slice/libpod-payload-" + idA:                                             {"a.slice", idA, "podman"},
		"/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + idA + ".scope":       {"cri-containerd-" + idA + ".scope", idA, "containerd"},
		"/kubepods.slice/kubepods-pod1.slice/crio-" + idA + ".scope":                 {"crio-" + idA + ".scope", idA, "cri-o"},
		"/kubepods.slice/crio-conmon-" + idA + ".scope":                              {unit: "crio-conmon-" + idA + ".scope"},
		"/kubepods/burstable/pod1-2/" + idA:                                          {"", idA, ""},
		"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" + idA: {"containerd.service", idA, "containerd"},
		"/default/" + idA: {"", idA, ""},
		"/docker/" + idA + "/kubelet.slice/cri-containerd-" + idB + ".scope": {"", idB, "containerd"},
		"/docker/" + idA[:63]:                                                          {},
		"/docker/" + strings.ToUpper(idA):                                              {},
		"/system.slice/docker-" + idA + "0.scope":                                      {unit: "docker-" + idA + "0.scope"},
		"/system.slice/run-docker-netns.mount":                                         {unit: "run-docker-netns.mount"},
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/x:y": {unit: "kubepods-burstable-pod1_2.slice"},
	} {
		unit, c := ParseCgroup(path)
		var got event.Container
		if c != nil {
			got = *c
		}
		if unit != want.unit || got.ID != want.id || got.Runtime != want.runtime || (c == nil) != (want.id == "") {
			t.Errorf("%s: unit %q, container %+v", path, unit, c)
		}
	}
}

func FuzzParseCgroup(f *testing.F) {
	f.Add("/system.slice/docker-" + idA + ".scope")
	f.Add("/a.slice:cri-containerd:" + idA)
	f.Add("//_.service/../\xff")
	f.Fuzz(func(t *testing.T, path string) {
		unit, c := ParseCgroup(path)
		if strings.Contains(unit, "/") || !strings.Contains(path, unit) {
			t.Errorf("unit %q", unit)
		}
		if c != nil && (!isContainerID(c.ID) || !strings.Contains(path, c.ID)) {
			t.Errorf("container %+v", c)
		}
	})
}

func TestCgroupNamesArriveLater(t *testing.T) {
	tab := New(testConfig(t))
	k := task(10, 101*second, "a")
	k.CgroupID = 42
	first := tab.Exec(ExecInfo{Task: k, Exe: "/bin/a"})
	if first.CgroupID != 42 || first.Cgroup != "" {
		t.Fatalf("got %+v", first)
	}
	child := tab.Fork(ForkInfo{Parent: k, Child: task(11, 102*second, "a")})
	if got := <-tab.cgroupAsks.ch; got != 42 || len(tab.cgroupAsks.ch) != 0 {
		t.Fatalf("asked for %d and %d more", got, len(tab.cgroupAsks.ch))
	}
	tab.setCgroupPath(42, "/docker/"+idA, true)
	second := tab.Lookup(k)
	if second == first || second.Cgroup != "/docker/"+idA || second.Container.ID != idA || first.Container != nil {
		t.Errorf("got %+v", second)
	}
	ask := <-tab.askRuntime.ch
	tab.setContainer(ask, event.Container{ID: ask.id, Runtime: "docker", Name: "web", Image: "nginx"}, true)
	tab.setContainer(ask, event.Container{ID: ask.id, Runtime: "docker", Name: "web", Image: "nginx"}, true)
	third := tab.Lookup(task(11, 102*1e9, "a"))
	if third.Container.Name != "web" || second.Container.Name != "" || child.Container != nil {
		t.Errorf("got %+v", third.Container)
	}
	if got := tab.Stats().Bytes; got != recount(tab) {
		t.Errorf("accounted %d bytes, counted again %d", got, recount(tab))
	}
	// A record that shows another cgroup moves the process.
	k.CgroupID = 43
	if p := tab.Lookup(k); p.CgroupID != 43 || p.Cgroup != "" || p.Container != nil {
		t.Errorf("got %+v", p)
	}
	tab.Exit(k, 200*1e9)
	tab.Exit(task(11, 102*1e9, "a"), 200*1e9)
	tab.Exit(task(12, 102*1e9, "a"), 900*1e9)
	if len(tab.cgroups) != 0 {
		t.Errorf("%d cgroups are kept for nobody", len(tab.cgroups))
	}
}

func TestUnansweredQuestionsAreRepeated(t *testing.T) {
	tab := New(testConfig(t))
	k := task(10, 101*1e9, "a")
	k.CgroupID = 42
	tab.Lookup(k)
	for range 5 {
		tab.askAgain()
	}
	if n := len(tab.cgroupAsks.ch); n != maxTries {
		t.Errorf("asked %d times for a path", n)
	}
	tab.setCgroupPath(42, "", false)
	tab.setCgroupPath(42, "/docker/"+idA, true)
	for range 5 {
		tab.askAgain()
	}
	if n := len(tab.askRuntime.ch); n != maxTries {
		t.Errorf("asked %d times for a container", n)
	}
	tab.setContainer(<-tab.askRuntime.ch, event.Container{}, false)
	if s := tab.Stats(); s.CgroupFailed != 1 || s.RuntimeFailed != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestParsePasswd(t *testing.T) {
	long := strings.Repeat("x", 1000)
	got, err := parsePasswd(strings.NewReader("root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n#c:x:5:5\n+nis:x:6:6\n-no:x:7:7\n" +
		"short:x\nbad:x:minus:1\nbig:x:4294967296:1\nlast:x:4294967294:1\n:x:8:8\n" + long + ":x:9:9\nnonl:x:10:"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[uint32]string{0: "root", 4294967294: "last", 9: long, 10: "nonl"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzParsePasswd(f *testing.F) {
	f.Add("root:x:0:0::/:/bin/sh\n\n::::\n\x00:x:1:")
	f.Fuzz(func(t *testing.T, s string) {
		names, err := parsePasswd(strings.NewReader(s))
		for uid, name := range names {
			if name == "" || strings.ContainsAny(name, ":\n") {
				t.Errorf("%d is %q (%v)", uid, name, err)
			}
		}
	})
}
