//go:build unix

package poller_test

import (
	"testing"

	"github.com/stockade-security/stockade/internal/poller"
)

// TestForkIsNoStart: a copy of its parent has started no program, and no policy may take it for that.
func TestForkIsNoStart(t *testing.T) {
	f, look := watch(t)
	copied := poller.Details{Parent: 7, Name: "zsh", Argv: []string{"-zsh"}}
	f.run(9, 10.5, "/bin/zsh", copied)
	if got := brief(look(11)); got != "10.5s fork zsh /bin/zsh makes /bin/zsh" {
		t.Error(got)
	}
	f.run(9, 10.5, "/bin/tool", poller.Details{Parent: 7, Name: "tool", Argv: []string{"tool"}})
	if got := brief(look(12)); got != "12s exec tool /bin/tool runs /bin/tool for /bin/zsh" {
		t.Error(got)
	}
	copied.Argv = []string{"zsh", "-c", "true"}
	f.run(10, 12.5, "/bin/zsh", copied)
	if got := brief(look(13)); got != "12.5s exec zsh /bin/zsh runs /bin/zsh for " {
		t.Error(got)
	}
}
