package event

import "time"

// Posture is one fact about the host: the detail of KindPosture, at start and whenever it changes.
type Posture struct {
	// Subject is kernel, sysctl, lsm, module, bpf_program, socket, process, mechanism and so on.
	Subject string `json:"subject"`
	Name    string `json:"name"`
	Value   string `json:"value,omitempty"`
	// Previous is set when this is a change.
	Previous string `json:"previous,omitempty"`
}

// Loss is what could not be delivered or written, exactly: the detail of KindLoss.
type Loss struct {
	// Cause is one of the kernel's loss causes or a name of user space's, as in docs/events.md.
	Cause string `json:"cause"`
	// Records is how many between From and To.
	Records uint64    `json:"records"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	// Total is the count of this cause since the guard started.
	Total uint64 `json:"total"`
}

// Guard is what the guard did itself: the detail of KindGuard and KindRetention.
type Guard struct {
	// Action is start, stop, rotate, delete, tighten, torn, chain_restart, sync_error or file_gone.
	Action string `json:"action"`
	Detail string `json:"detail,omitempty"`
	// Bytes is the size of what was deleted or rotated.
	Bytes int64 `json:"bytes,omitempty"`
}
