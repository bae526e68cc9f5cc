package paths

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFor(t *testing.T) {
	tests := []struct {
		instance string
		want     Paths
	}{
		{"", Paths{
			Socket: "/run/stockade/api.sock", State: "/var/lib/stockade", AuditLog: "/var/log/stockade/audit.jsonl",
			BPF: "/sys/fs/bpf/stockade", Policy: "/etc/stockade/policy.yaml",
		}},
		{"ci-2", Paths{
			Socket: "/run/stockade-ci-2/api.sock", State: "/var/lib/stockade-ci-2", AuditLog: "/var/log/stockade-ci-2/audit.jsonl",
			BPF: "/sys/fs/bpf/stockade-ci-2", Policy: "/etc/stockade/policy.yaml",
		}},
	}
	for _, tt := range tests {
		got, err := For(tt.instance)
		if err != nil {
			t.Fatalf("For(%q): %v", tt.instance, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("For(%q) (-want +got):\n%s", tt.instance, diff)
		}
	}
}

func TestForRefuses(t *testing.T) {
	for _, name := range []string{".", "..", "../x", "a/b", "-a", "_a", "A", "a b", "a\x00", "é", strings.Repeat("a", maxInstance+1)} {
		if p, err := For(name); err == nil {
			t.Errorf("For(%q) = %+v, want an error", name, p)
		}
	}
}
