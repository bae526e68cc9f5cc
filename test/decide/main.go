// Command decide measures what compiling a policy and one decision by it take, for more and more rules, and prints the table
// of docs/performance.md. It judges nothing: a number that misses its aim is shown as it is.
package main

import (
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/automaton/mix"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// The lines between which a document holds the table.
const (
	firstLine = "<!-- written by test/decide: begin -->\n"
	lastLine  = "<!-- written by test/decide: end -->\n"
)

func main() {
	into := flag.String("write", "", "put the table between the marked lines of `FILE`")
	flag.Parse()
	if err := run(*into, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "decide: %v\n", err)
		os.Exit(1)
	}
}

func run(into string, w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s. Best of %d batches of %d.\n\n", time.Now().Format(time.DateOnly), runtime.Version(), batches, batch)
	b.WriteString("| rules | globs: compiled in | automata | size | a path that none names | a path that one names | networks: an address | allocations |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, rules := range []int{10, 100, 1000, 10000} {
		l, err := measure(rules)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "| %d | %.2g s | %d | %.2g MB | %d ns | %d ns | %d ns | %.0f |\n",
			rules, l.compiled.Seconds(), l.automata, float64(l.bytes)/1e6, l.unnamed.ns, l.named.ns, l.address.ns,
			l.unnamed.allocations+l.named.allocations+l.address.allocations)
	}
	if _, err := io.WriteString(w, b.String()); err != nil || into == "" {
		return err
	}
	return replace(into, b.String())
}

// replace puts text between the marked lines of a document.
func replace(path, text string) error {
	document, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(document), firstLine)
	_, tail, ended := strings.Cut(rest, lastLine)
	if !ok || !ended {
		return fmt.Errorf("write into %s: no line %q with a line %q after it", path, strings.TrimSpace(firstLine), strings.TrimSpace(lastLine))
	}
	return os.WriteFile(path, []byte(head+firstLine+"\n"+text+"\n"+lastLine+tail), 0o644)
}

// line is what was measured for one number of rules.
type line struct {
	compiled       time.Duration
	automata       uint32
	bytes          int
	unnamed, named cost
	address        cost
}

// cost is of one decision.
type cost struct {
	ns          int64
	allocations float64
}

// Paths of 80 bytes. No rule names the first. The other is read to its end, below a tree with two ** that does not have it after
// all, and named by a suffix; of mix.Globs(1, n) both are among the first ten.
const (
	unnamed = "/var/lib/storage17/backend/config/fixture/handler/journal/metrics/monitor-18.txt"
	named   = "/usr/local/lib/message137/backend/config/fixture/handler/journal/m-1/metrics.log"
)

func measure(rules int) (l line, err error) {
	globs, err := parse("blocked_files", mix.Globs(1, rules))
	if err != nil {
		return l, err
	}
	start := time.Now()
	img, err := compile.Compile(globs)
	if err != nil {
		return l, err
	}
	l.compiled = time.Since(start)
	table := img.Subjects[1].Paths[compile.ClassRead].Automata
	l.automata = table.Count
	for _, a := range img.Automata[table.First:][:table.Count] {
		l.bytes += len(a.Cells) * int(unsafe.Sizeof(automaton.Cell{}))
	}
	l.unnamed = costOf(img, verdict.Access{Op: verdict.OpFile, Path: unnamed, Letters: policy.AccessRead})
	l.named = costOf(img, verdict.Access{Op: verdict.OpFile, Path: named, Letters: policy.AccessRead})
	networks, err := parse("allowed_network", networksOf(rules))
	if err != nil {
		return l, err
	}
	if img, err = compile.Compile(networks); err != nil {
		return l, err
	}
	l.address = costOf(img, verdict.Access{Op: verdict.OpConnect, Peer: netip.MustParseAddrPort("203.0.113.7:443"), Protocol: "tcp"})
	return l, nil
}

// networksOf makes that many networks of three lengths.
func networksOf(count int) []string {
	out := make([]string, count)
	for i := range out {
		addr := netip.AddrFrom4([4]byte{byte(11 + i%200), byte(i / 200), byte(i % 7), byte(i % 5)})
		prefix, _ := addr.Prefix([]int{16, 24, 32}[i%3])
		out[i] = prefix.String() + ":443/tcp"
	}
	return out
}

func parse(key string, rules []string) (*policy.Policy, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "processes:\n  app:\n    %s:\n", key)
	for _, r := range rules {
		fmt.Fprintf(&text, "      - %q\n", r)
	}
	return policy.Parse("policy.yaml", []byte(text.String()))
}

// The best of many short batches is the cost without what else the machine does.
const (
	batches = 300
	batch   = 1000
)

func costOf(img *compile.Image, a verdict.Access) cost {
	task := verdict.Task{Subject: 1}
	best := time.Hour
	for range batches {
		start := time.Now()
		for range batch {
			verdict.Decide(img, task, &a)
		}
		best = min(best, time.Since(start))
	}
	return cost{best.Nanoseconds() / batch, testing.AllocsPerRun(batch, func() { verdict.Decide(img, task, &a) })}
}
