package main

import (
	"bytes"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := &progress{w: &out, start: time.Now()}
	p.show(50, 100)
	p.end()
	if out.Len() > 0 {
		t.Errorf("a bar for what was short: %q", &out)
	}
	p.start = p.start.Add(-2 * patience)
	p.show(50, 100)
	p.show(60, 100) // too soon after the one before
	p.end()
	if want := "\r[####################                    ]  50 % of 100 B\r\x1b[K"; out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
}

// TestProgressIsForTerminals shows nothing elsewhere.
func TestProgressIsForTerminals(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	p.start = p.start.Add(-2 * patience)
	p.show(1, 2)
	p.end()
	if out.Len() > 0 {
		t.Errorf("got %q", &out)
	}
}
