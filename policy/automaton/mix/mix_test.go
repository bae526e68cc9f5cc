package mix_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy/automaton/mix"
	"github.com/stockade-security/stockade/policy/glob"
)

func TestGlobs(t *testing.T) {
	globs := mix.Globs(1, 1000)
	if !slices.Equal(globs, mix.Globs(1, 1000)) || slices.Equal(globs, mix.Globs(2, 1000)) {
		t.Error("the seed alone does not decide")
	}
	if !slices.Equal(globs[:10], mix.Globs(1, 10)) {
		t.Error("a small mix is not the beginning of a large one")
	}
	kinds := map[string]int{}
	seen := map[string]bool{}
	for _, g := range globs {
		if _, err := glob.Parse(g); err != nil {
			t.Errorf("%s: %v", g, err)
		}
		if seen[g] {
			t.Errorf("%s is there twice", g)
		}
		seen[g] = true
		switch {
		case strings.HasPrefix(g, "**/"):
			kinds["suffix"]++
		case strings.Count(g, "**") == 2:
			kinds["twice"]++
		case strings.HasSuffix(g, "/**"):
			kinds["tree"]++
		case strings.Contains(g, "*"):
			kinds["star"]++
		default:
			kinds["exact"]++
		}
	}
	for kind, want := range map[string]int{"exact": 400, "star": 200, "suffix": 170, "tree": 180, "twice": 50} {
		if kinds[kind] != want {
			t.Errorf("%d of a thousand are of the kind %s, want %d", kinds[kind], kind, want)
		}
	}
}
