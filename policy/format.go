package policy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// Format returns the text of a policy file in the one layout that all policies may share: two spaces a level, lists
// indented under their key, quotes alike, and brackets and braces that spread over lines opened into lines of their own. Comments, the
// order of keys and rules, empty lines (one at a time) and what the file says stay as they are. Format of its own result
// returns it unchanged.
//
// The file need not be a policy without problems, only YAML that the reader takes: the error is a *Problems if it is not.
// Should a layout turn out to say something else, that is an error too, and nothing is returned.
func Format(text []byte) ([]byte, error) {
	before, err := readLayout(text)
	if err != nil {
		return nil, err
	}
	p := printer{source: before.lines}
	p.node(lead{open: true}, before.body)
	out := []byte(p.weave(before.comments))
	if last := p.lines[len(p.lines)-1]; last.literal && !bytes.HasSuffix(text, []byte("\n")) {
		out = bytes.TrimSuffix(out, []byte("\n")) // a block scalar at the end holds the line break if there is one
	}
	after, err := readLayout(out)
	if err != nil {
		return nil, fmt.Errorf("format policy: the new layout does not load: %w", err)
	}
	if node := changed(before.body, after.body); node != nil {
		return nil, fmt.Errorf("format policy: line %d would say something else in the new layout", node.GetToken().Position.Line)
	}
	sameText := func(a, b comment) bool { return a.text == b.text }
	if !slices.EqualFunc(before.comments, after.comments, sameText) {
		return nil, errors.New("format policy: comments would get lost in the new layout")
	}
	return out, nil
}

// layout is a file as it is written.
type layout struct {
	lines    []string
	body     ast.Node
	comments []comment
}

// comment is one with its #. own: nothing else stands on its line.
type comment struct {
	text         string
	line, column int
	gap          string // what parts it from what it follows
	own          bool
}

func readLayout(text []byte) (*layout, error) {
	r := &reader{book: newBook(), source: source{name: "policy"}, anchors: map[string]ast.Node{}}
	body := r.document(bytes.TrimPrefix(text, []byte("\ufeff")))
	if len(r.problems) > 0 {
		return nil, r.failure()
	}
	out := &layout{lines: r.lines, body: body}
	for _, tk := range lexer.Tokenize(strings.Join(r.lines, "\n")) {
		if tk.Type != token.CommentType {
			continue
		}
		c := comment{text: "#" + strings.TrimRightFunc(tk.Value, unicode.IsSpace), line: tk.Position.Line, column: tk.Position.Column}
		line := []rune(r.lines[min(c.line, len(r.lines))-1])
		at := min(c.column-1, len(line))
		at += max(0, slices.Index(line[at:], '#')) // the YAML reader is a little off behind the | of a block scalar
		before := string(line[:at])
		stem := strings.TrimRight(before, " \t")
		c.own, c.gap = stem == "", cmp.Or(before[len(stem):], " ")
		out.comments = append(out.comments, c)
	}
	return out, nil
}

// printer collects the lines of the new layout.
type printer struct {
	source []string
	lines  []printed
}

// printed is a line, and where in the source its first part stood.
type printed struct {
	text         string
	indent       int
	line, column int
	literal      bool // a line of a block scalar
}

// lead is a line that is being written.
type lead struct {
	text   string
	indent int
	// at is how far the entries of a collection are indented that follows.
	at int
	// open: these entries may start on this line.
	open         bool
	line, column int
}

func (l lead) with(text string, tk *token.Token) lead {
	if l.line == 0 {
		l.line, l.column = tk.Position.Line, tk.Position.Column
	}
	l.text = strings.TrimSpace(l.text + " " + text)
	return l
}

func (p *printer) emit(l lead) {
	p.lines = append(p.lines, printed{text: l.text, indent: l.indent, line: l.line, column: l.column})
}

// entry starts the next entry of a collection, which l leads.
func (p *printer) entry(l *lead, text string, tk *token.Token) lead {
	if !l.open {
		p.emit(*l)
		*l = lead{indent: l.at, at: l.at, open: true}
	}
	out := l.with(text, tk)
	out.at, out.open = l.at+2, text == "-"
	*l = lead{indent: l.at, at: l.at, open: true}
	return out
}

