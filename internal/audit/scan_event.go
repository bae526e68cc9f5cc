package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/stockade-security/stockade/event"
)

// event reads an event field by field, so that processes that repeat are decoded once.
func (s *scanner) event(text []byte) error {
	e := &event.Event{}
	err := splitObject(text, func(name, value []byte) error {
		if string(name) == "process" {
			p, err := s.process(value)
			e.Process = p
			return err
		}
		if err := decodeField(value, place(e, string(name))); err != nil {
			return fmt.Errorf("parse %s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if e.Kind == "" {
		return errors.New("it is no event: it has no kind")
	}
	if err := s.each(e); err != nil {
		return errStop{err}
	}
	s.report.Events++
	return nil
}

// decodeField is json.Unmarshal with short ways for what every event has; into may be nil.
func decodeField(value []byte, into any) error {
	switch into := into.(type) {
	case nil:
		return nil
	case *uint64:
		if n, err := strconv.ParseUint(string(value), 10, 64); err == nil {
			*into = n
			return nil
		}
	case *time.Time:
		return into.UnmarshalJSON(value)
	case *string:
		if text, ok := plainText(value); ok {
			*into = text
			return nil
		}
	case *event.Kind:
		if text, ok := plainText(value); ok {
			*into = event.Kind(text)
			return nil
		}
	case *event.Evidence:
		if text, ok := plainText(value); ok {
			*into = event.Evidence(text)
			return nil
		}
	}
	return json.Unmarshal(value, into)
}

// plainText is the content of a JSON string of printable ASCII without escapes.
func plainText(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	for _, c := range value[1 : len(value)-1] {
		if c < ' ' || c >= 0x7f || c == '\\' {
			return "", false
		}
	}
	return string(value[1 : len(value)-1]), true
}

// place returns where the value of a field goes; nil for a field that this version does not know.
func place(e *event.Event, name string) any {
	switch name {
	case "seq":
		return &e.Seq
	case "id":
		return &e.ID
	case "time":
		return &e.Time
	case "kind":
		return &e.Kind
	case "evidence":
		return &e.Evidence
	case "errno":
		return &e.Errno
	case "count":
		return &e.Count
	case "until":
		return &e.Until
	case "violations":
		return &e.Violations
	}
	return detail(e, name)
}

// detail is place for what belongs to a kind.
func detail(e *event.Event, name string) any {
	switch name {
	case "exec":
		return &e.Exec
	case "fork":
		return &e.Fork
	case "exit":
		return &e.Exit
	case "file":
		return &e.File
	case "flow":
		return &e.Flow
	case "signal":
		return &e.Signal
	case "ptrace":
		return &e.Ptrace
	case "bpf":
		return &e.BPF
	case "module":
		return &e.Module
	case "mount":
		return &e.Mount
	case "credential":
		return &e.Credential
	case "capability":
		return &e.Capability
	case "namespace":
		return &e.Namespace
	case "memory":
		return &e.Memory
	case "call":
		return &e.Call
	case "oom":
		return &e.OOM
	case "volume":
		return &e.Volume
	case "posture":
		return &e.Posture
	case "loss":
		return &e.Loss
	case "guard":
		return &e.Guard
	}
	return nil
}

// process reads the number of a definition or a whole process.
func (s *scanner) process(text []byte) (*event.Process, error) {
	if text[0] != '{' {
		var number uint64
		if err := json.Unmarshal(text, &number); err != nil {
			return nil, fmt.Errorf("parse process: %w", err)
		}
		if p := s.defined[number]; p != nil {
			return p, nil
		}
		return nil, fmt.Errorf("process %d is not defined", number)
	}
	if p := s.known[string(text)]; p != nil {
		return p, nil
	}
	p := &event.Process{}
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("parse process: %w", err)
	}
	if s.known == nil || len(s.known) >= maxKnown {
		s.known = make(map[string]*event.Process)
	}
	s.known[string(text)] = p
	return p, nil
}
