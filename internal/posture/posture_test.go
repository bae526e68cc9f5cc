package posture

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
)

var update = flag.Bool("update", false, "write the golden files")

func text(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

func link(s string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(s), Mode: fs.ModeSymlink | 0o777}
}

const (
	inetHeader = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	unixHeader = "Num       RefCount Protocol Flags    Type St Inode Path\n"
)

// host is a small machine: two network namespaces, a listener, a connection, a UNIX socket of the second namespace.
func host() fstest.MapFS {
	return fstest.MapFS{
		"proc/cmdline":                              text("root=/dev/vda quiet\n"),
		"proc/modules":                              text("nf_tables 303104 2 nft_ct,nft_nat, Live 0x0000000000000000\nevil 16384 0 - Live 0x0000000000000000 (OE)\n"),
		"proc/sys/kernel/osrelease":                 text("6.12.0\n"),
		"proc/sys/kernel/version":                   text("#1 SMP\n"),
		"proc/sys/kernel/ostype":                    text("Linux\n"),
		"proc/sys/kernel/hostname":                  text("web1\n"),
		"proc/sys/kernel/random/boot_id":            text("5f9a4a1e-0000-4000-8000-000000000000\n"),
		"proc/sys/kernel/tainted":                   text("12288\n"),
		"proc/sys/kernel/core_pattern":              text("|/usr/bin/dump %p %e\n"),
		"proc/sys/kernel/hotplug":                   text("\n"),
		"proc/sys/net/ipv4/ip_forward":              text("1\n"),
		"proc/sys/kernel/yama/ptrace_scope":         text("1\n"),
		"sys/kernel/security/lsm":                   text("lockdown,capability,landlock,yama,apparmor,bpf"),
		"sys/kernel/security/lockdown":              text("none [integrity] confidentiality\n"),
		"proc/1/comm":                               text("init\n"),
		"proc/1/exe":                                link("/sbin/init"),
		"proc/1/ns/net":                             link("net:[4026531840]"),
		"proc/1/fd/0":                               link("/dev/null"),
		"proc/1/fd/3":                               link("socket:[900]"),
		"proc/1/net/tcp":                            text(inetHeader + "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 900 1 0 100 0 0 10 0\n   1: 0100007F:1F90 0100007F:C350 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0\n"),
		"proc/22/comm":                              text("a\"b\x1b\n"),
		"proc/22/exe":                               link("/opt/x y"),
		"proc/22/ns/net":                            link("net:[4026531840]"),
		"proc/22/fd/3":                              link("socket:[900]"),
		"proc/22/fd/5":                              link("socket:[901]"),
		"proc/22/net/tcp":                           text(inetHeader),
		"proc/1/net/tcp6":                           text(inetHeader + "   0: 0000000000000000FFFF00000100007F:C350 0000000000000000FFFF00000100007F:0016 01 00000000:00000000 00:00000000 00000000  1000        0 901 1 0\n"),
		"proc/333/comm":                             text("guest\n"),
		"proc/333/exe":                              link("/bin/guest"),
		"proc/333/ns/net":                           link("net:[4026532001]"),
		"proc/333/fd/4":                             link("socket:[902]"),
		"proc/333/net/unix":                         text(unixHeader + "0000000000000000: 00000002 00000000 00010000 0001 01   902 @a  b\n0000000000000000: 00000002 00000000 00000000 0001 03   903\n"),
		"proc/333/net/raw":                          text(inetHeader + "   1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 904 2 0 0\n"),
		"proc/333/net/packet":                       text("sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n0000000000000000 3      3    0003   2     1 0      0      905\n"),
		"proc/self":                                 link("1"),
		"proc/net":                                  link("self/net"),
		"proc/sys/kernel/io_uring_disabled":         text("2\n"),
		"proc/sys/kernel/randomize_va_space":        text("2\n"),
		"proc/sys/kernel/modprobe":                  text("/sbin/modprobe\n"),
		"proc/sys/net/ipv4/conf/all/rp_filter":      text("2\n"),
		"proc/sys/net/core/bpf_jit_harden":          text("0\n"),
		"proc/sys/kernel/perf_event_paranoid":       text("-1\n"),
		"proc/sys/kernel/kexec_load_disabled":       text("0\n"),
		"proc/sys/vm/unprivileged_userfaultfd":      text("0\n"),
		"proc/sys/user/max_user_namespaces":         text("12345\n"),
		"proc/sys/fs/protected_symlinks":            text("1\n"),
		"proc/sys/kernel/unprivileged_bpf_disabled": text("2\n"),
	}
}

func programs() []event.Posture {
	return []event.Posture{{Subject: "bpf_program", Name: "7", Value: "type=LSM name=guard"}}
}

