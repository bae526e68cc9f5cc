package compile_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
)

var update = flag.Bool("update", false, "write testdata/policy.image")

func TestRoundTrip(t *testing.T) {
	for name, p := range map[string]*policy.Policy{
		"every key": everyKey(t), "builtin": policy.Builtin(), "nothing": parse(t, "processes: {p: {}}"),
	} {
		img := compiled(t, p)
		data := img.Bytes()
		got, err := compile.Decode(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(img, got, alike()); diff != "" {
			t.Errorf("%s: -compiled +decoded\n%s", name, diff)
		}
		if !bytes.Equal(got.Bytes(), data) {
			t.Errorf("%s: other bytes after a round trip", name)
		}
	}
}

// alike takes an absent list for an empty one.
func alike() cmp.Option {
	return cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{})}
}

// TestSamePolicySameBytes compiles often enough for the order of maps to differ.
func TestSamePolicySameBytes(t *testing.T) {
	want := compiled(t, everyKey(t)).Bytes()
	for range 20 {
		if !bytes.Equal(compiled(t, everyKey(t)).Bytes(), want) {
			t.Fatal("the same policy has other bytes")
		}
	}
}

// TestGolden reads an image that is kept: a change of the form that FormatVersion does not tell is noticed here. What a
// policy compiles to may change.
func TestGolden(t *testing.T) {
	const file = "testdata/policy.image"
	if *update {
		if err := os.WriteFile(file, compiled(t, everyKey(t)).Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	img, err := compile.Decode(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := img.Bytes(); !bytes.Equal(got, want) {
		t.Errorf("it has other bytes now: version %d, sha256 %x; if the form is meant to change, raise FormatVersion and run with -update", compile.FormatVersion, sha256.Sum256(got))
	}
	if got := said(img, look(img, img.Host.Read, "/etc/shadow")); got != "HIGH by /etc/shadow" {
		t.Error(got)
	}
}

// sealed puts a head before the rest of an image.
func sealed(rest []byte) []byte {
	sum := sha256.Sum256(rest)
	head := binary.LittleEndian.AppendUint32([]byte("STOCKADE"), compile.FormatVersion)
	return append(append(head, sum[:]...), rest...)
}

const headBytes = 8 + 4 + sha256.Size

func TestNoImage(t *testing.T) {
	data := compiled(t, everyKey(t)).Bytes()
	changed := func(at int) []byte {
		out := bytes.Clone(data)
		out[at]++
		return out
	}
	for want, data := range map[string][]byte{
		"decode image: it is no image":                      nil,
		"decode image: it is no image ":                     changed(0),
		"decode image: its format is version 3, and this ":  changed(8),
		"decode image: it is damaged: its digest is":        changed(len(data) - 1),
		"decode image: it is damaged: its digest is ":       data[:len(data)-1],
		"decode image: 1 bytes too many":                    sealed(append(bytes.Clone(data[headBytes:]), 0)),
		"decode image: it ends too early":                   sealed(data[headBytes : len(data)-1]),
		"decode image: it ends too early ":                  sealed([]byte{0xff, 0xff, 0xff, 0xff}),
		"decode image: it has 134217729 bytes, more than 1": append([]byte("STOCKADE"), make([]byte, compile.MaxBytes-7)...),
	} {
		if _, err := compile.Decode(data); err == nil || !strings.HasPrefix(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%v\nnot %s", err, want)
		}
	}
}

// TestCutShort decodes all beginnings of an image.
func TestCutShort(t *testing.T) {
	data := compiled(t, parse(t, "processes: {p: {blocked_network: [192.0.2.1]}}")).Bytes()
	for n := headBytes; n < len(data); n++ {
		if _, err := compile.Decode(sealed(data[headBytes:n])); err == nil {
			t.Fatalf("%d of %d bytes are an image", n, len(data))
		}
	}
}

// FuzzDecode changes images under a digest that fits. What Decode accepts can be executed.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		"processes: {p: {}}",
		"processes: {p: {blocked_files: ['/a*'], allowed_network: [192.0.2.0/24, '*.example:1-9'], protect: {signals: [p]}}}",
	} {
		f.Add(compiled(f, parse(f, text)).Bytes()[headBytes:])
	}
	f.Fuzz(func(t *testing.T, rest []byte) {
		img, err := compile.Decode(sealed(rest))
		if err != nil {
			return
		}
		execute(img)
		// Strings may be in another order than Bytes puts them.
		data := img.Bytes()
		again, err := compile.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Bytes(), data) {
			t.Error("other bytes after a round trip")
		}
	})
}

// execute uses everything in an image that has a number.
func execute(img *compile.Image) {
	tables := []compile.Table{img.Host.Exec, img.Host.Read, img.Host.Write, img.Host.Device, img.Host.Mount, img.Host.Module, img.Host.Names}
	peers := []uint32{img.Host.Metadata, img.Firewall.Egress}
	decisions := []uint32{img.Host.BPF, img.Host.Settime, img.Host.Keyring, img.Host.IOUring, img.Firewall.ZoneMiss}
	for _, s := range img.Subjects {
		tables = append(tables, s.Paths[:]...)
		peers = append(peers, s.Peers, s.Listen)
		decisions = append(decisions, s.Packet, s.NoSudo, s.Signals.Decision, s.Ptrace.Decision, s.MemoryMB.Decision)
		for _, n := range img.Members[s.Signals.Members.First:][:s.Signals.Members.Count] {
			_ = img.Subjects[n]
		}
		if s.Syscalls != compile.NoTable {
			decisions = append(decisions, img.Syscalls[s.Syscalls].AMD64[:]...)
		}
		if s.Capabilities != compile.NoTable {
			decisions = append(decisions, img.Capabilities[s.Capabilities][:]...)
		}
	}
	for _, z := range img.Firewall.Zones {
		peers = append(peers, z.Peers)
		decisions = append(decisions, z.Miss)
		look(img, z.Interfaces, "eth0")
	}
	for _, path := range []string{"", "/", "/a/b", "/usr/bin/p", "\xff\x00", automaton.NameSymbols("a.example")} {
		for _, table := range tables {
			decisions = append(decisions, look(img, table, path))
		}
		claims, _ := actor(img, path)
		for _, n := range claims {
			c := img.Claims[n]
			_ = img.Subjects[c.Subject]
			look(img, c.Unit.Table, path)
		}
	}
	for _, n := range peers {
		if n != compile.NoTable {
			for _, text := range []string{"192.0.2.1:5/tcp a.example", "[::1]:80/sctp", "0.0.0.0:0/udp x"} {
				decisions = append(decisions, judge(img, n, parsePeer(text)))
			}
		}
	}
	for _, n := range decisions {
		said(img, n)
	}
}