// node writes a value behind l.
func (p *printer) node(l lead, node ast.Node) {
	if text, ok := inline(node); ok {
		p.emit(l.with(text, node.GetToken()))
		return
	}
	switch n := node.(type) {
	case *ast.AnchorNode:
		l = l.with("&"+n.Name.GetToken().Value, n.GetToken())
		l.open = false
		p.node(l, n.Value)
	case *ast.SequenceNode:
		for i, item := range n.Values {
			dash := item.GetToken()
			if !n.IsFlowStyle && i < len(n.Entries) {
				dash = n.Entries[i].Start
			}
			p.node(p.entry(&l, "-", dash), item)
		}
	case *ast.LiteralNode:
		p.literal(l, n)
	default:
		for _, v := range mapValues(node) {
			p.node(p.entry(&l, keyText(v.Key)+":", v.Key.GetToken()), v.Value)
		}
	}
}

// literal writes a block scalar. Its lines are moved, and kept otherwise.
func (p *printer) literal(l lead, n *ast.LiteralNode) {
	header := n.Start.Value
	l = l.with(header, n.Start)
	p.emit(l)
	depth := -1
	lines := p.source
	if last := len(lines) - 1; lines[last] == "" { // behind the last line break
		lines = lines[:last]
	}
	for i := n.Start.Position.Line; i < len(lines); i++ {
		text := strings.TrimRight(lines[i], " \t")
		indent := len(text) - len(strings.TrimLeft(text, " "))
		if text != "" && depth < 0 {
			depth = indent
		}
		if text != "" && indent < depth {
			break
		}
		if text != "" {
			text = lines[i][depth:]
		}
		p.lines = append(p.lines, printed{text: text, indent: l.at, line: i + 1, column: math.MaxInt, literal: true})
	}
	for keep := strings.Contains(header, "+"); !keep && p.lines[len(p.lines)-1].text == ""; {
		p.lines = p.lines[:len(p.lines)-1]
	}
}

// inline returns a value that stands on one line. Collections do if they did, or are empty.
func inline(node ast.Node) (text string, ok bool) {
	switch n := node.(type) {
	case *ast.LiteralNode:
		return "", false
	case *ast.NullNode:
		if n.GetToken().Type == token.ImplicitNullType {
			return "", true
		}
	case *ast.StringNode:
		return stringText(n), true
	case *ast.AliasNode:
		return "*" + n.Value.GetToken().Value, true
	case *ast.AnchorNode:
		text, ok = inline(n.Value)
		return strings.TrimRight("&"+n.Name.GetToken().Value+" "+text, " "), ok
	case *ast.SequenceNode:
		return inlineAll(n.IsFlowStyle, n.Start, n.End, "[]", n.Values)
	case *ast.MappingNode:
		var values []ast.Node
		for _, v := range n.Values {
			values = append(values, v)
		}
		return inlineAll(n.IsFlowStyle, n.Start, n.End, "{}", values)
	case *ast.MappingValueNode:
		return "", false
	}
	return node.GetToken().Value, true
}

func inlineAll(flow bool, start, end *token.Token, brackets string, values []ast.Node) (text string, ok bool) {
	if len(values) == 0 {
		return brackets, true
	}
	if !flow || start == nil || end == nil || start.Position.Line != end.Position.Line {
		return "", false
	}
	var items []string
	for _, value := range values {
		item, ok := inline(value)
		if pair, is := value.(*ast.MappingValueNode); is {
			item, ok = inline(pair.Value)
			if item == "" {
				item = "null"
			}
			item = keyText(pair.Key) + ": " + item
			if brackets == "[]" {
				item = "{" + item + "}"
			}
		}
		if !ok {
			return "", false
		}
		items = append(items, item)
	}
	return brackets[:1] + strings.Join(items, ", ") + brackets[1:], true
}

func mapValues(node ast.Node) []*ast.MappingValueNode {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

func keyText(key ast.Node) string {
	if marked, is := key.(*ast.MappingKeyNode); is && marked.Value != nil {
		key = marked.Value
	}
	text, _ := inline(key)
	return text
}

// stringText returns a string as one line: plain if it was, else in double quotes if that takes no escapes, in single quotes
// if that helps.
func stringText(n *ast.StringNode) string {
	plain := n.Token.Type != token.SingleQuoteType && n.Token.Type != token.DoubleQuoteType
	switch {
	case strings.ContainsFunc(n.Value, func(c rune) bool { return !unicode.IsPrint(c) }):
		return strconv.Quote(n.Value)
	case plain:
		return n.Value
	case strings.ContainsAny(n.Value, `"\`):
		return "'" + strings.ReplaceAll(n.Value, "'", "''") + "'"
	}
	return `"` + n.Value + `"`
}
