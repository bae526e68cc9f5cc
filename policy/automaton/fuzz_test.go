package automaton

import (
	"errors"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy/glob"
)

// FuzzBuild compares automata of any globs, one a line, with regular expressions.
func FuzzBuild(f *testing.F) {
	for _, seed := range [][2]string{
		{"/etc/**\n/etc/shadow\n**/shadow", "/etc/shadow"},
		{"/a[b-d!]*\n/a?*/b", "/ac"},
		{"/{a,b{c,}}?\n/{,b}**", "/bcx"},
		{"/[!x]\n/\\[a", "/\xff"},
		{"**/**/x\n/a***b\n*", "/a/x"},
		{"/srv/**/x/**/y\n/srv/**/y/**/x\n/srv/**", "/srv/x/x/y"},
		{"{,/}*\n**", ""},
		{"**/.ssh/id_*\n**/id_rsa\n/home/*/.ssh/**", "/home/a/.ssh/id_rsa"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		var patterns []Pattern
		for i, line := range strings.Split(text, "\n") {
			if g, err := glob.Parse(line); err == nil && i < 30 && len(line) < 100 {
				patterns = append(patterns, Pattern{Glob: g, Value: uint32(i * i % 7)})
			}
		}
		if _, err := Build(patterns, Limits{}); err != nil {
			if _, ok := errors.AsType[*CostError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		judge(t, patterns, []string{path, strings.ReplaceAll(text, "\n", ""), path + "/" + path})
	})
}

// FuzzValidate wants that a valid automaton does not panic, whatever it is.
func FuzzValidate(f *testing.F) {
	f.Add([]byte{1, 2, 1}, []byte{255, 1, 0, 3, 255, 0, 255, 2, 255, 0, 255, 0}, uint8(1), uint8(0), "ab")
	f.Fuzz(func(t *testing.T, classes, cells []byte, start, final uint8, text string) {
		a := Automaton{Start: uint32(start), Final: uint32(final), Reverse: len(text)%2 == 1}
		for c := range a.Classes {
			a.Classes[c] = 1
			if c < len(classes) {
				a.Classes[c] = classes[c]
			}
		}
		for i := 0; i+1 < len(cells); i += 2 {
			a.Cells = append(a.Cells, Cell{uint32(int8(cells[i])), uint32(cells[i+1])})
		}
		if a.Validate() != nil {
			return
		}
		plain := a.Start
		for i := range len(text) {
			at := i
			if a.Reverse {
				at = len(text) - 1 - i
			}
			plain = a.step(plain, text[at])
		}
		if got := MatchAll([]Automaton{a, a}, text); got != a.Cells[plain].Check || got != a.Match(text) {
			t.Errorf("in two ways %d, %d and step by step %d", got, a.Match(text), a.Cells[plain].Check)
		}
		a.MatchName(text)
	})
}
