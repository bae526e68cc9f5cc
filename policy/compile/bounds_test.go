package compile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
)

// wantBound compiles a policy that is over a bound.
func wantBound(t *testing.T, p *policy.Policy, want string) {
	t.Helper()
	_, err := compile.Compile(p)
	bound, ok := errors.AsType[*compile.BoundError](err)
	if !ok || bound.Error() != want {
		t.Errorf("%v\nnot %s", err, want)
	}
}

func TestGlobsThatMultiply(t *testing.T) {
	var globs []string
	for i := range 200 {
		globs = append(globs, fmt.Sprintf("/srv/**/x%d/**/y%d/**/z", i, i))
	}
	_, err := compile.Compile(parse(t, "processes: {small: {}, large: {blocked_files: "+quotedList(globs)+"}}"))
	cost, ok := errors.AsType[*automaton.CostError](err)
	if !ok || !strings.HasPrefix(err.Error(), "compile p.yaml: large: files (r): ") || len(cost.Patterns) == 0 {
		t.Error(err)
	}
}

func TestTooManyPorts(t *testing.T) {
	var wide, narrow []string
	for i := range 1000 {
		wide = append(wide, fmt.Sprintf("0.0.0.0/0:%d/tcp", 2*i+1))
		narrow = append(narrow, fmt.Sprintf("10.0.%d.%d/32:65000/udp", i/250, i%250))
	}
	text := "processes:\n  small: {blocked_network: [10.0.0.0/8]}\n  large: {blocked_network: %s}\n"
	_, err := compile.Compile(parse(t, fmt.Sprintf(text, quotedList(append(wide[:300], narrow...)))))
	bound, ok := errors.AsType[*compile.BoundError](err)
	if !ok || bound.What != "port ranges" || bound.Subject != "large" || bound.Share <= bound.Max || bound.Need <= bound.Share {
		t.Errorf("%+v", err)
	}
	// One far beyond it is given up at once.
	_, err = compile.Compile(parse(t, fmt.Sprintf(text, quotedList(append(wide, narrow...)))))
	if _, ok := errors.AsType[*compile.BoundError](err); !ok || !strings.HasPrefix(err.Error(), "compile p.yaml: large: ") {
		t.Errorf("%+v", err)
	}
}

func TestSizes(t *testing.T) {
	img := compiled(t, everyKey(t))
	sizes, total := img.Sizes(), img.Size()
	if len(sizes) != len(img.Subjects) || sizes[1].Subject != "nginx" || total.Subject != "" {
		t.Fatalf("%+v", sizes)
	}
	for _, s := range sizes {
		if s.Automata > total.Automata || s.Cells > total.Cells || s.Bytes > total.Bytes || s.Prefixes > total.Prefixes || s.Ports > total.Ports {
			t.Errorf("%+v is more than all: %+v", s, total)
		}
	}
	// Four tables of paths, one for all UNIX sockets and one of host names, each of an automaton or more; addresses to reach and to listen on.
	if s := sizes[1]; s.Automata < 6 || s.Prefixes != 8+3 || s.Ports == 0 || s.Bytes < 8*s.Cells {
		t.Errorf("%+v", s)
	}
	if s := sizes[4]; s.Subject != "tool" || s.Bytes != 0 {
		t.Errorf("%+v", s)
	}
}
