package policy

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/stockade-security/stockade/internal/syscalls"
)

// Schema returns the JSON Schema (draft 2020-12) of a policy file, for editors that complete and check what is typed. Its keys
// are those that the reader takes. It lets through every file that loads without a key that says nothing, and of the others only
// those whose mistake takes more than shapes and patterns to see.
func Schema() []byte {
	defs := shape{}
	for name, def := range schemaWords() {
		defs[defName(name)] = def
	}
	for _, s := range sections() {
		defs[defName(s.name)] = schemaOf(s)
	}
	name := defName(policySection().name)
	root := defs[name].(shape)
	delete(defs, name)
	root["$schema"], root["$defs"] = "https://json-schema.org/draft/2020-12/schema", defs
	root["title"] = "Stockade policy"
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		panic("policy: plain data does not marshal: " + err.Error())
	}
	return out.Bytes()
}

// shape is a schema or a part of one.
type shape map[string]any

// sections lists all sections of the language.
func sections() []outline {
	host := func(h *Host) *List[PathRule] { return &h.BPF }
	out := append(outlines(),
		outlined(defaultSection()), outlined(modulesSection()), outlined(mountsSection()), outlined(prctlSection()),
		outlined(startSection()), outlined(fileSection()), outlined(deviceSection()))
	for _, what := range []string{"bpf", "settime", "keyrings", "io_uring"} {
		out = append(out, outlined(allowExeSection(what, host)))
	}
	return out
}

// schemaOf describes a section. Its keys may be empty: then they count as absent.
func schemaOf(s outline) shape {
	properties := shape{"<<": shape{"description": "The keys of another entry, by its alias: *name, or [*one, *two]. Those written here win."}}
	for _, name := range s.keys {
		f := schemaKeys(s.name)[name]
		value := shape{"description": f.doc}
		for keyword, v := range f.value {
			value[keyword] = v
		}
		switch typ := value["type"].(type) {
		case string:
			value["type"] = []string{typ, "null"}
		case []string:
			value["type"] = append(slices.Clone(typ), "null")
		}
		properties[name] = value
	}
	out := shape{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
	for keyword, v := range schemaRules(s.name) {
		out[keyword] = v
	}
	return out
}

// schemaRules are what a section asks of its keys together.
func schemaRules(section string) shape {
	switch section {
	case "the policy":
		return shape{"type": "object"}
	case "an entry of host.exec":
		return shape{"required": []string{"path", "parents"}}
	case "an entry of host.files":
		return shape{"required": []string{"path"}, "anyOf": requireOneOf("readers", "writers")}
	case "an entry of host.devices":
		return shape{"required": []string{"path", "allow_exe"}}
	case "host.bpf", "host.settime", "host.keyrings", "host.io_uring":
		return shape{"required": []string{"allow_exe"}}
	case "host.kernel_modules":
		return shape{"anyOf": requireOneOf("allow", "block")}
	case "host.mounts":
		return shape{"required": []string{"block_sources"}}
	case "host.prctl":
		return shape{"required": []string{"block"}}
	case "an egress rule":
		return shape{"anyOf": requireOneOf("allow", "block")}
	case "a zone":
		return shape{"required": []string{"interfaces"}}
	case "brute_force":
		return shape{"required": []string{"threshold", "window"}}
	case "a sink":
		return shape{"oneOf": requireOneOf("webhook", "file", "syslog")}
	}
	return nil
}

func requireOneOf(keys ...string) []shape {
	var out []shape
	for _, k := range keys {
		out = append(out, shape{"required": []string{k}})
	}
	return out
}

// schemaWords are the long lists of names, which several keys share.
func schemaWords() shape {
	var words vocabulary
	return shape{
		"system call": oneWord("[A-Z]", slices.Concat(syscalls.Groups(), words.syscalls())),
		"capability":  oneWord("[a-z]", append(slices.Clone(words.capabilityNames()), "ALL")),
		"prctl":       oneWord("[a-z]", words.prctlOptions()),
	}
}

// oneWord is one of the words, for which a file may write other cases of letters: what matches other is not looked at.
func oneWord(other string, words []string) shape {
	return shape{"type": "string", "anyOf": []shape{{"enum": words}, {"pattern": other}}}
}
