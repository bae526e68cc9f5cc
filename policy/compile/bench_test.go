package compile_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy/automaton/mix"
	"github.com/stockade-security/stockade/policy/compile"
)

// policyOf returns a policy of one entry with that many globs, one in ten of which blocks.
func policyOf(count int) string {
	var blocked, allowed strings.Builder
	for i, g := range mix.Globs(1, count) {
		line := "      - " + strconv.Quote(g) + "\n"
		if i%10 == 0 {
			blocked.WriteString(line)
		} else {
			allowed.WriteString(line)
		}
	}
	return "processes:\n  p:\n    blocked_files:\n" + blocked.String() + "    allowed_files:\n" + allowed.String()
}

func BenchmarkCompile(b *testing.B) {
	for _, count := range []int{10, 100, 1000, 10000} {
		b.Run(strconv.Itoa(count), func(b *testing.B) {
			p := parse(b, policyOf(count))
			var img *compile.Image
			for b.Loop() {
				img = compiled(b, p)
			}
			size := img.Size()
			b.ReportMetric(float64(size.Bytes), "image-bytes")
			b.ReportMetric(float64(size.Automata), "automata")
		})
	}
}

func BenchmarkBinary(b *testing.B) {
	data := compiled(b, parse(b, policyOf(1000))).Bytes()
	img, err := compile.Decode(data)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			img.Bytes()
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := compile.Decode(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
