package policy

import (
	"fmt"
	"net/netip"
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
	}
	for _, tt := range tests {
		rule, err := parseNetwork(tt.text)
		if err != nil {
			t.Errorf("%s: %+v", tt.text, err)
			continue
		}
		if got := networkText(rule); got != tt.want {
			t.Errorf("%s = %q, want %q", tt.text, got, tt.want)
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
	for _, seed := range []string{"10.0.0.0/8:443,8000-8100/tcp", "[2001:db8::/32]:443", "*.example.com:443", "unix:/p{a,b}", "[", "a:b:c/d", ":"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := parseNetwork(text)
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
		if set != 1 || rule.Prefixes != nil && rule.Prefixes[0].Masked() != rule.Prefixes[0] {
			t.Errorf("%q is %+v", text, rule)
		}
		for i, ports := range rule.Ports {
			if ports.First == 0 || ports.Last < ports.First || i > 0 && ports.First <= rule.Ports[i-1].Last {
				t.Errorf("%q has ports %v", text, rule.Ports)
			}
		}
	})
}

func TestAccess(t *testing.T) {
	for text, want := range map[string]string{"r": "r", "xr": "rx", "wrx": "rwx", "": "", "rr": "", "q": "", "R": ""} {
		a, ok := ParseAccess(text)
		if got := fmt.Sprint(a); got != want || ok != (want != "") {
			t.Errorf("%q = %q %v, want %q", text, got, ok, want)
		}
	}
}
