package layout

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

func compiled(t testing.TB, text string) *compile.Image {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	img, err := compile.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func encode(t testing.TB, img *compile.Image, o Options) (*Image, Head) {
	t.Helper()
	laid, err := Encode(img, o)
	if err != nil {
		t.Fatal(err)
	}
	head, digest, err := Read(laid.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if digest != img.Digest || int(4*head.Words) != len(laid.Bytes) || head.AnyAsks != laid.Asks {
		t.Fatalf("read: digest %s, %d words, asks %#x; encoded: %s, %d bytes, %#x", digest, head.Words, head.AnyAsks, img.Digest, len(laid.Bytes), laid.Asks)
	}
	return laid, head
}

// at reads what stands at a place.
func at[T any](t testing.TB, laid *Image, place uint32) (v T) {
	t.Helper()
	if _, err := binary.Decode(laid.Bytes[4*place:], binary.LittleEndian, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// many is a policy of that many entries.
func many(entries int) string {
	var text strings.Builder
	text.WriteString("processes:\n")
	for i := range entries {
		fmt.Fprintf(&text, "  entry-%d: {no_sudo: true}\n", i)
	}
	return text.String()
}

// find looks a stable number up as subject_of in bpf/image.h does, within its bound.
func find(t testing.TB, laid *Image, h Head, stable uint32) uint32 {
	place := stable
	for range 32 {
		pair := at[[2]uint32](t, laid, h.Stable+2*(place&h.StableMask))
		if pair[1] == 0 {
			break
		}
		if pair[0] == stable {
			return pair[1] - 1
		}
		place++
	}
	return 0
}

func TestStable(t *testing.T) {
	for _, entries := range []int{1, 2, 3, 17, 1000} {
		img := compiled(t, many(entries))
		laid, head := encode(t, img, Options{})
		for i := range img.Subjects {
			if got := find(t, laid, head, StableOf(img.Subjects[i].Name)); got != uint32(i) {
				t.Errorf("%d entries: %s is subject %d, found as %d", entries, img.Subjects[i].Name, i, got)
			}
		}
		if got := find(t, laid, head, StableOf("no such entry")); got != compile.DefaultSubject {
			t.Errorf("%d entries: what is none is found as %d", entries, got)
		}
	}
}

// TestStableStays: an entry keeps its number whatever is around it.
func TestStableStays(t *testing.T) {
	number := func(text, name string) uint32 {
		img := compiled(t, text)
		laid, head := encode(t, img, Options{})
		i := slices.IndexFunc(img.Subjects, func(s compile.Subject) bool { return s.Name == name })
		return at[Subject](t, laid, head.Subjects+uint32(i)*uint32(binary.Size(Subject{})/4)).Stable
	}
	if a, b := number("processes: {a: {}, b: {}}", "b"), number("processes: {b: {no_sudo: true}, c: {}, a: {}}", "b"); a != b || a != StableOf("b") {
		t.Errorf("%#x and %#x, want %#x", a, b, StableOf("b"))
	}
}

// TestCollision: two names of one number cannot be told apart.
func TestCollision(t *testing.T) {
	if StableOf("declinate") != StableOf("macallums") {
		t.Fatal("the names do not collide")
	}
	_, err := Encode(compiled(t, "processes: {declinate: {}, other: {}, macallums: {}}"), Options{})
	if err == nil || !strings.Contains(err.Error(), "declinate and macallums") {
		t.Errorf("got the error %v", err)
	}
}

func TestDigest(t *testing.T) {
	img := *compiled(t, many(1))
	encode(t, &img, Options{})
	for _, digest := range []string{"", "ab", strings.Repeat("g", 64), img.Digest + "00"} {
		img.Digest = digest
		if _, err := Encode(&img, Options{}); err == nil {
			t.Errorf("%q is taken for a digest", digest)
		}
	}
}

func TestRead(t *testing.T) {
	laid, head := encode(t, compiled(t, many(3)), Options{Generation: 7})
	if head.Generation != 7 || head.SubjectCount != 4 {
		t.Errorf("generation %d, %d subjects; want 7, 4", head.Generation, head.SubjectCount)
	}
	other := bytes.Clone(laid.Bytes)
	other[0]++
	for name, words := range map[string][]byte{"nothing": nil, "half a head": laid.Bytes[:binary.Size(Head{})/2], "another magic": other} {
		if _, _, err := Read(words); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// TestDecisions: every number that is masked is one, and one beyond the last says nothing.
func TestDecisions(t *testing.T) {
	img := compiled(t, `processes: {a: {blocked_files: ["/x", "/y"], allowed_files: ["/z"]}}
host: {bpf: {allow_exe: ["/usr/bin/a"]}}
`)
	laid, head := encode(t, img, Options{})
	if n := head.DecisionMask + 1; n&head.DecisionMask != 0 || int(n) < len(img.Decisions) || int(n) >= 2*len(img.Decisions) {
		t.Fatalf("%d decisions are laid out as %d", len(img.Decisions), n)
	}
	kinds := map[uint32]int{}
	for i := range head.DecisionMask + 1 {
		var want uint32
		if int(i) < len(img.Decisions) {
			d := img.Decisions[i]
			want = d.Grant << GrantShift
			if d.Deny {
				want |= Denies
			}
			if d.Unlisted {
				want |= Unlisted
			}
		}
		got := at[uint32](t, laid, head.Decisions+i)
		if got != want {
			t.Errorf("decision %d is %#x, want %#x", i, got, want)
		}
		kinds[got]++
	}
	for _, kind := range []uint32{0, Denies, Denies | Unlisted, Denies | Unlisted | 1<<GrantShift} {
		if kinds[kind] == 0 {
			t.Errorf("no decision is %#x", kind)
		}
	}
}

// TestTexts: each exact path stands where Texts says, behind its length.
func TestTexts(t *testing.T) {
	paths := []string{"/etc/shadow", "/a", "/etc/gshadow-", strings.Repeat("/x", 500)}
	laid, _ := encode(t, compiled(t, many(2)), Options{Exact: paths})
	if len(laid.Texts) != len(paths) {
		t.Errorf("%d texts, want %d", len(laid.Texts), len(paths))
	}
	for _, path := range paths {
		place := laid.Texts[path]
		length := at[uint32](t, laid, place)
		if got := string(laid.Bytes[4*place+4:][:min(int(length), len(laid.Bytes)-int(4*place+4))]); got != path {
			t.Errorf("at %d stands %q, want %q", place, got, path)
		}
	}
}

func TestClaims(t *testing.T) {
	sum := strings.Repeat("0123456789abcdef", 4)
	img := compiled(t, `processes:
  a: {match: {exe: ["/usr/bin/a"], user: [web, nobody, ghost], unit: [a.service], sha256: ["`+sum+`"]}}
  b: {match: {exe: ["/usr/bin/b"], container: ["web-*"]}}
`)
	users := map[string][]uint32{"web": {33, 1033}, "nobody": {65534}}
	laid, head := encode(t, img, Options{Users: func(name string) []uint32 { return users[name] }})
	for i := range img.Claims {
		c := at[Claim](t, laid, head.Claims+uint32(i*binary.Size(Claim{})/4))
		contained := at[Subject](t, laid, head.Subjects+c.Subject*uint32(binary.Size(Subject{})/4)).Flags&Contained != 0
		switch img.Subjects[c.Subject].Name {
		case "a":
			if diff := cmp.Diff([]uint32{33, 1033, 65534}, list(t, laid, c.Users)); diff != "" {
				t.Errorf("users: -want +got:\n%s", diff)
			}
			if got := hex.EncodeToString(laid.Bytes[4*c.SHA256.First:][:32]); got != sum || c.SHA256.Count != 1 {
				t.Errorf("%d digests from %s on, want %s", c.SHA256.Count, got, sum)
			}
			if c.Flags != WithUsers|WithSHA256 || c.Unit.Present != 1 || c.Container.Present != 0 || contained {
				t.Errorf("a: flags %#x, unit %d, container %d, contained %t", c.Flags, c.Unit.Present, c.Container.Present, contained)
			}
		case "b":
			if c.Flags != 0 || c.Users.Count != 0 || c.Unit.Present != 0 || c.Container.Present != 1 || !contained {
				t.Errorf("b: flags %#x, %d users, unit %d, container %d, contained %t", c.Flags, c.Users.Count, c.Unit.Present, c.Container.Present, contained)
			}
		}
	}
}

func list(t testing.TB, laid *Image, r Range) (out []uint32) {
	for i := range r.Count {
		out = append(out, at[uint32](t, laid, r.First+i))
	}
	return out
}

// TestAsks: an entry asks about its own keys alone, nobody asks where nobody is, and the host asks about whoever is there.
func TestAsks(t *testing.T) {
	img := compiled(t, `processes:
  a: {allowed_exec: ["/bin/sh"], blocked_files: ["/x r"], protect: {signals: [b]}}
  b: {allowed_network: ["10.0.0.0/8"], blocked_capabilities: [ALL], max_processes: 3}
host: {metadata: allow, settime: {allow_exe: []}}
`)
	number := func(name string) uint32 {
		return uint32(slices.IndexFunc(img.Subjects, func(s compile.Subject) bool { return s.Name == name }))
	}
	host := uint32(AskSettime | AskSignal)
	for _, tt := range []struct {
		subjects []uint32
		want     uint32
	}{
		{nil, 0},
		{[]uint32{compile.DefaultSubject}, host},
		{[]uint32{number("a")}, host | AskExec | AskRead},
		{[]uint32{number("b")}, host | AskPeers | AskPacket | AskCapability | AskProcesses},
	} {
		if got := Asks(img, tt.subjects) &^ AskIdentity; got != tt.want {
			t.Errorf("%v ask about %#x, want %#x", tt.subjects, got, tt.want)
		}
	}
}

// FuzzRead: what is read of any bytes is what stands there, and an image in a slot is read as itself.
func FuzzRead(f *testing.F) {
	laid, _ := encode(f, compiled(f, many(3)), Options{Generation: 1})
	f.Add(laid.Bytes)
	f.Add(append(bytes.Clone(laid.Bytes), make([]byte, 4096)...))
	f.Add(laid.Bytes[:binary.Size(Head{})])
	r := rand.New(rand.NewPCG(1, 2))
	noise := bytes.Clone(laid.Bytes[:binary.Size(Head{})])
	for i := range noise[4:] {
		noise[4+i] = byte(r.Uint32())
	}
	f.Add(noise)
	f.Fuzz(func(t *testing.T, words []byte) {
		head, digest, err := Read(words)
		if err != nil {
			return
		}
		if again := encoded(head); !bytes.HasPrefix(words, again) || len(digest) != 64 {
			t.Errorf("read as %x with the digest %s", again, digest)
		}
	})
}
