package fanotify

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// reports collects denials.
type reports struct {
	mu   sync.Mutex
	list []Denial
}

func (r *reports) add(d Denial) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, d)
}

func (r *reports) take() []Denial {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.list
	r.list = nil
	return out
}

// await returns so many denials, and fails if there are others; a denial is told after the open has returned.
func (r *reports) await(t *testing.T, n int) (list []Denial) {
	t.Helper()
	eventually(func() bool { list = append(list, r.take()...); return len(list) >= n })
	if len(list) != n {
		t.Errorf("%d denials, want %d", len(list), n)
	}
	return list[:min(n, len(list))]
}

func guard(t *testing.T, cfg Config) *Guard {
	t.Helper()
	if cfg.Identify == nil {
		cfg.Identify = everybody
	}
	cfg.Bound = cmp.Or(cfg.Bound, patience)
	g, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if s := g.Status(); s.Asked != s.Denied+s.Allowed+s.Own+s.Released || s.Failed+s.Overflows != 0 {
			t.Errorf("the numbers do not add up: %+v", s)
		}
	})
	return g
}

// TestNames opens, under every name, what rules block and what they do not.
func TestNames(t *testing.T) {
	dir := disk(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, 0o755, at("key"), at("box/a"), at("box/deep/b"), at("tool"), at("my"), at("free"), at("swap"), at("other"), at("old/later"))
	for _, err := range []error{
		os.Link(at("key"), at("hard")), os.Symlink("key", at("soft")), os.Link(at("tool"), at("copy")), os.Mkdir(at("mnt"), 0o755),
		unix.Mount(at("box"), at("mnt"), "", unix.MS_BIND, ""), unix.Mount(at("key"), at("other"), "", unix.MS_BIND, ""),
		os.WriteFile(at("script"), []byte("#!"+at("sh")+"\n"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	sh, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(at("sh"), sh, 0o755), os.WriteFile(at("mute"), sh, 0o755)); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(`mode: enforce
processes:
  app:
    allowed_exec: ["/nothing"]
    blocked_exec: [DIR/tool, DIR/sh, DIR/made-tool]
    blocked_files: [DIR/key r, "DIR/box/* r", DIR/my, DIR/swap r, DIR/made r, DIR/old r, DIR/mute r, DIR/box/deep/b w]
`, "DIR", dir)
	var got reports
	g := guard(t, Config{Image: image(t, text), Report: got.add})
	write(t, 0o755, at("box/new"), at("made"), at("made-tool"), at("next"), at("free-tool"))
	if err := os.Link(at("key"), at("hard2")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(at("next"), at("swap")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(at("swap"), at("swapped")); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		what  string
		flags int
		name  string
		want  unix.Errno
	}{
		{"by its path", unix.O_RDONLY, "key", unix.EPERM},
		{"for both", unix.O_RDWR, "key", unix.EPERM},
		{"for writing", unix.O_WRONLY, "key", 0},
		{"for writing by a call that hides it", openat2, "key", unix.EPERM},
		{"hard link before", unix.O_RDONLY, "hard", unix.EPERM},
		{"hard link after", unix.O_RDONLY, "hard2", unix.EPERM},
		{"symbolic link", unix.O_RDONLY, "soft", unix.EPERM},
		{"bound elsewhere", unix.O_RDONLY, "other", unix.EPERM},
		{"another file", unix.O_RDONLY, "free", 0},
		{"no rule for reading alone", unix.O_WRONLY, "my", unix.EPERM},
		{"in the directory", unix.O_RDONLY, "box/a", unix.EPERM},
		{"new in the directory", unix.O_RDONLY, "box/new", unix.EPERM},
		{"created in the directory", unix.O_RDWR | unix.O_CREAT, "box/newest", unix.EPERM},
		{"a directory in the directory", unix.O_RDONLY, "box/deep", unix.EPERM},
		{"further down", unix.O_RDONLY, "box/deep/b", 0},
		{"the directory bound elsewhere", unix.O_RDONLY, "mnt/a", unix.EPERM},
		{"made later", unix.O_RDONLY, "made", unix.EPERM},
		{"put in its place", unix.O_RDONLY, "swap", unix.EPERM},
		{"put in its place, by another name", unix.O_RDONLY, "swapped", unix.EPERM},
		{"a directory by its path", unix.O_RDONLY, "old", unix.EPERM},
		{"in a directory by its path", unix.O_RDONLY, "old/later", 0},
		{"reading a program", unix.O_RDONLY, "tool", 0},
	}
	batch := map[int][]int{}
	for i, c := range cases {
		batch[c.flags] = append(batch[c.flags], i)
	}
	for flags, which := range batch {
		var names, want []string
		for _, i := range which {
			names = append(names, at(cases[i].name))
		}
		for n, errno := range opens(t, flags, names...) {
			c := cases[which[n]]
			if errno != c.want {
				t.Errorf("%s: open gives %v, want %v", c.what, errno, c.want)
			}
			if c.want != 0 {
				want = append(want, names[n])
			}
		}
		denials := got.await(t, len(want))
		for n, d := range denials {
			if d.Access.Op != verdict.OpFile || d.PID == 0 || d.TID == 0 || d.Decision.Rule(d.Image).Text == "" {
				t.Errorf("%s: %+v", want[n], d)
			}
		}
	}
	refused := 0
	for _, c := range []struct {
		what, name string
		want       unix.Errno
	}{
		{"by its path", "tool", unix.EPERM},
		{"hard link", "copy", unix.EPERM},
		{"made later", "made-tool", unix.EPERM},
		{"a script of a blocked interpreter", "script", unix.EPERM},
		{"not in an allow list", "free-tool", 0},
		{"what may not be read", "mute", 0},
	} {
		if errno := execute(t, at(c.name)); errno != c.want {
			t.Errorf("%s: exec gives %v, want %v", c.what, errno, c.want)
		}
		if c.want != 0 {
			refused++
		}
	}
	for _, d := range got.await(t, refused) {
		if d.Access.Op != verdict.OpExec {
			t.Errorf("%+v", d)
		}
	}
	if s := g.Status(); s.Objects != 10 || s.Missing != 0 || len(s.Unguarded) != 0 || s.Denied == 0 || s.Allowed == 0 {
		t.Errorf("status %+v", s)
	}
}

// TestPrivateNamespace binds what a directory holds over a file that nobody blocks, in a mount namespace of its own.
func TestPrivateNamespace(t *testing.T) {
	dir := disk(t)
	box, file, free := dir+"/box/a", dir+"/file", dir+"/free"
	write(t, 0o644, box, file, free)
	text := "mode: enforce\nprocesses:\n  app:\n    blocked_files: [" + dir + "/file r, \"" + dir + "/box/* r\"]\n"
	guard(t, Config{Image: image(t, text)})
	for _, hidden := range []string{box, file} {
		if got := opens(t, unix.O_RDONLY, "private", hidden, free); got[0] != unix.EPERM {
			t.Errorf("%s, bound over %s: open gives %v", hidden, free, got[0])
		}
	}
	if errno := open(t, unix.O_RDONLY, free); errno != 0 {
		t.Errorf("the file itself: %v", errno)
	}
}

// TestDeep opens links whose paths the kernel cannot tell.
func TestDeep(t *testing.T) {
	dir := disk(t)
	write(t, 0o644, dir+"/key", dir+"/free")
	var got reports
	guard(t, Config{Image: image(t, denyKey(dir)), Report: got.add})
	cmd := opener(deep, dir+"/key", dir+"/free")
	cmd.Dir = dir
	text, err := cmd.Output()
	if err != nil || string(text) != "1\n0\n" {
		t.Errorf("opens give %q, %v", text, err)
	}
	for _, d := range got.await(t, 1) {
		if d.Seen != "" || d.Access.Path != dir+"/key" {
			t.Errorf("%+v", d)
		}
	}
}

// TestWhom lets through whom the policy does, in audit mode, by a list of readers, or spared.
func TestWhom(t *testing.T) {
	dir := disk(t)
	write(t, 0o644, dir+"/key")
	readers := "mode: enforce\nprocesses:\n  app:\n    blocked_exec: [nc]\nhost:\n  files: [{path: " + dir + "/key, readers: [/usr/bin/reader]}]\n"
	reader := func(exe string) func(*compile.Image, int) verdict.Task {
		return func(img *compile.Image, _ int) verdict.Task {
			return verdict.Identify(img, verdict.Facts{Exe: exe}, nil)
		}
	}
	for name, c := range map[string]struct {
		cfg     Config
		want    unix.Errno
		objects int
	}{
		"its subject":      {Config{Image: image(t, denyKey(dir))}, unix.EPERM, 1},
		"another subject":  {Config{Image: image(t, denyKey(dir)), Identify: func(*compile.Image, int) verdict.Task { return verdict.Task{} }}, 0, 1},
		"audit":            {Config{Image: image(t, denyKey(dir)), Mode: policy.ModeAudit}, 0, 0},
		"spared":           {Config{Image: image(t, denyKey(dir)), Exempt: func(pid int) bool { return pid > 1 }}, 0, 1},
		"a listed reader":  {Config{Image: image(t, readers), Identify: reader("/usr/bin/reader")}, 0, 1},
		"an unlisted one":  {Config{Image: image(t, readers), Identify: reader("/usr/bin/cat")}, unix.EPERM, 1},
		"missing file":     {Config{Image: image(t, denyKey(dir+"/none"))}, 0, 1},
		"nothing to guard": {Config{Image: image(t, "mode: enforce\nprocesses:\n  app:\n    blocked_exec: [nc]\n")}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := guard(t, c.cfg)
			if errno := open(t, unix.O_RDONLY, dir+"/key"); errno != c.want {
				t.Errorf("open gives %v, want %v", errno, c.want)
			}
			if s := g.Status(); s.Objects+s.Missing != c.objects {
				t.Errorf("status %+v", s)
			}
			if err := g.Close(); err != nil {
				t.Error(err)
			}
			if c.want == 0 {
				return
			}
			if errno := open(t, unix.O_RDONLY, dir+"/key"); errno != 0 {
				t.Errorf("after Close open gives %v", errno)
			}
			if g.Apply(c.cfg.Image) == nil {
				t.Error("a closed guard applies")
			}
		})
	}
}

// TestApply changes the image while a file that both deny is opened all the time.
func TestApply(t *testing.T) {
	dir := disk(t)
	write(t, 0o644, dir+"/key", dir+"/second")
	images := []*compile.Image{image(t, denyKey(dir)), image(t, denyKey(dir)+"    blocked_exec: [/nowhere]\n")}
	g := guard(t, Config{Image: images[1]})
	cmd := opener(untilEnd, dir+"/key")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// More changes than groups that may retire at the same time.
	for i := range 2 * retiringMax {
		before := g.Status().Denied
		if err := g.Apply(images[i%2]); err != nil {
			t.Error(err)
		}
		if !eventually(func() bool { return g.Status().Denied > before }) {
			t.Error("nothing is opened")
		}
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var refused, others int
	if _, err := fmt.Sscan(out.String(), &refused, &others); err != nil || others > 0 || refused < 2*retiringMax {
		t.Errorf("%d opens refused, %d not (%v)", refused, others, err)
	}
	if err := g.Apply(image(t, denyKey(dir+"/second"))); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool { return open(t, unix.O_RDONLY, dir+"/key") == 0 }) {
		t.Error("the old image still holds")
	}
}

// TestOwn: what this process opens passes at once, even while a question is being judged.
func TestOwn(t *testing.T) {
	dir := disk(t)
	write(t, 0o644, dir+"/key")
	g := guard(t, Config{Image: image(t, denyKey(dir)), Identify: func(*compile.Image, int) verdict.Task {
		if _, err := os.ReadFile(dir + "/key"); err != nil {
			t.Errorf("while judging: %v", err)
		}
		return verdict.Task{Subject: 1}
	}})
	if errno := open(t, unix.O_RDONLY, dir+"/key"); errno != unix.EPERM {
		t.Errorf("open gives %v", errno)
	}
	if s := g.Status(); s.Own == 0 || s.Released != 0 {
		t.Errorf("status %+v", s)
	}
}
