//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
)

// The lines between which a document holds the benchmark's output.
const (
	firstLine = "<!-- written by the benchmark: begin -->\n"
	lastLine  = "<!-- written by the benchmark: end -->\n"
)

// replace puts text between the marked lines of the document in path.
func replace(path, text string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	document, err := between(string(b), text)
	if err != nil {
		return fmt.Errorf("write into %s: %w", path, err)
	}
	return os.WriteFile(path, []byte(document), 0o644)
}

func between(document, text string) (string, error) {
	head, rest, ok := strings.Cut(document, firstLine)
	_, tail, ended := strings.Cut(rest, lastLine)
	if !ok || !ended {
		return "", fmt.Errorf("no line %q with a line %q after it", strings.TrimSpace(firstLine), strings.TrimSpace(lastLine))
	}
	return head + firstLine + "\n" + strings.TrimSpace(text) + "\n\n" + lastLine + tail, nil
}
