//go:build linux

package enforcer

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton/mix"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/policy/layout"
	"github.com/stockade-security/stockade/verdict"
)

// BenchmarkKernelDecide is what the kernel's part of a decision takes, without the hook and the walk that finds a name, for
// policies of so many globs: with a path of 80 bytes that none names, one that is read to its end, and an address.
func BenchmarkKernelDecide(b *testing.B) {
	accesses := map[string]verdict.Access{
		"unnamed": {Op: verdict.OpFile, Letters: policy.AccessRead, Path: "/var/lib/storage17/backend/config/fixture/handler/journal/metrics/monitor-18.txt"},
		"named":   {Op: verdict.OpFile, Letters: policy.AccessRead, Path: "/usr/local/lib/message137/backend/config/fixture/handler/journal/m-1/metrics.log"},
		"address": {Op: verdict.OpConnect, Protocol: "tcp", Peer: netip.MustParseAddrPort("203.0.113.7:443")},
	}
	for _, globs := range []int{10, 100, 1000, 10000} {
		img := costly(b, globs)
		k := newKernelJudge(b, 1<<22)
		k.load(b, img)
		for name, a := range accesses {
			task := verdict.Task{Subject: 1}
			q := question(task, &a, layout.None)
			if want, got := verdict.Decide(img, task, &a), k.ask(b, q, 1); got != want || got.Denied != (name == "named") {
				b.Fatalf("%s: the kernel %+v, verdict %+v", name, got, want)
			}
			b.Run(fmt.Sprintf("%s/rules=%d", name, globs), func(b *testing.B) {
				best := time.Hour
				for b.Loop() {
					start := time.Now()
					k.ask(b, q, batch)
					best = min(best, time.Since(start))
				}
				b.ReportMetric(float64(best.Nanoseconds())/batch, "ns/decision")
			})
		}
	}
}

// batch is how often one run of the program decides, so that calling it does not count. The best batch does: the others hold
// what else the machine did.
const batch = 2000

// costly has one entry with so many globs and as many networks.
func costly(b *testing.B, rules int) *compile.Image {
	b.Helper()
	var text strings.Builder
	text.WriteString("processes:\n  app:\n    blocked_files:\n")
	for _, g := range mix.Globs(1, rules) {
		fmt.Fprintf(&text, "      - %q\n", g)
	}
	text.WriteString("    blocked_network:\n")
	for i := range rules {
		addr := netip.AddrFrom4([4]byte{byte(11 + i%190), byte(i / 200), byte(i % 7), byte(i % 5)})
		prefix, _ := addr.Prefix([]int{16, 24, 32}[i%3])
		fmt.Fprintf(&text, "      - \"%s:443/tcp\"\n", prefix)
	}
	p, err := policy.Parse("p.yaml", []byte(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	img, err := compile.Compile(p)
	if err != nil {
		b.Fatal(err)
	}
	return img
}
