package naive

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"

	"github.com/stockade-security/stockade/policy"
)

// author writes a random policy, as text and for the naive matcher. Its words are few, so that rules and accesses meet.
type author struct {
	*rand.Rand
	text strings.Builder
	line int
	p    *Policy
}

// Write returns the text of a random policy, and what it says. Every number that r may yield makes one that can be read.
func Write(r *rand.Rand) (string, *Policy) {
	w := &author{Rand: r, p: &Policy{host: newEntry("host", 0), patterns: map[string]*regexp.Regexp{}}}
	w.put(0, "mode: %s", oneOf(w, string(policy.ModeAudit), string(policy.ModeAlert)))
	w.put(0, "processes:")
	names := []string{"a", "b", "ab", "x.y", "e4"}
	w.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	names = names[:1+w.IntN(len(names))]
	for _, name := range names {
		e := newEntry(name, w.put(1, "%s:", name))
		w.put(2, "description: x")
		if name == "e4" || w.chance(40) {
			w.match(e)
		}
		if w.chance(40) {
			w.set(e, 2, "inherit", "true")
		}
		w.subject(e, 2, names)
		w.p.entries = append(w.p.entries, e)
	}
	if w.chance(50) {
		w.p.fallback = newEntry("default", w.put(0, "default:"))
		w.put(1, "description: x")
		w.subject(w.p.fallback, 1, names)
	}
	w.host()
	w.dns()
	w.firewall()
	return w.text.String(), w.p
}

func newEntry(name string, line int) *textEntry {
	return &textEntry{name: name, line: line, lists: map[string]*textList{}, values: map[string]textRule{}}
}

// put writes a line and returns its number.
func (w *author) put(depth int, format string, args ...any) int {
	w.line++
	fmt.Fprintf(&w.text, strings.Repeat("  ", depth)+format+"\n", args...)
	return w.line
}

func (w *author) chance(percent int) bool { return w.IntN(100) < percent }

func oneOf(w *author, from ...string) string { return from[w.IntN(len(from))] }

// list writes a list of up to six rules, each in a line of its own; name is what the matcher calls it.
func (w *author) list(e *textEntry, depth int, name string, rule func() string) {
	key := name[strings.LastIndexByte(name, '.')+1:]
	l := &textList{present: true}
	e.lists[name] = l
	n := w.IntN(7)
	if n == 0 {
		l.line = w.put(depth, "%s: []", key)
		return
	}
	l.line = w.put(depth, "%s:", key)
	for range n {
		text := rule()
		l.rules = append(l.rules, textRule{text, w.put(depth+1, "- %s", strconv.Quote(text))})
	}
}

func (w *author) set(e *textEntry, depth int, key, value string) {
	e.values[key] = textRule{value, w.put(depth, "%s: %s", key, value)}
}

func (w *author) match(e *textEntry) {
	w.put(2, "match:")
	written := false
	for _, c := range []struct {
		key  string
		rule func() string
	}{
		{"exe", w.exe},
		{"name", func() string { return oneOf(w, "a", "b", "ab", "x.y") }},
		{"unit", func() string { return oneOf(w, "a.service", "*.service", "b.*", "[!a].service") }},
		{"cgroup", func() string { return oneOf(w, "/**", "/a/*", "/a/b", "/{a,b}/**") }},
		{"container", func() string { return oneOf(w, "web-*", "web-1", "0123*", "*nginx*") }},
		{"user", func() string { return oneOf(w, "root", "0", "33", "www-data") }},
		{"sha256", func() string { return strings.Repeat(oneOf(w, "a1", "b2"), 32) }},
	} {
		if w.chance(30) || c.key == "sha256" && !written {
			w.list(e, 3, "match."+c.key, c.rule)
			written = true
		}
	}
}

