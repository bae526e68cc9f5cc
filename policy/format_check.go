package policy

import "github.com/goccy/go-yaml/ast"

// changed returns a part of a that b says otherwise or in another order, whatever their layout and quotes; nil if none.
func changed(a, b ast.Node) ast.Node {
	switch a := a.(type) {
	case *ast.AnchorNode:
		if b, ok := b.(*ast.AnchorNode); ok && a.Name.GetToken().Value == b.Name.GetToken().Value {
			return changed(a.Value, b.Value)
		}
		return a
	case *ast.AliasNode:
		if b, ok := b.(*ast.AliasNode); ok && a.Value.GetToken().Value == b.Value.GetToken().Value {
			return nil
		}
		return a
	case *ast.SequenceNode:
		if b, ok := b.(*ast.SequenceNode); ok {
			return changedIn(a, a.Values, b.Values, changed)
		}
		return a
	}
	if kindOf(a) != kindOf(b) || scalarText(a) != scalarText(b) {
		return a
	}
	return changedIn(a, mapValues(a), mapValues(b), func(a, b *ast.MappingValueNode) ast.Node {
		if a.Key.IsMergeKey() != b.Key.IsMergeKey() || keyText(a.Key) != keyText(b.Key) {
			return a.Key
		}
		return changed(a.Value, b.Value)
	})
}

// changedIn compares the parts of a collection.
func changedIn[T ast.Node](whole ast.Node, a, b []T, change func(a, b T) ast.Node) ast.Node {
	if len(a) != len(b) {
		return whole
	}
	for i := range a {
		if part := change(a[i], b[i]); part != nil {
			return part
		}
	}
	return nil
}

// scalarText returns what a scalar reads as, "" for a collection.
func scalarText(node ast.Node) string {
	switch n := node.(type) {
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.StringNode:
		return n.Value
	case *ast.NullNode, *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode, *ast.AnchorNode, *ast.AliasNode:
		return ""
	}
	return node.GetToken().Value
}
