//go:build linux

package bypass

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThreatModel: docs/threat-model.md explains what is not prevented, and nothing that is not a technique.
func TestThreatModel(t *testing.T) {
	explained := explanations(t)
	known := map[string]bool{}
	for _, g := range groups() {
		for _, tech := range g.techniques {
			known[g.control+"/"+tech.name] = true
		}
	}
	for name := range explained {
		if !known[name] {
			t.Errorf("docs/threat-model.md explains %s, which is no technique", name)
		}
	}
	files, err := filepath.Glob("testdata/results-*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := readBaseline(string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			name := l.control + "/" + l.name
			if !known[name] {
				t.Errorf("%s has %s, which is no technique", file, name)
			}
			if l.result != resultPrevented && !explained[name] {
				t.Errorf("%s: %s is %s, and docs/threat-model.md does not say why and what to do", file, name, l.result)
			}
		}
	}
}

// explanations are the techniques in the tables below the headings that name a control.
func explanations(t *testing.T) map[string]bool {
	page, err := os.ReadFile("../../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile("`([^`]+)`")
	found, control := map[string]bool{}, ""
	for line := range strings.Lines(string(page)) {
		if heading, ok := strings.CutPrefix(line, "### "); ok {
			control = strings.TrimSpace(heading)
		} else if strings.HasPrefix(line, "## ") {
			control = ""
		}
		if cells := strings.Split(line, "|"); control != "" && len(cells) > 2 {
			for _, m := range name.FindAllStringSubmatch(cells[1], -1) {
				found[control+"/"+m[1]] = true
			}
		}
	}
	if len(found) == 0 {
		t.Fatal("docs/threat-model.md explains nothing")
	}
	return found
}