// subject writes the keys that entries and default have in common.
func (w *author) subject(e *textEntry, depth int, names []string) {
	for _, key := range []struct {
		name string
		rule func() string
	}{
		{"allowed_exec", w.program},
		{"blocked_exec", w.program},
		{"allowed_files", w.file},
		{"blocked_files", w.file},
		{"allowed_network", w.peer},
		{"blocked_network", w.peer},
		{"allowed_listen", w.own},
		{"allowed_syscalls", w.call},
		{"blocked_syscalls", w.call},
		{"blocked_capabilities", func() string { return oneOf(w, "CAP_SYS_ADMIN", "CAP_NET_RAW", "ALL", "CAP_BPF") }},
	} {
		if w.chance(45) {
			w.list(e, depth, key.name, key.rule)
		}
	}
	if w.chance(40) {
		w.put(depth, "protect:")
		for _, key := range []string{"protect.signals", "protect.ptrace"} {
			w.list(e, depth+1, key, func() string { return oneOf(w, names...) })
		}
	}
	for _, key := range []string{"max_memory_mb", "max_cpu_percent", "max_processes"} {
		if w.chance(30) {
			w.set(e, depth, key, strconv.Itoa(w.IntN(4)*50))
		}
	}
	if w.chance(30) {
		w.set(e, depth, "no_sudo", oneOf(w, "true", "false"))
	}
}

func (w *author) host() {
	w.put(0, "host:")
	h := w.p.host
	w.set(h, 1, "metadata", oneOf(w, "deny", "allow"))
	w.guarded(&w.p.starts, "exec", "parents")
	w.guarded(&w.p.files, "files", "readers", "writers")
	w.guarded(&w.p.calls, "devices", "allow_exe")
	for _, section := range []struct {
		name string
		keys []string
		rule func() string
	}{
		{"kernel_modules", []string{"allow", "block"}, func() string { return oneOf(w, "nf_tables", "nf-tables", "vfat", "dm_mod") }},
		{"mounts", []string{"block_sources"}, w.glob},
		{"bpf", []string{"allow_exe"}, w.exe},
		{"settime", []string{"allow_exe"}, w.exe},
		{"keyrings", []string{"allow_exe"}, w.exe},
		{"io_uring", []string{"allow_exe"}, w.exe},
	} {
		if !w.chance(50) {
			continue
		}
		w.put(1, "%s:", section.name)
		for _, key := range section.keys {
			w.list(h, 2, section.name+"."+key, section.rule)
		}
	}
	if w.chance(50) {
		w.put(1, "prctl:")
		w.list(h, 2, "prctl.block", func() string { return oneOf(w, "PR_SET_DUMPABLE", "PR_SET_NAME", "PR_SET_MM") })
		if w.chance(50) {
			w.list(h, 2, "prctl.allow_exe", w.exe)
		}
	}
}

// guarded writes a list of paths that only some executables may use.
func (w *author) guarded(to *[]*textEntry, name string, keys ...string) {
	if !w.chance(60) {
		return
	}
	w.put(1, "%s:", name)
	for range 1 + w.IntN(4) {
		e := newEntry(name, w.line+1)
		glob := w.glob()
		e.values["path"] = textRule{glob, w.put(2, "- path: %s", strconv.Quote(glob))}
		first := w.IntN(len(keys))
		for i, key := range keys {
			if i == first || w.chance(50) {
				w.list(e, 3, key, w.exe)
			}
		}
		*to = append(*to, e)
	}
}

func (w *author) dns() {
	w.put(0, "dns:")
	w.p.host.lists["dns.resolvers"] = &textList{rules: []textRule{{"192.0.2.53", w.put(1, "resolvers: [192.0.2.53]")}}}
	if w.chance(60) {
		w.list(w.p.host, 1, "dns.block_names", w.hostName)
	}
}

