package main

import (
	"strings"
	"testing"
)

const log = `{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Test":"TestGood","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestGood"}
{"Action":"output","Package":"p","Test":"TestBad/one","Output":"one is wrong\n"}
{"Action":"fail","Package":"p","Test":"TestBad/one"}
{"Action":"fail","Package":"p","Test":"TestBad"}
{"Action":"skip","Package":"p","Test":"TestNever"}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"fail","Package":"p"}
{"Action":"build-output","ImportPath":"q","Output":"q.go:1: no such thing\n"}
{"Action":"output","Package":"q","Output":"FAIL q [build failed]\n"}
{"Action":"fail","Package":"q"}
{"Action":"pass","Package":"r"}
not an event
{"Action":"pass","Package":"r","Test":"TestCut`

func TestTally(t *testing.T) {
	var got tally
	var w strings.Builder
	if err := got.read(strings.NewReader(log), &w); err != nil {
		t.Fatal(err)
	}
	if want := (tally{passed: 1, failed: 3, skipped: 1}); got != want {
		t.Errorf("tally %+v, want %+v", got, want)
	}
	for _, want := range []string{"FAIL p TestBad/one\none is wrong\n", "FAIL p TestBad\n", "q.go:1: no such thing\n", "FAIL q [build failed]\n", "not an event\n"} {
		if !strings.Contains(w.String(), want) {
			t.Errorf("report lacks %q:\n%s", want, &w)
		}
	}
	if strings.Contains(w.String(), "chatter") {
		t.Errorf("report shows a passed test's output:\n%s", &w)
	}
}

func TestRunNamesTheFile(t *testing.T) {
	err := run([]string{"testdata/absent.json"}, &strings.Builder{})
	if err == nil || !strings.Contains(err.Error(), "testdata/absent.json") {
		t.Errorf("error %v does not name the file", err)
	}
}