// The addresses in the fake tree are in little-endian order.
func littleEndian(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("the recorded socket tables are from a little-endian machine")
	}
}

func TestInventory(t *testing.T) {
	littleEndian(t)
	got := New(host(), programs).Inventory(t.Context())
	data, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/inventory.json"
	if *update {
		if err := os.WriteFile(golden, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(data)+"\n"); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(got, New(host(), programs).Inventory(t.Context())); diff != "" {
		t.Errorf("a second inventory of the same host differs:\n%s", diff)
	}
}

func find(facts []event.Posture, subject, name string) (string, bool) {
	for _, f := range facts {
		if f.Subject == subject && f.Name == name {
			return f.Value, true
		}
	}
	return "", false
}

func TestMissing(t *testing.T) {
	tests := []struct {
		what                string
		change              func(fstest.MapFS)
		subject, name, want string
	}{
		{"securityfs not mounted", func(h fstest.MapFS) {
			delete(h, "sys/kernel/security/lsm")
			delete(h, "sys/kernel/security/lockdown")
		}, "lsm", "active", "unknown: securityfs is not mounted on /sys/kernel/security"},
		{"no lockdown in this kernel", func(h fstest.MapFS) { delete(h, "sys/kernel/security/lockdown") }, "lsm", "lockdown", Absent},
		{"kernel without modules", func(h fstest.MapFS) { delete(h, "proc/modules") }, "module", "support", Absent},
		{"no command line", func(h fstest.MapFS) { delete(h, "proc/cmdline") }, "kernel", "cmdline", "unknown: no such file"},
		{"empty setting", func(fstest.MapFS) {}, "sysctl", "kernel.hotplug", `""`},
		{"taint that is no number", func(h fstest.MapFS) { h["proc/sys/kernel/tainted"] = text("x\n") }, "kernel", "taint", "x"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			h := host()
			tt.change(h)
			got, ok := find(New(h, nil).Inventory(t.Context()), tt.subject, tt.name)
			if !ok || got != tt.want {
				t.Errorf("%s %s = %q, %v; want %q", tt.subject, tt.name, got, ok, tt.want)
			}
		})
	}
}

func TestEmptyTree(t *testing.T) {
	facts := New(fstest.MapFS{}, nil).Inventory(t.Context())
	if got, _ := find(facts, "process", ListName); got != "unknown: no such file" {
		t.Errorf("processes of an empty tree: %q", got)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	facts := New(host(), nil).Inventory(ctx)
	if _, ok := find(facts, "kernel", "release"); !ok {
		t.Error("the cheap facts are missing")
	}
	for _, f := range facts {
		if f.Subject == "socket" && f.Name != ListName {
			t.Errorf("a socket after the context had ended: %v", f)
		}
	}
}

func TestTaint(t *testing.T) {
	tests := []struct {
		bits uint64
		want string
	}{
		{0, "0"},
		{1, "1 P: proprietary module"},
		{12288, "12288 OE: module from outside the tree, unsigned module"},
		{1 << 63, "9223372036854775808: bit 63"},
		{1<<9 | 1<<40, "1099511628288 W: warning, bit 40"},
	}
	for _, tt := range tests {
		if got := Taint(tt.bits); got != tt.want {
			t.Errorf("Taint(%d) = %q, want %q", tt.bits, got, tt.want)
		}
	}
}

func TestLockdown(t *testing.T) {
	for text, want := range map[string]string{
		"[none] integrity confidentiality": "none",
		"none integrity [confidentiality]": "confidentiality",
		"none":                             "none",
		"[":                                "[",
		"":                                 "",
	} {
		if got := Lockdown(text); got != want {
			t.Errorf("Lockdown(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestBounds(t *testing.T) {
	h := host()
	var modules, sockets strings.Builder
	for i := range maxModules + 1 {
		fmt.Fprintf(&modules, "m%d 1 0 - Live 0x0\n", i)
	}
	sockets.WriteString(unixHeader)
	for i := range maxSockets + 1 {
		fmt.Fprintf(&sockets, "0: 2 0 0 1 1 %d /run/%d\n", 10000+i, i)
	}
	h["proc/modules"], h["proc/1/net/unix"] = text(modules.String()), text(sockets.String())
	facts := New(h, nil).Inventory(t.Context())
	count := map[string]int{}
	for _, f := range facts {
		if f.Name != ListName {
			count[f.Subject]++
		}
	}
	if count["module"] != maxModules || count["socket"] != maxSockets {
		t.Errorf("%d modules and %d sockets, want %d and %d", count["module"], count["socket"], maxModules, maxSockets)
	}
	for subject, want := range map[string]string{"module": "cut after 4096", "socket": "cut after 16384"} {
		if got, _ := find(facts, subject, ListName); got != want {
			t.Errorf("%s list: %q, want %q", subject, got, want)
		}
	}
}
