package compile_test

import (
	"testing"

	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
)

func TestHost(t *testing.T) {
	img := compiled(t, everyKey(t))
	h := img.Host
	names := func(name string) uint32 { return look(img, h.Names, automaton.NameSymbols(name)) }
	for i, tt := range []struct {
		decision uint32
		want     string
	}{
		{look(img, h.Exec, "/usr/bin/nsenter"), "HIGH by /usr/bin/nsenter"},
		{look(img, h.Exec, "/usr/bin/ls"), ""},
		{look(img, h.Read, "/etc/shadow"), "HIGH by /etc/shadow"},
		{look(img, h.Read, "/etc/hosts"), ""},
		{look(img, h.Write, "/etc/hosts"), "HIGH by /etc/**"},
		{look(img, h.Device, "/dev/video7"), "HIGH by /dev/video*"},
		{look(img, h.Mount, "/dev/sda1"), "HIGH by /dev/sd*"},
		{look(img, h.Mount, "/dev/vda1"), ""},
		{look(img, h.Module, "nf_tables"), "allowed by nf_tables"},
		{look(img, h.Module, "usb_storage"), "CRITICAL by usb_storage"},
		{look(img, h.Module, "snd"), "CRITICAL not in kernel_modules.allow"},
		{h.BPF, "CRITICAL not in bpf.allow_exe"},
		{h.Settime, "HIGH not in settime.allow_exe"},
		{h.Keyring, "HIGH not in keyrings.allow_exe"},
		{h.IOUring, "HIGH not in io_uring.allow_exe"},
		{names("x.badhost.example"), "HIGH by *.badhost.example"},
		{names("badhost.example"), "HIGH by badhost.example"},
		{names("goodhost.example"), ""},
		{judge(img, h.Metadata, parsePeer("169.254.169.254:80/tcp")), "CRITICAL by metadata"},
		{judge(img, h.Metadata, parsePeer("[fd00:ec2::254]:80/tcp")), "CRITICAL by metadata"},
		{judge(img, h.Metadata, parsePeer("169.254.1.1:80/tcp")), ""},
	} {
		if got := said(img, tt.decision); got != tt.want {
			t.Errorf("%d: %s, not %s", i, got, tt.want)
		}
	}
	if len(h.Prctl) != 2 || h.Prctl[0].Number != 4 || h.Prctl[1].Number != 35 || said(img, h.Prctl[1].Decision) != "HIGH by PR_SET_MM" {
		t.Errorf("%+v", h.Prctl)
	}
}

func TestFirewall(t *testing.T) {
	img := compiled(t, everyKey(t))
	f := img.Firewall
	dmz, lan := f.Zones[0], f.Zones[1]
	for i, tt := range []struct {
		decision uint32
		want     string
	}{
		{judge(img, dmz.Peers, parsePeer("192.0.2.1:22/tcp")), "allowed by 22"},
		{judge(img, dmz.Peers, parsePeer("192.0.2.1:22/udp")), "LOW not in zones.dmz"},
		{judge(img, dmz.Peers, parsePeer("[2001:db8::1]:53/udp")), "allowed by 53"},
		{judge(img, dmz.Peers, parsePeer("10.1.1.1:8080/tcp")), "allowed by 10.0.0.0/8:8000-8100"},
		{judge(img, dmz.Peers, parsePeer("192.0.2.1:8080/tcp")), "LOW not in zones.dmz"},
		{dmz.Miss, "LOW not in zones.dmz"},
		{judge(img, lan.Peers, parsePeer("10.1.1.1:22/tcp")), "LOW not in zones.lan"},
		{f.ZoneMiss, "LOW not in ingress"},
		{judge(img, f.Egress, parsePeer("192.0.2.1:1/tcp")), "allowed by 192.0.2.0/24"},
		{judge(img, f.Egress, parsePeer("198.51.100.1:443/tcp mirror.example.com")), "allowed by mirror.example.com:443"},
		{judge(img, f.Egress, parsePeer("198.51.100.1:443/tcp")), "CRITICAL not in egress"},
		{judge(img, f.Egress, parsePeer("169.254.169.254:443/tcp")), "CRITICAL by @metadata"},
	} {
		if got := said(img, tt.decision); got != tt.want {
			t.Errorf("%d: %s, not %s", i, got, tt.want)
		}
	}
	for name, want := range map[string]uint32{"eth0": 1, "wg7": 1, "eth1": compile.NoDecision} {
		if got := look(img, dmz.Interfaces, name); got != want {
			t.Errorf("interface %s: %d", name, got)
		}
	}
	if len(dmz.ICMP) != 2 || dmz.ICMP[0].Number != 8 || dmz.ICMP[1].Number != 256+128 || said(img, dmz.ICMP[0].Decision) != "allowed by echo-request" || lan.ICMP != nil {
		t.Errorf("%+v", dmz.ICMP)
	}
}

func TestFirewallThatAllows(t *testing.T) {
	img := compiled(t, parse(t, "processes: {p: {}}\nfirewall: {ingress: {zones: {a: {interfaces: [eth0]}}}, egress: {rules: [{block: [192.0.2.1]}]}}"))
	f := img.Firewall
	if f.ZoneMiss != compile.NoDecision || said(img, f.Zones[0].Miss) != "LOW not in zones.a" {
		t.Errorf("%+v", f)
	}
	if got := said(img, judge(img, f.Egress, parsePeer("192.0.2.2:1/tcp"))); got != "" {
		t.Error(got)
	}
}
