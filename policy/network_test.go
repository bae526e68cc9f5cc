package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestParseNetwork(t *testing.T) {
	tests := []struct{ text, want string }{
		{"10.0.0.0/8", "10.0.0.0/8 [] "},
		{"10.1.2.3", "10.1.2.3/32 [] "},
		{"0.0.0.0/0:443", "0.0.0.0/0 [{443 443}] "},
		{"0.0.0.0:9750", "0.0.0.0/32 [{9750 9750}] "},
		{"10.0.0.0/8:5432/tcp", "10.0.0.0/8 [{5432 5432}] tcp"},
		{"10.0.0.0/8/UDP", "10.0.0.0/8 [] udp"},
		{"10.0.0.0/8:8000-8100,443/tcp", "10.0.0.0/8 [{443 443} {8000 8100}] tcp"},
		{"10.0.0.1:5-9,1-4,8-20,65535", "10.0.0.1/32 [{1 20} {65535 65535}] "},
		{"[2001:db8::/32]:443", "2001:db8::/32 [{443 443}] "},
		{"[2001:db8::1]", "2001:db8::1/128 [] "},
		{"2001:db8::/32", "2001:db8::/32 [] "},
		{"2001:db8::1/udp", "2001:db8::1/128 [] udp"},
		{"::/0", "::/0 [] "},
		{"::1", "::1/128 [] "},
		{"::ffff:10.0.0.1", "10.0.0.1/32 [] "},
		{"[::ffff:10.0.0.0/104]:80", "10.0.0.0/8 [{80 80}] "},
		{"64:ff9b::a00:1", "10.0.0.1/32 [] "},
		{"64:ff9b::/96", "0.0.0.0/0 [] "},
		{"Example.COM:443", "example.com [{443 443}] "},
		{"*.example.com.", "*.example.com [] "},
		{"**.example.com:53/udp", "**.example.com [{53 53}] udp"},
		{"localhost", "localhost [] "},
		{"unix:/run/*.sock", "unix:/run/*.sock [] "},
		{"unix:@bus", "unix:@bus [] "},
		{"@loopback", "127.0.0.0/8 ::1/128 [] "},
		{"@private:443/tcp", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 [{443 443}] tcp"},
		{"@link-local/udp", "169.254.0.0/16 fe80::/10 [] udp"},
		{"@resolvers:53,853", " [{53 53} {853 853}] "},
		{"64:ff9b::/32", ""},
		{"64:ff9b:1::/48", "64:ff9b:1::/48 [] "},
	}
	for _, tt := range tests {
		rule, err := parseNetwork(tt.text)
		if err != nil {
			if tt.want != "" {
				t.Errorf("%s: %+v", tt.text, err)
			}
			continue
		}
		if got := networkText(rule); got != tt.want {
			t.Errorf("%s = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestParseListen(t *testing.T) {
	for text, want := range map[string]string{
		"80":               "0.0.0.0/0 ::/0 [{80 80}] ",
		"80/tcp":           "0.0.0.0/0 ::/0 [{80 80}] tcp",
		"443,8000-8100":    "0.0.0.0/0 ::/0 [{443 443} {8000 8100}] ",
		"127.0.0.1:80/tcp": "127.0.0.1/32 [{80 80}] tcp",
		"[::1]:80":         "::1/128 [{80 80}] ",
		"0.0.0.0:80":       "0.0.0.0/32 [{80 80}] ",
		"@loopback:8080":   "127.0.0.0/8 ::1/128 [{8080 8080}] ",
		"10.0.0.0/8":       "10.0.0.0/8 [] ",
		"80/":              "", // neither a port with a protocol nor a name
		"-":                "",
	} {
		rule, err := parseListen(text)
		got := ""
		if err == nil {
			got = networkText(rule)
		}
		if got != want {
			t.Errorf("%s = %q, %+v, want %q", text, got, err, want)
		}
	}
}

func TestClasses(t *testing.T) {
	p := mustParse(t, `processes:
  app:
    allow_shared_suffix: true
    allowed_network: ["@metadata", "**.github.io"]
    blocked_network: ["*.com"]
`)
	got := p.Processes[0]
	if rule := got.AllowedNetwork.Rules[0]; !slices.Equal(rule.Prefixes, Class("@metadata")) || rule.Text != "@metadata" {
		t.Errorf("@metadata is %+v", rule)
	}
	if got.AllowedNetwork.Rules[1].Host != "**.github.io" || got.BlockedNetwork.Rules[0].Host != "*.com" || !got.AllowSharedSuffix.Set {
		t.Errorf("entry %+v", got)
	}
	for _, class := range classes() {
		for _, prefix := range Class(class) {
			if normal, err := parsePrefix(prefix.String()); err != nil || prefix != normal {
				t.Errorf("%s holds %s: %v", class, prefix, err)
			}
		}
	}
}

func TestNormalAddr(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "::ffff:10.0.0.1": "10.0.0.1", "64:ff9b::10.0.0.1": "10.0.0.1",
		"64:ff9b:1::1": "64:ff9b:1::1", "fe80::1%eth0": "fe80::1", "::1": "::1",
	} {
		if got := NormalAddr(netip.MustParseAddr(in)); got.String() != want {
			t.Errorf("%s = %s, want %s", in, got, want)
		}
	}
}

func FuzzParseNetwork(f *testing.F) {
	for _, seed := range []string{
		"10.0.0.0/8:443,8000-8100/tcp", "[2001:db8::/32]:443", "*.example.com:443", "unix:/p{a,b}", "[", "a:b:c/d", ":",
		"@private:443/udp", "@resolvers", "80/tcp", "8000-8100,9000", "[::1]:80", "64:ff9b::/64", "b\u00fccher.example",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := parseNetwork(text)
		checkNetwork(t, text, rule, err)
		rule, err = parseListen(text)
		checkNetwork(t, text, rule, err)
		if err == nil && (rule.Prefixes == nil || rule.Host != "" || rule.Path != nil) {
			t.Errorf("%q listens on %+v", text, rule)
		}
	})
}

func checkNetwork(t *testing.T, text string, rule NetworkRule, err *networkError) {
	if err != nil {
		if err.message == "" || err.offset < 0 || err.offset > len(text) {
			t.Errorf("%q: %+v", text, err)
		}
		return
	}
	set := 0
	for _, is := range []bool{rule.Prefixes != nil, rule.Host != "", rule.Path != nil} {
		if is {
			set++
		}
	}
	if set != 1 && !(set == 0 && strings.HasPrefix(text, classResolvers)) {
		t.Errorf("%q is %+v", text, rule)
	}
	for _, prefix := range rule.Prefixes {
		if prefix.Masked() != prefix || prefix.Bits() > 0 && NormalAddr(prefix.Addr()) != prefix.Addr() {
			t.Errorf("%q has the network %s", text, prefix)
		}
	}
	for i, ports := range rule.Ports {
		if ports.First == 0 || ports.Last < ports.First || i > 0 && ports.First <= rule.Ports[i-1].Last {
			t.Errorf("%q has ports %v", text, rule.Ports)
		}
	}
}

func TestAccess(t *testing.T) {
	for text, want := range map[string]string{"r": "r", "xr": "rx", "wrx": "rwx", "": "", "rr": "", "q": "", "R": ""} {
		a, ok := ParseAccess(text)
		if got := fmt.Sprint(a); got != want || ok != (want != "") {
			t.Errorf("%q = %q %v, want %q", text, got, ok, want)
		}
	}
}
