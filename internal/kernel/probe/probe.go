// Package probe finds out what this kernel can do for Stockade, mechanism by mechanism, by trying each with a tiny program.
// Everything that it loads or attaches passes all that it sees, lives for milliseconds, and is gone when the call returns.
// It pins nothing, mounts nothing, changes no setting, and decides nothing: the loader reads its answers.
package probe

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Report is what one run found.
type Report struct {
	// Kernel is the release, as uname tells it; Arch the machine.
	Kernel string `json:"kernel"`
	Arch   string `json:"arch"`
	// Mechanisms is in a fixed order, the foundations first.
	Mechanisms []Mechanism `json:"mechanisms"`
	// Observe and Enforce say what follows for each family of sensors and each family of controls.
	Observe []Rung `json:"observe"`
	Enforce []Rung `json:"enforce"`
}

// Mechanism is one ability of the kernel.
type Mechanism struct {
	Name string `json:"name"`
	// Purpose says which sensors or controls need it.
	Purpose   string `json:"purpose"`
	Available bool   `json:"available"`
	// Unknown: it could not be tried or read; Available is false then, and says nothing about the kernel.
	Unknown bool `json:"unknown,omitempty"`
	// Reason is why it is not available, in one sentence; Remedy what to change, empty if nothing can be. Both are empty when it is.
	Reason string `json:"reason,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Evidence says how it was tried, or what was read.
	Evidence string `json:"evidence"`
}

// State is available, missing or unknown.
func (m Mechanism) State() string {
	switch {
	case m.Available:
		return "available"
	case m.Unknown:
		return "unknown"
	default:
		return "missing"
	}
}

// Rung is the best that can be done for one family here.
type Rung struct {
	// Family is a family of sensors (process, file, network, packet, system, library) or of controls
	// (exec_and_file, network, socket_packets, host_firewall, syscall, limits, unprivileged).
	Family string `json:"family"`
	// Rung is, to observe: lsm, tracepoint, cgroup or none; to enforce: prevent, kill, observe or none.
	Rung string `json:"rung"`
	// Unknown: what decides it could not be tried; Rung is what is certain.
	Unknown bool `json:"unknown,omitempty"`
	// Detail says with what, and what that costs.
	Detail string `json:"detail"`
}

// Has reports whether the mechanism of that name is available.
func (r Report) Has(name string) bool {
	for _, m := range r.Mechanisms {
		if m.Name == name {
			return m.Available
		}
	}
	return false
}

// unknown reports whether any of the named mechanisms could not be tried.
func (r Report) unknown(names ...string) bool {
	for _, m := range r.Mechanisms {
		for _, name := range names {
			if m.Name == name && m.Unknown {
				return true
			}
		}
	}
	return false
}

// WriteJSON writes the report, indented.
func (r Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// WriteTable writes the report for people: each mechanism, then what is amiss and what to change, then what follows.
func (r Report) WriteTable(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "kernel %s %s\n\n", r.Kernel, r.Arch); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "MECHANISM\tSTATE\tFOR")
	for _, m := range r.Mechanisms {
		fmt.Fprintf(t, "%s\t%s\t%s\n", m.Name, m.State(), m.Purpose)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := r.writeReasons(w); err != nil {
		return err
	}
	if err := writeRungs(w, "TO OBSERVE", r.Observe); err != nil {
		return err
	}
	return writeRungs(w, "TO ENFORCE", r.Enforce)
}

// writeReasons says what is amiss and what to change, once for all mechanisms that share it.
func (r Report) writeReasons(w io.Writer) error {
	type trouble struct{ reason, remedy string }
	names := map[trouble][]string{}
	var order []trouble
	for _, m := range r.Mechanisms {
		if m.Available {
			continue
		}
		t := trouble{m.Reason, m.Remedy}
		if names[t] == nil {
			order = append(order, t)
		}
		names[t] = append(names[t], m.Name)
	}
	for _, t := range order {
		text := fmt.Sprintf("\n%s: %s\n", strings.Join(names[t], ", "), t.reason)
		if t.remedy != "" {
			text += "  hint: " + t.remedy + "\n"
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

func writeRungs(w io.Writer, title string, rungs []Rung) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "\n%s\tRUNG\tHOW\n", title)
	for _, g := range rungs {
		rung := g.Rung
		if g.Unknown {
			rung += "?"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", g.Family, rung, g.Detail)
	}
	return t.Flush()
}
