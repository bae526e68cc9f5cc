//go:build linux

package syscall

import (
	"testing"

	"github.com/stockade-security/stockade/event"
)

func TestCall(t *testing.T) {
	for _, c := range []struct {
		number int
		i386   bool
		want   event.Call
	}{
		{59, false, event.Call{Syscall: "execve"}},
		{11, true, event.Call{Syscall: "execve", ABI: "i386"}},
		{222, true, event.Call{Syscall: "222", ABI: "i386"}}, // a gap in the table
		{520, false, event.Call{Syscall: "520"}},             // x32's execve
	} {
		if got := call(c.number, c.i386); *got != c.want {
			t.Errorf("call %d: %+v, not %+v", c.number, *got, c.want)
		}
	}
}
