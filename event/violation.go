package event

import "time"

// Severity ranks a violation.
type Severity string

// The severities, lowest first.
const (
	SeverityLow      Severity = "LOW"
	SeverityMedium   Severity = "MEDIUM"
	SeverityHigh     Severity = "HIGH"
	SeverityCritical Severity = "CRITICAL"
)

// Action is what was done about a violation. It is never better than the truth: blocked means that the kernel refused.
type Action string

// The actions.
const (
	ActionLogged  Action = "logged"
	ActionAlerted Action = "alerted"
	ActionBlocked Action = "blocked"
	ActionKilled  Action = "killed"
)

// Violation is an access that the policy does not allow. The first eight fields are those of the record that
// per-process guards before Stockade wrote, by the same names.
type Violation struct {
	Timestamp   time.Time `json:"timestamp"`
	ProcessName string    `json:"process_name"`
	PID         int       `json:"pid"`
	// Type is exec, file, network, syscall or resource, as with those guards; or capability, process, kernel, dns or firewall.
	Type string `json:"type"`
	// Detail says in one line what was done and why it is not allowed.
	Detail     string   `json:"detail"`
	Severity   Severity `json:"severity"`
	Action     Action   `json:"action"`
	PolicyMode string   `json:"policy_mode"`
	// Rule is where the policy says so: file:line. An absence in an allow list names the list's line.
	Rule string `json:"rule"`
	// Subject is the policy's process entry that claimed the task.
	Subject string `json:"subject,omitempty"`
	// Mechanism is what decided: the evidence's name, or a kernel hook's.
	Mechanism string `json:"mechanism,omitempty"`
	// WouldDeny: in enforce mode this access would have been refused or its task ended.
	WouldDeny bool `json:"would_deny"`
}
