//go:build linux

package activity

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"testing"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/internal/sensor/file"
	"github.com/stockade-security/stockade/internal/sensor/library"
	"github.com/stockade-security/stockade/internal/sensor/network"
	"github.com/stockade-security/stockade/internal/sensor/process"
	"github.com/stockade-security/stockade/internal/sensor/syscall"
	"github.com/stockade-security/stockade/internal/sensor/system"
)

func sensors() []*kernel.Sensor {
	return []*kernel.Sensor{process.New(), file.New(), network.New(), system.New(system.Options{}), library.New(), syscall.New()}
}

// elsewhere names the tests of the kinds that user space makes: file, relative to this folder, and function.
var elsewhere = map[event.Kind][2]string{
	event.KindExecCount:   {"../../internal/tally/execs_test.go", "TestExecCount"},
	event.KindUnitRestart: {"../../internal/tally/units_linux_test.go", "TestUnitRestart"},
	event.KindPosture:     {"../../internal/posture/posture_test.go", "TestInventory"},
	event.KindLoss:        {"../../internal/daemon/losses_test.go", "TestForcedLossesAreAccountedFor"},
	event.KindRetention:   {"../../internal/audit/rotate_test.go", "TestRotationPacksAndDeletesTheOldest"},
	event.KindGuard:       {"../../internal/daemon/log_test.go", "TestGuardRecordsStartAndStop"},
}

func TestActivities(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: BPF and a cgroup of its own")
	}
	w := newWatch(t, sensors())
	for _, a := range activities() {
		t.Run(a.name, func(t *testing.T) {
			if a.skip != nil {
				if why := a.skip(); why != "" {
					t.Skip(why)
				}
			}
			o := w.observe(t, a)
			for _, want := range a.want(o.dir, o.facts) {
				expect(t, o.events, a.kind, want, 1)
			}
			if a.none == nil {
				return
			}
			for _, unwanted := range a.none(o.dir, o.facts) {
				expect(t, o.events, a.kind, unwanted, 0)
			}
		})
	}
}

func expect(t *testing.T, events []event.Event, kind event.Kind, want event.Event, times int) {
	t.Helper()
	if want.Kind == "" {
		want.Kind = kind
	}
	w := fields(t, want)
	n := 0
	for _, e := range events {
		if contains(fields(t, e), w) {
			n++
		}
	}
	if n == times {
		return
	}
	t.Errorf("seen %d times instead of %d: %s", n, times, text(want))
	for _, e := range events {
		if e.Kind == want.Kind {
			t.Logf("there was: %s", text(e))
		}
	}
}

func TestEveryKindHasAnActivity(t *testing.T) {
	has := map[event.Kind]bool{}
	for _, a := range activities() {
		has[a.kind] = true
	}
	for _, k := range event.Kinds() {
		test, named := elsewhere[k]
		switch {
		case has[k] == named:
			t.Errorf("%s must have an activity or a test elsewhere, and not both", k)
		case named && !tests(t, test[0], test[1]):
			t.Errorf("%s: there is no %s in %s", k, test[1], test[0])
		}
	}
}

// tests says whether a file has a test of that name.
func tests(t *testing.T, file, name string) bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return false
	}
	return slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Recv == nil && fn.Name.Name == name
	})
}
