package probe

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestReadReport(t *testing.T) {
	var text bytes.Buffer
	if err := sample().WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	got, err := ReadReport(&text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), got); diff != "" {
		t.Errorf("-written +read:\n%s", diff)
	}
}

func TestReadReportRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "unexpected end of JSON input",
		"[]":                                  "cannot unmarshal array",
		`{"problems": []}`:                    "it names no kernel or no mechanisms",
		`{"kernel": "6.1", "mechanisms": []}`: "it names no kernel or no mechanisms",
		`{"kernel": "` + strings.Repeat("x", 1<<20): "more than 1048576 bytes",
	} {
		if _, err := ReadReport(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error %v, want %s", text, err, want)
		}
	}
	broken := errors.New("broken")
	if _, err := ReadReport(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error %v, want the reader's", err)
	}
}
