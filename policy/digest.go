package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// canonical is what of a policy the digest covers: rules as text, lists that are absent as null.
type canonical struct {
	Version   string
	Mode      Mode
	Processes []canonicalProcess
	Settings  canonicalSettings
}

type canonicalProcess struct {
	Name, Description          string
	Exec, Files, BlockedFiles  []string
	Network, BlockedNetwork    []string
	Listen                     []string
	SharedSuffix               bool
	Syscalls                   []string
	MaxMemoryMB, MaxCPUPercent int
}

func digest(p *Policy) string {
	c := canonical{Version: p.Version, Mode: p.Mode, Settings: settings(p)}
	for i := range p.Processes {
		q := &p.Processes[i]
		c.Processes = append(c.Processes, canonicalProcess{
			Name: q.Name, Description: q.Description,
			Exec: texts(q.AllowedExec, pathText), Files: texts(q.AllowedFiles, pathText), BlockedFiles: texts(q.BlockedFiles, pathText),
			Network: texts(q.AllowedNetwork, networkText), BlockedNetwork: texts(q.BlockedNetwork, networkText),
			Listen: texts(q.AllowedListen, networkText), SharedSuffix: q.AllowSharedSuffix.Set,
			Syscalls: texts(q.BlockedSyscalls, syscallText), MaxMemoryMB: q.MaxMemoryMB.Value, MaxCPUPercent: q.MaxCPUPercent.Value,
		})
	}
	slices.SortFunc(c.Processes, func(a, b canonicalProcess) int { return strings.Compare(a.Name, b.Name) })
	text, err := json.Marshal(c)
	if err != nil {
		panic("policy: plain data does not marshal: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// texts returns nil for an absent list and an empty slice for an empty one.
func texts[R any](l List[R], text func(R) string) []string {
	if !l.Present {
		return nil
	}
	out := make([]string, len(l.Rules))
	for i, rule := range l.Rules {
		out[i] = text(rule)
	}
	return out
}

func nameText(r NameRule) string { return r.Text }

func syscallText(r SyscallRule) string { return r.Text }

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