func (w *author) firewall() {
	w.put(0, "firewall:")
	w.p.ingress = textRule{oneOf(w, "allow", "deny"), w.put(1, "ingress:")}
	w.put(2, "default: %s", w.p.ingress.text)
	interfaces := []string{"eth0", "eth*", "wg0", "{lo,eth1}"}
	w.Shuffle(len(interfaces), func(i, j int) { interfaces[i], interfaces[j] = interfaces[j], interfaces[i] })
	w.put(2, "zones:")
	for i := range 1 + w.IntN(3) {
		name := fmt.Sprintf("zone%d", i)
		zone := newEntry(name, w.put(3, "%s:", name))
		line := w.put(4, "interfaces: [%s]", strconv.Quote(interfaces[i]))
		zone.lists["interfaces"] = &textList{rules: []textRule{{interfaces[i], line}}}
		for _, protocol := range []string{"tcp", "udp"} {
			if w.chance(60) {
				w.list(zone, 4, protocol, func() string {
					return oneOf(w, "22", "80,443", "1-100", "10.0.0.0/8:22", "@private:1-65535", "[2001:db8::/32]:443")
				})
			}
		}
		if w.chance(60) {
			w.list(zone, 4, "icmp", func() string { return oneOf(w, "echo-request", "echo-reply", "time-exceeded", "packet-too-big") })
		}
		w.p.zones = append(w.p.zones, zone)
	}
	w.p.egress = textRule{oneOf(w, "allow", "deny"), w.put(1, "egress:")}
	w.put(2, "default: %s", w.p.egress.text)
	w.put(2, "rules:")
	w.put(3, "-")
	for _, key := range []string{"egress.allow", "egress.block"} {
		w.list(w.p.host, 4, key, w.address)
	}
}

// glob writes a pattern of paths.
func (w *author) glob() string {
	for {
		glob := oneOf(w, "", "", "", "**")
		stars := strings.Count(glob, "**")
		for range 1 + w.IntN(4) {
			part := oneOf(w, "a", "b", "ab", "etc", "x.y", "*", "a*", "*b", "?", "a?", "[ab]", "[!a]*", "{a,b}", "{a,b/ab}", `\*`, "{a,*b}{b,}", "**", "{etc,**}")
			if stars += strings.Count(part, "**"); stars > 2 {
				part = "etc"
			}
			glob += "/" + part
		}
		if w.chance(10) {
			glob += oneOf(w, "{,/**}", "{,.bak}")
		}
		// One that starts with ** has to be able to match a path.
		if !strings.Contains(glob, "***") {
			return glob
		}
	}
}

func (w *author) exe() string {
	if w.chance(60) {
		return oneOf(w, "/usr/bin/a", "/usr/bin/b", "/usr/bin/*", "**/ab", "/opt/**", "/usr/bin/{a,b}", "**")
	}
	return w.glob()
}

func (w *author) program() string {
	if w.chance(30) {
		return oneOf(w, "a", "b", "ab", "a*", "[ab]", "{a,b}", "x.y")
	}
	return w.glob()
}

func (w *author) file() string { return w.glob() + oneOf(w, "", "", " r", " w", " x", " rw", " rwx") }

func (w *author) call() string {
	return oneOf(w, "ptrace", "bpf", "openat", "socketcall", "execve", "@debug", "@mount", "@system-service", "@basic-io", "@raw-io", "@keyring")
}

func (w *author) hostName() string {
	return oneOf(w, "", "", "*.", "**.") + oneOf(w, "example.org", "a.example.org", "b.a.example.org", "b.example.org")
}

func (w *author) peer() string {
	if w.chance(15) {
		return "unix:" + oneOf(w, "@bus", "@b*", w.glob())
	}
	return w.address()
}

func (w *author) address() string {
	if w.chance(30) {
		return w.hostName() + w.ports()
	}
	address := oneOf(w, "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "0.0.0.0/0", "192.168.1.1", "::/0", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1::1",
		"::ffff:10.1.0.0/112", "64:ff9b::/96", "64:ff9b::a01:203", "127.0.0.1", "@private", "@loopback", "@link-local", "@metadata", "@resolvers")
	ports := w.ports()
	if strings.Contains(address, "::") && strings.HasPrefix(ports, ":") {
		address = "[" + address + "]"
	}
	return address + ports
}

func (w *author) own() string {
	if w.chance(50) {
		return strings.TrimPrefix(oneOf(w, ":80", ":22,443", ":1-100", ":8000-8100")+oneOf(w, "", "/tcp", "/udp"), ":")
	}
	return oneOf(w, "127.0.0.1", "10.1.2.3", "0.0.0.0/0") + w.ports()
}

func (w *author) ports() string {
	return oneOf(w, "", "", ":22", ":80,443", ":1-100", ":50-443,8000-8100", ":443", ":100-101,90-99") + oneOf(w, "", "", "/tcp", "/udp")
}
