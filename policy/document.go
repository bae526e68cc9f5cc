package policy

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds that keep the YAML reader's time and stack in proportion to the file.
const (
	maxLine    = 16 << 10 // bytes
	maxNesting = 16       // brackets and braces within each other, and - or ? on one line
	maxAnchors = 1000
	maxKeys    = 10_000 // as written; the YAML reader needs quadratic time for the keys of one map
)

// document returns the root of the file's one YAML document, or nil after a problem.
func (r *reader) document(text []byte) ast.Node {
	start := Position{File: r.name, Line: 1, Column: 1}
	if len(text) > MaxBytes {
		r.problem(start, "split the policy", "the file is larger than %d bytes", MaxBytes)
		return nil
	}
	r.lines = strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	r.texts[r.name] = r.lines
	before := len(r.problems)
	if r.checkText(); len(r.problems) > before {
		return nil
	}
	file, err := parseYAML(string(text), r.checkTokens)
	if syntax, ok := errors.AsType[yaml.Error](err); ok {
		r.problem(r.at(syntax.GetToken()), syntaxHint(syntax.GetMessage()), "not YAML: %s", printable(syntax.GetMessage()))
	} else if err != nil {
		r.problem(start, syntaxHint(""), "not YAML: %s", printable(err.Error()))
	}
	if file == nil {
		return nil
	}
	return r.root(file)
}

// root picks the document and collects its anchors.
func (r *reader) root(file *ast.File) ast.Node {
	var body ast.Node
	for _, doc := range file.Docs {
		switch doc.Body.(type) {
		case nil, *ast.DirectiveNode, *ast.CommentGroupNode:
			continue
		}
		if body != nil {
			r.problem(r.place(doc.Body), "keep one policy in one file", "a second YAML document")
			continue
		}
		body = doc.Body
	}
	if body == nil {
		what, first := "policy", "processes"
		if r.cases {
			what, first = "file of cases", "cases"
		}
		r.problem(Position{File: r.name, Line: 1, Column: 1}, "start with \""+first+":\" and one entry", "the %s is empty", what)
		return nil
	}
	ast.Walk(anchorCollector{r}, body)
	return body
}

// checkText refuses what is not text, before the YAML reader sees it.
func (r *reader) checkText() {
	for i, line := range r.lines {
		pos := Position{File: r.name, Line: i + 1, Column: 1}
		if len(line) > maxLine {
			r.problem(pos, "break the line: one list item a line", "the line is longer than %d bytes", maxLine)
		}
		if !utf8.ValidString(line) {
			r.problem(pos, "save the file as UTF-8", "the line is not UTF-8 text")
			continue
		}
		for column, c := range []rune(line) {
			if c < ' ' && c != '\t' || c == 0x7f {
				pos.Column = column + 1
				r.problem(pos, "remove it", "control character %#02x", c)
				break
			}
		}
	}
}

// checkTokens refuses what would make the YAML reader recurse deeply, and tags, which mean nothing here.
func (r *reader) checkTokens(tokens token.Tokens) (ok bool) {
	before := len(r.problems)
	depth, line, run, anchors, keys := 0, 0, 0, 0, 0
	for _, tk := range tokens {
		if tk.Position.Line != line {
			line, run = tk.Position.Line, 0
		}
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType:
			run++
		case token.MappingValueType:
			keys++
		case token.AnchorType:
			anchors++
		case token.TagType:
			r.problem(r.at(tk), "remove it, or quote the value if ! is part of it", "YAML tags are not used in a policy")
		}
		if depth > maxNesting || run > maxNesting {
			r.problem(r.at(tk), "a policy needs four levels", "lists and maps nest too deep")
			return false
		}
		if keys > maxKeys {
			r.problem(r.at(tk), "use anchors and aliases for entries that are alike", "more than %d keys", maxKeys)
			return false
		}
		if anchors > maxAnchors {
			r.problem(r.at(tk), "use fewer anchors", "more than %d anchors", maxAnchors)
			return false
		}
	}
	return len(r.problems) == before
}

// parseYAML parses the text, unless check dislikes its tokens: then file is nil without an error. The YAML reader is other people's code
// that gets any text: should it panic, that is an error of the file.
func parseYAML(text string, check func(token.Tokens) bool) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			file, err = nil, fmt.Errorf("the YAML reader gave up: %v", p)
		}
	}()
	tokens := lexer.Tokenize(text)
	if !check(tokens) {
		return nil, nil
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

func syntaxHint(message string) string {
	switch {
	case strings.Contains(message, "reserved character"):
		return "quote the value"
	case strings.Contains(message, "tab character"), strings.Contains(message, "cannot start any token"):
		return "indent with spaces"
	case strings.Contains(message, "mapping value is not allowed"):
		return `quote a value that holds ": "`
	case strings.Contains(message, "not found"), strings.Contains(message, "could not find"):
		return "close what is opened here"
	}
	return "check indentation and quotes here and in the line above"
}
