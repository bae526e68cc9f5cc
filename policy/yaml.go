package policy

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// maxAliases bounds aliases of aliases and merges within merges.
const maxAliases = 8

// anchorCollector notes the node that each anchor names.
type anchorCollector struct{ r *reader }

func (c anchorCollector) Visit(node ast.Node) ast.Visitor {
	if anchor, ok := node.(*ast.AnchorNode); ok {
		name := anchor.Name.GetToken().Value
		if _, again := c.r.anchors[name]; again {
			c.r.problem(c.r.at(anchor.GetToken()), "give each anchor a name of its own", "the anchor &%s is defined twice", printable(name))
		}
		c.r.anchors[name] = anchor.Value
	}
	return c
}

// entry is a key with its value, which is nil if it could not be resolved.
type entry struct {
	key   string
	pos   Position
	value ast.Node
}

// spend counts one visited key or item; ok is false, and told once, when the file expands to too many.
func (r *reader) spend(pos Position) (ok bool) {
	r.budget--
	if r.budget == -1 {
		r.problem(pos, "write fewer items, or repeat fewer by aliases", "the policy expands to more than %d keys and list items", maxEntries)
	}
	return r.budget >= 0
}

// resolve follows anchors and aliases to a value; nil after a problem.
func (r *reader) resolve(node ast.Node) ast.Node {
	for range maxAliases {
		switch n := node.(type) {
		case *ast.AnchorNode:
			node = n.Value
		case *ast.AliasNode:
			name := n.Value.GetToken().Value
			target, ok := r.anchors[name]
			if !ok {
				r.problem(r.at(n.GetToken()), "quote the value if it is a pattern: \"*"+printable(name)+"\"", "the alias *%s names no anchor", printable(name))
				return nil
			}
			node = target
		default:
			return node
		}
	}
	r.problem(r.place(node), "write the value out", "aliases of aliases go too deep")
	return nil
}

// place returns where a value starts; the YAML reader gives a map's first colon instead.
func (r *reader) place(node ast.Node) Position {
	switch n := node.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return r.at(n.Values[0].Key.GetToken())
		}
	case *ast.MappingValueNode:
		return r.at(n.Key.GetToken())
	}
	return r.at(node.GetToken())
}

// isNull reports whether the key has no value.
func isNull(node ast.Node) bool {
	_, null := node.(*ast.NullNode)
	return null
}

// entries returns the keys of a map in the file's order; what names the map in a problem. A key's value is resolved.
func (r *reader) entries(node ast.Node, what string) ([]entry, bool) {
	out, ok := r.ownEntries(node, what, 0)
	if !ok {
		return nil, false
	}
	seen := map[string]Position{}
	kept := out[:0]
	for _, e := range out {
		if first, again := seen[e.key]; again {
			r.problem(e.pos, "merge the two", "the key %s is already at %s", quoted(e.key), printable(first.String()))
			continue
		}
		seen[e.key] = e.pos
		kept = append(kept, e)
	}
	return kept, true
}

func (r *reader) ownEntries(node ast.Node, what string, depth int) ([]entry, bool) {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		r.problem(r.place(node), "write keys below it, indented", "%s must be a map, not %s", what, kindOf(node))
		return nil, false
	}
	var own, merged []entry
	for _, v := range values {
		key, ok := keyToken(v.Key)
		pos := r.at(key)
		if !r.spend(pos) {
			return nil, false
		}
		if v.Key.IsMergeKey() {
			merged = append(merged, r.merge(v.Value, what, depth+1)...)
			continue
		}
		if !ok {
			r.problem(pos, "write a plain word and a colon", "a key of %s must be text", what)
			continue
		}
		if value := r.resolve(v.Value); value != nil {
			own = append(own, entry{key: key.Value, pos: pos, value: value})
		}
	}
	return append(own, without(merged, own)...), true
}

// keyToken returns the token of a key, also of one behind a question mark; ok is false if the key is not plain text.
func keyToken(key ast.Node) (tk *token.Token, ok bool) {
	if marked, is := key.(*ast.MappingKeyNode); is && marked.Value != nil {
		key = marked.Value
	}
	switch key.(type) {
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode:
		return key.GetToken(), false
	}
	_, ok = key.(ast.ScalarNode)
	return key.GetToken(), ok
}

// merge returns the entries of what << names: a map or a list of maps, of which earlier ones win.
func (r *reader) merge(node ast.Node, what string, depth int) []entry {
	value := r.resolve(node)
	if value == nil {
		return nil
	}
	if depth > maxAliases {
		r.problem(r.place(node), "write the keys out", "merges go too deep")
		return nil
	}
	sources := []ast.Node{value}
	if list, ok := value.(*ast.SequenceNode); ok {
		sources = list.Values
	}
	var out []entry
	for _, source := range sources {
		if source = r.resolve(source); source == nil {
			continue
		}
		more, ok := r.ownEntries(source, what, depth)
		if !ok {
			break
		}
		out = append(out, without(more, out)...)
	}
	return out
}

// without returns the entries of list whose keys taken does not have.
func without(list, taken []entry) []entry {
	keys := map[string]bool{}
	for _, e := range taken {
		keys[e.key] = true
	}
	var out []entry
	for _, e := range list {
		if !keys[e.key] {
			out = append(out, e)
		}
	}
	return out
}

// scalar is a piece of text in the file.
type scalar struct {
	text string
	pos  Position
	// inner is the column of the text's first character, 0 if the text is written otherwise than it reads.
	inner int
}

// point returns the position of the byte at offset within the text, as far as it can be told.
func (s scalar) point(offset int) Position {
	pos := s.pos
	if s.inner > 0 && offset <= len(s.text) {
		pos.Column = s.inner + len([]rune(s.text[:offset]))
	}
	return pos
}

// scalar returns a value that is text; as in the guards before, numbers and booleans are text too.
func (r *reader) scalar(node ast.Node, what string) (scalar, bool) {
	tk := node.GetToken()
	s := scalar{pos: r.at(tk), text: tk.Value}
	switch n := node.(type) {
	case *ast.LiteralNode:
		s.text = n.Value.Value
		return s, true
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
	default:
		r.problem(r.place(node), "write one value, in quotes if in doubt", "%s must be text, not %s", what, kindOf(node))
		return s, false
	}
	if s.pos.Line > len(r.lines) {
		return s, true
	}
	column := s.pos.Column
	if tk.Type == token.SingleQuoteType || tk.Type == token.DoubleQuoteType {
		column++
	}
	if line := []rune(r.lines[s.pos.Line-1]); column-1 <= len(line) && strings.HasPrefix(string(line[column-1:]), s.text) {
		s.inner = column
	}
	return s, true
}

// kindOf names a node's type for people.
func kindOf(node ast.Node) string {
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a map"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.IntegerNode:
		return "a number"
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number with a fraction"
	case *ast.BoolNode:
		return "true or false"
	}
	return "text"
}
