package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// digest covers everything that a policy says: each field of its types but places, and rules in their canonical form.
func digest(p *Policy) string {
	said := *p
	said.Name = ""
	text, err := json.Marshal(canonical(reflect.ValueOf(said)))
	if err != nil {
		panic("policy: plain data does not marshal: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// canonical returns v as plain data: a list that is absent is null, a rule is a text.
func canonical(v reflect.Value) any {
	switch rule := v.Interface().(type) {
	case PathRule:
		return pathText(rule)
	case GlobRule:
		return globText(rule)
	case NameRule:
		return nameText(rule)
	case SyscallRule:
		return rule.Text
	case NetworkRule:
		return networkText(rule)
	}
	switch v.Kind() {
	case reflect.Struct:
		return canonicalStruct(v)
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = canonical(v.Index(i))
		}
		return out
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return canonical(v.Elem())
	}
	return v.Interface()
}

func canonicalStruct(v reflect.Value) any {
	out := map[string]any{}
	for i := range v.NumField() {
		switch field := v.Type().Field(i); {
		case field.Name == "Present" && !v.Field(i).Bool():
			return nil
		case field.IsExported() && field.Type != reflect.TypeFor[Position]():
			out[field.Name] = canonical(v.Field(i))
		}
	}
	return out
}

func pathText(r PathRule) string { return r.Glob.String() + " " + r.Access.String() }

func networkText(r NetworkRule) string {
	peer := r.Host
	switch {
	case r.Path != nil:
		peer = "unix:" + r.Path.String()
	case r.Host == "":
		peer = strings.Trim(fmt.Sprint(r.Prefixes), "[]")
	}
	return fmt.Sprintf("%s %v %s", peer, r.Ports, r.Protocol)
}
