//go:build linux

package bypass

import (
	"testing"

	"github.com/stockade-security/stockade/policy"
)

// TestPolicies: what the groups forbid must be what a guard takes.
func TestPolicies(t *testing.T) {
	for _, g := range groups() {
		dir := t.TempDir()
		envs := map[string]*Env{}
		for _, tech := range g.all() {
			e, err := newEnv(dir, dir+"/bin", tech.name)
			if err != nil {
				t.Fatalf("%s: the names of techniques must differ: %v", g.control, err)
			}
			envs[tech.name] = e
		}
		p, err := policy.Parse(g.control+".yaml", []byte(g.policy(dir+"/bin", envs)))
		if err != nil {
			t.Errorf("%s: %v", g.control, err)
		} else if p.Mode != policy.ModeEnforce {
			t.Errorf("%s: mode %s refuses nothing", g.control, p.Mode)
		}
	}
}
