package trial

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// junitSuites is the format that CI systems read: https://github.com/testmoapp/junitxml.
type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name  string `xml:"name,attr"`
	Class string `xml:"classname,attr"`
	File  string `xml:"file,attr"`
	Line  int    `xml:"line,attr"`
	// Failure: the answer is another; Error: the case could not be asked.
	Failure *junitFailure `xml:"failure,omitempty"`
	Error   *junitFailure `xml:"error,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// Suite is the results of one file of cases.
type Suite struct {
	Name    string
	Results []Result
	Took    time.Duration
}

// WriteJUnit writes suites as JUnit XML. Characters that XML cannot hold become U+FFFD.
func WriteJUnit(w io.Writer, suites []Suite) error {
	var doc junitSuites
	for _, s := range suites {
		doc.Suites = append(doc.Suites, junit(s))
	}
	text, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("write junit: %w", err)
	}
	if _, err := io.WriteString(w, xml.Header+string(text)+"\n"); err != nil {
		return fmt.Errorf("write junit: %w", err)
	}
	return nil
}

func junit(s Suite) junitSuite {
	out := junitSuite{Name: s.Name, Tests: len(s.Results), Time: fmt.Sprintf("%.6f", s.Took.Seconds())}
	for i := range s.Results {
		r := &s.Results[i]
		c := junitCase{Name: r.Title(), Class: s.Name, File: r.Access.Pos.File, Line: r.Access.Pos.Line}
		var lines []string
		for _, m := range r.Mismatches() {
			lines = append(lines, fmt.Sprintf("%s: want %s, got %s", m.What, m.Want, m.Got))
		}
		switch failure := (&junitFailure{Message: strings.Join(lines, "; "), Text: r.Answer.Detail}); {
		case r.Err != nil:
			out.Errors++
			c.Error = failure
		case len(lines) > 0:
			out.Failures++
			c.Failure = failure
		}
		out.Cases = append(out.Cases, c)
	}
	return out
}

// Title is what the result is called: the case's name, if it has one, who, and what.
func (r *Result) Title() string {
	title := r.Case.Given.Text + ": " + r.Access.Text
	if r.Case.Name != "" {
		title = r.Case.Name + ": " + title
	}
	return title
}
