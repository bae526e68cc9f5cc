//go:build linux

package daemon_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/internal/daemon"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// TestPolicyOverBounds: a guard does not start on a policy that does not compile, and touches nothing.
func TestPolicyOverBounds(t *testing.T) {
	var text strings.Builder
	text.WriteString("processes:\n  a: {allowed_exec: []}\nhost:\n  exec:\n")
	for i := range compile.MaxGrants {
		fmt.Fprintf(&text, "    - {path: /bin/%d, parents: [/usr/bin/%d]}\n", i, i)
	}
	p, err := policy.Parse("policy.yaml", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(t)
	cfg.Policy = p
	_, err = daemon.Open(cfg)
	if bound := new(compile.BoundError); !errors.As(err, &bound) {
		t.Errorf("opened with %v", err)
	}
	for _, path := range []string{cfg.Paths.Socket, cfg.Paths.State, cfg.Paths.AuditLog} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s has been made", path)
		}
	}
}
