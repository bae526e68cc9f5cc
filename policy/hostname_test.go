package policy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/publicsuffix"
)

// TestSharedParents holds hostname.txt to the list of public suffixes that golang.org/x/net carries; -update writes it.
func TestSharedParents(t *testing.T) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/net").Output()
	if err != nil && os.Getuid() > 0 {
		t.Skip("needs a checkout that this user can reach by its full path, and its modules")
	}
	if err != nil {
		t.Fatalf("find golang.org/x/net: %v", err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(module)), "publicsuffix", "table_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	from := strings.Index(string(source), "var rules = ")
	to := from + strings.Index(string(source)[from:], "\n}")
	isSuffix := func(name string) bool {
		suffix, icann := publicsuffix.PublicSuffix(name)
		return suffix == name && (icann || strings.Contains(name, "."))
	}
	var parents []string
	for _, match := range regexp.MustCompile(`"(.+)"`).FindAllStringSubmatch(string(source)[from:to], -1) {
		rule := strings.TrimPrefix(match[1], "!")
		if _, parent, ok := strings.Cut(rule, "."); ok && !isSuffix(parent) {
			parents = append(parents, parent)
		}
	}
	slices.Sort(parents)
	_, date, _ := strings.Cut(publicsuffix.List.String(), "(")
	want := "Domains with public suffixes right below them, by the list at publicsuffix.org of " + strings.TrimSuffix(date, ")") + ":\n" +
		strings.Join(slices.Compact(parents), "\n") + "\n"
	if *update {
		if err := os.WriteFile("hostname.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if sharedParents != want || len(parents) < 100 {
		t.Errorf("hostname.txt is not what %d parents make: write it with go test -run TestSharedParents -update", len(parents))
	}
}

func TestSharedSuffix(t *testing.T) {
	for host, shared := range map[string]bool{
		"com": false, "github.io": false, "x.github.io": false,
		"*.com": true, "**.co.uk": true, "**.uk": true, "*.github.io": true, "*.uk": true, "**.ck": true, "*.foo.ck": true,
		"*.amazonaws.com": true, "**.amazonaws.com": true, "*.s3.amazonaws.com": true, "*.bucket.s3.amazonaws.com": false,
		"**.eu-west-1.amazonaws.com": true, "**.salesforce.com": true, "*.salesforce.com": false,
		"*.example.com": false, "**.example.co.uk": false, "*.www.ck": false,
		"*.internal": false, "**.lan": false, "*.local": false,
	} {
		if got := sharedSuffix(host); (got != "") != shared {
			t.Errorf("%s: %q, want shared %v", host, got, shared)
		}
	}
}
