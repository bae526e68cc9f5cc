package guard_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/guard"
	"github.com/stockade-security/stockade/policy"
)

// A program that runs tools for others asks before it starts one.
func Example() {
	dir, err := os.MkdirTemp("", "guard")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	file := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(file, []byte(`
mode: enforce
processes:
  runner:
    allowed_exec: [git, /usr/bin/make]
    blocked_network: [169.254.169.254]
`), 0o600); err != nil {
		log.Fatal(err)
	}
	p, err := guard.LoadPolicy(file)
	if err != nil {
		log.Fatal(err)
	}
	g, err := guard.New(p)
	if err != nil {
		log.Fatal(err)
	}
	g.OnViolation(func(v event.Violation) { fmt.Println(v.Severity, v.Detail) })

	for _, tool := range []string{"/usr/bin/git", "/bin/sh"} {
		if v := g.CheckExec("runner", os.Getpid(), tool); v != nil && v.PolicyMode == string(policy.ModeEnforce) {
			continue // the program refuses by itself
		}
		fmt.Println("starts", tool)
	}
	g.CheckNetwork("runner", os.Getpid(), "169.254.169.254:80")
	if err := g.Close(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(g.Stats().TotalEvents, "checks,", g.Stats().Violations, "violations")
	// Output:
	// starts /usr/bin/git
	// HIGH unauthorized exec: /bin/sh
	// CRITICAL blocked network access: 169.254.169.254:80/tcp (rule: 169.254.169.254)
	// 3 checks, 2 violations
}
