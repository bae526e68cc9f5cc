//go:build linux

package pipeline

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/identity"
)

// TestReach: who is signalled or traced is named where its number says who it is.
func TestReach(t *testing.T) {
	table := identity.New(identity.Config{Procfs: t.TempDir(), Boot: time.Unix(1, 0), SinceNS: 1})
	table.Exec(identity.ExecInfo{TimeNS: 2e9, Task: identity.Task{PID: 70, StartNS: 1e9, Comm: [16]byte{0: 'v', 'a', 'u', 'l', 't'}}, Exe: "/usr/bin/vault"})
	p := New(Config{Table: table})
	here, elsewhere := &event.Namespaces{PID: initialPIDs}, &event.Namespaces{PID: 7}
	known := event.Ref{PID: 70, StartNS: 1e9, Name: "vault", Exe: "/usr/bin/vault"}
	for name, tt := range map[string]struct {
		in, want event.Ref
		traced   *event.Namespaces // nil: signalled
	}{
		"signalled":                    {in: event.Ref{PID: 70, StartNS: 1e9, Name: "thread"}, want: event.Ref{PID: 70, StartNS: 1e9, Name: "thread", Exe: "/usr/bin/vault"}},
		"signalled, start by its tick": {in: event.Ref{PID: 70, StartNS: 1e9 + 9e6}, want: event.Ref{PID: 70, StartNS: 1e9 + 9e6, Name: "vault", Exe: "/usr/bin/vault"}},
		"signalled, number reused":     {in: event.Ref{PID: 70, StartNS: 5e9}, want: event.Ref{PID: 70, StartNS: 5e9}},
		"signalled, unknown":           {in: event.Ref{PID: 71, StartNS: 1e9}, want: event.Ref{PID: 71, StartNS: 1e9}},
		"traced":                       {in: event.Ref{PID: 70}, want: known, traced: here},
		"traced from a container":      {in: event.Ref{PID: 70}, want: event.Ref{PID: 70}, traced: elsewhere},
		"asks to be traced":            {traced: here},
	} {
		e := &event.Event{Process: &event.Process{Namespaces: tt.traced}}
		var got *event.Ref
		if tt.traced != nil {
			e.Ptrace = &event.Ptrace{Target: tt.in}
			got = &e.Ptrace.Target
		} else {
			e.Signal = &event.Signal{Target: tt.in}
			got = &e.Signal.Target
		}
		p.reach(e)
		if diff := cmp.Diff(tt.want, *got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}
