package kubeconfig

import (
	"go.yaml.in/yaml/v3"
)

// follow returns what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// rawField returns a field's value in a mapping, nil if there is none. Where a key is repeated the last one
// counts, as it does for kubectl.
func rawField(m *yaml.Node, key string) *yaml.Node {
	if m.Kind != yaml.MappingNode {
		return nil
	}
	for i := len(m.Content) - 2; i >= 0; i -= 2 {
		if follow(m.Content[i]).Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// field is rawField with aliases followed.
func field(m *yaml.Node, key string) *yaml.Node {
	if n := rawField(m, key); n != nil {
		return follow(n)
	}
	return nil
}

// setField sets a field where it is, or adds it at the end.
func setField(m *yaml.Node, key string, value *yaml.Node) {
	for i := len(m.Content) - 2; i >= 0; i -= 2 {
		if follow(m.Content[i]).Value == key {
			old := m.Content[i+1]
			value.HeadComment, value.LineComment, value.FootComment = old.HeadComment, old.LineComment, old.FootComment
			m.Content[i+1] = value
			return
		}
	}
	m.Content = append(m.Content, scalar(key), value)
}

// unshared copies a node so that nothing in the copy is part of anything else.
func unshared(n *yaml.Node) *yaml.Node {
	n = follow(n)
	c := *n
	c.Anchor, c.Content = "", make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		c.Content[i] = unshared(child)
	}
	return &c
}

func nameOf(item *yaml.Node) string {
	if n := field(item, "name"); n != nil {
		return n.Value
	}
	return ""
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func scalar(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

func mapping(keysAndValues ...string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, s := range keysAndValues {
		n.Content = append(n.Content, scalar(s))
	}
	return n
}

// quoteStrings gives every string the quotes that JSON wants.
func quoteStrings(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		quoteStrings(c)
	}
}

// indentsLists says if the items of a file's lists stand further right than the lists' keys. kubectl does not
// indent them.
func indentsLists(root *yaml.Node) bool {
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, list := root.Content[i], root.Content[i+1]
		if list.Kind == yaml.SequenceNode && list.Style&yaml.FlowStyle == 0 && list.Line > 0 && list.Anchor == "" && len(list.Content) > 0 {
			return list.Column > key.Column
		}
	}
	return false
}
