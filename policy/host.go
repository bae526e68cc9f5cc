package policy

import "time"

// Host is what holds for every task, whatever its subject.
type Host struct {
	// Exec says which programs may start a program.
	Exec  List[StartRule]
	Files List[GuardedFile]
	// ModulesAllowed and ModulesBlocked are over the names of kernel modules.
	ModulesAllowed List[NameRule]
	ModulesBlocked List[NameRule]
	BPF            List[PathRule] // bpf.allow_exe
	// BlockedMountSources is over what is mounted: devices, directories, images.
	BlockedMountSources List[PathRule]
	Devices             List[GuardedDevice]
	Settime             List[PathRule] // settime.allow_exe
	BlockedPrctl        List[NameRule] // PR_ names
	PrctlExe            List[PathRule] // prctl.allow_exe: who may use them all the same
	Keyrings            List[PathRule] // keyrings.allow_exe
	IOUring             List[PathRule] // io_uring.allow_exe
	// DenyMetadata: tasks whose subject has no network keys may not reach the cloud's metadata addresses.
	DenyMetadata Flag
}

// StartRule lets only Parents start what Path matches.
type StartRule struct {
	Path    PathRule
	Parents List[PathRule]
}

// GuardedFile lets only Readers read, and only Writers change, what Path matches. An absent list leaves its side open.
type GuardedFile struct {
	Path    PathRule
	Readers List[PathRule]
	Writers List[PathRule]
}

// GuardedDevice lets only AllowExe use ioctl on what Path matches.
type GuardedDevice struct {
	Path     PathRule
	AllowExe List[PathRule]
}

// DNS is what the policy says of name resolution.
type DNS struct {
	// Resolvers are addresses; the class @resolvers stands for them.
	Resolvers  List[NetworkRule]
	BlockNames List[NetworkRule] // Host only
	Lease      Lease
}

// Lease bounds how long and for how many addresses an answer holds; 0 is the default.
type Lease struct {
	Pos          Position
	Floor, Grace time.Duration
	PerName      int
}

// Firewall judges packets of the whole host, whoever sends or gets them.
type Firewall struct {
	Ingress Ingress
	Egress  Egress
}

// Ingress opens ports by zone. The first zone that an interface is in judges its packets. DefaultDeny is about interfaces in no zone.
type Ingress struct {
	Present     bool
	Pos         Position
	DefaultDeny bool
	Zones       []Zone
}

// Zone is what may come in over its interfaces. An absent list allows nothing of that protocol.
type Zone struct {
	Name       string
	Pos        Position
	Interfaces List[GlobRule]
	TCP, UDP   List[NetworkRule] // ports, with or without the peer's address
	ICMP       List[NameRule]    // types by name, such as echo-request
}

// Egress judges peers. Rules follow the precedence of the language.
type Egress struct {
	Present     bool
	Pos         Position
	DefaultDeny bool
	// Allow and Block hold what all items of rules say. There are no UNIX sockets among them.
	Allow List[NetworkRule]
	Block List[NetworkRule]
	// AllowSharedSuffix lets Allow hold patterns such as *.github.io.
	AllowSharedSuffix Flag
}

// Anomaly holds the windows of the anomaly library.
type Anomaly struct {
	BruteForce Window
}

// Window is so many events within a time; Ban is for how long the source is shut out. Threshold 0: not watched.
type Window struct {
	Pos         Position
	Threshold   int
	Window, Ban time.Duration
}

// Alerts holds the names of actions and sinks.
type Alerts struct {
	OnViolation List[NameRule]
	OnCritical  List[NameRule]
}

// Sink is where alerts go. Exactly one target is set.
type Sink struct {
	Name    string
	Pos     Position
	Webhook string // URL
	File    string // path
	Syslog  string // unix:/dev/log, or HOST:PORT with or without a protocol
	// SecretEnv names the environment variable that holds the key to sign with; the policy never holds a secret.
	SecretEnv string
}
