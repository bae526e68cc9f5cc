package policy

import "slices"

// schemaKey is what an editor is told of a key: in words, and as a schema of its value.
type schemaKey struct {
	doc   string
	value shape
}

// schemaKeys describes the keys of a section.
func schemaKeys(section string) map[string]schemaKey {
	switch section {
	case "the policy":
		return policyKeys()
	case "a process entry":
		out := subjectSchemaKeys()
		out["match"] = schemaKey{"Which tasks the entry claims: those for which every condition here holds. Without it the entry's name is the base name of their executable.", ref("match")}
		out["inherit"] = schemaKey{"Children stay in this entry unless another claims them.", shape{"type": "boolean"}}
		return out
	case "default":
		return subjectSchemaKeys()
	case "match":
		return matchKeys()
	case "protect":
		return map[string]schemaKey{
			"signals": {"Entries whose tasks may signal this one's; [] is none.", listSchema(anyText())},
			"ptrace":  {"Entries whose tasks may trace this one's; [] is none.", listSchema(anyText())},
		}
	case "dns", "lease":
		return dnsKeys()
	case "firewall", "ingress", "a zone", "egress", "an egress rule":
		return firewallKeys(section)
	case "anomaly", "brute_force":
		return anomalyKeys()
	case "alerts", "a sink":
		return alertKeys()
	}
	return hostKeys(section)
}

func policyKeys() map[string]schemaKey {
	return map[string]schemaKey{
		"version":   {`The version of the language: "1.0".`, shape{"enum": []any{"1.0", "1", 1, "", nil}}},
		"include":   {"Files whose keys hold as if they stood here; paths start at this file's folder.", listSchema(anyText())},
		"mode":      {"What is done about what the policy does not allow: audit records it, alert also raises it, enforce prevents it.", modeSchema()},
		"processes": {"Entries, by the base name of the executable unless they have a match.", shape{"type": "object", "additionalProperties": ref("a process entry")}},
		"default":   {"Rules for the tasks that no entry claims.", ref("default")},
		"host":      {"Rules for every task, whatever its entry.", ref("host")},
		"dns":       {"Name resolution: resolvers, names that nobody may resolve, how long answers hold.", ref("dns")},
		"firewall":  {"Packets of the whole host, whoever sends or gets them.", ref("firewall")},
		"anomaly":   {"How much of what within which time is suspicious.", ref("anomaly")},
		"alerts":    {"What is done when something is found.", ref("alerts")},
		"break_glass": {
			"Whom nothing is refused: standard is init itself, the guard, who logs people in, and the session that put the policy in force; none is nobody.",
			shape{"enum": []any{string(BreakGlassStandard), string(BreakGlassNone)}},
		},
		"sinks": {"Where alerts go, by name.", shape{
			"type": "object", "additionalProperties": ref("a sink"), "propertyNames": shape{"pattern": `^[a-z][a-z0-9_-]*$`},
		}},
	}
}

func subjectSchemaKeys() map[string]schemaKey {
	return map[string]schemaKey{
		"description":          {"What the program is for.", anyText()},
		"mode":                 {"The mode for this entry, over the policy's.", modeSchema()},
		"allowed_exec":         {"Programs that it may start: paths, patterns, or names in any folder. [] is none; without the key it may start any.", listSchema(anyText())},
		"blocked_exec":         {"Programs that it may not start.", listSchema(anyText())},
		"allowed_files":        {"Files that it may use: a path or pattern, then r, w and x as it may; without letters it may all. [] is none; without the key it may use any.", listSchema(patternText(filePattern))},
		"blocked_files":        {"Files that it may not use, with the letters of what it may not; without letters nothing.", listSchema(patternText(filePattern))},
		"allowed_network":      {"Peers that it may reach: addresses, networks, classes such as @private, host names, unix: sockets. [] is none; without the key it may reach any.", listSchema(patternText(peerPattern))},
		"blocked_network":      {"Peers that it may not reach.", listSchema(patternText(peerPattern))},
		"allowed_listen":       {"Own ports that it may listen on, as 80/tcp or 127.0.0.1:80.", listSchema(portText(listenPattern))},
		"allow_shared_suffix":  {"allowed_network may hold patterns such as *.github.io, below which anybody may get a name.", shape{"type": "boolean"}},
		"allowed_syscalls":     {"System calls that it may make, or systemd's groups of them such as @system-service.", listSchema(ref("system call"))},
		"blocked_syscalls":     {"System calls, or groups of them, that it may not make.", listSchema(ref("system call"))},
		"blocked_capabilities": {"Capabilities that it may not use.", listSchema(ref("capability"))},
		"protect":              {"Who may signal or trace it.", ref("protect")},
		"max_memory_mb":        {"Memory in MiB; 0 is no limit.", limitSchema()},
		"max_cpu_percent":      {"Time of one CPU in percent; 0 is no limit.", limitSchema()},
		"max_processes":        {"Tasks at a time; 0 is no limit.", limitSchema()},
		"on_limit":             {"What happens beyond a limit.", shape{"enum": []any{string(LimitRecord), string(LimitKill), nil}}},
		"no_sudo":              {"No program that it starts may gain privilege by set-user-id, set-group-id or file capabilities.", shape{"type": "boolean"}},
	}
}

func matchKeys() map[string]schemaKey {
	number := shape{"type": []string{"string", "integer"}}
	return map[string]schemaKey{
		"exe":       {"Paths of executables, or patterns of paths.", oneOrList(patternText(rootedPattern))},
		"name":      {"Base names of executables.", oneOrList(anyText())},
		"unit":      {"systemd's units, or patterns of their names.", oneOrList(anyText())},
		"cgroup":    {"Paths in the cgroup tree, or patterns of them.", oneOrList(patternText(rootedPattern))},
		"container": {"Ids, names or images of containers, or patterns of them.", oneOrList(anyText())},
		"user":      {"Names or numbers of users.", oneOrList(number)},
		"sha256":    {"SHA-256 sums of executables.", oneOrList(patternText(`^[0-9A-Fa-f]{64}$`))},
	}
}

func hostKeys(section string) map[string]schemaKey {
	exes := listSchema(patternText(rootedPattern))
	path := patternText(rootedPattern)
	switch section {
	case "host":
		return map[string]schemaKey{
			"exec":           {"Programs that only some programs may start.", listSchema(ref("an entry of host.exec"))},
			"files":          {"Files that only some programs may read or change.", listSchema(ref("an entry of host.files"))},
			"kernel_modules": {"Which kernel modules may be loaded.", ref("host.kernel_modules")},
			"bpf":            {"Who may load BPF programs.", ref("host.bpf")},
			"mounts":         {"What may be mounted.", ref("host.mounts")},
			"devices":        {"Devices that only some programs may use ioctl on.", listSchema(ref("an entry of host.devices"))},
			"settime":        {"Who may set the clock.", ref("host.settime")},
			"prctl":          {"Options of prctl that only some programs may use.", ref("host.prctl")},
			"keyrings":       {"Who may use the kernel's keyrings.", ref("host.keyrings")},
			"io_uring":       {"Who may use io_uring.", ref("host.io_uring")},
			"metadata":       {"deny: tasks without network rules may not reach the cloud's metadata addresses.", shape{"enum": []any{"deny", "allow", nil}}},
		}
	case "host.kernel_modules":
		names := listSchema(patternText(`^[A-Za-z0-9_-]+$`))
		return map[string]schemaKey{
			"allow": {"Modules that may be loaded; [] is none.", names},
			"block": {"Modules that may not be loaded.", names},
		}
	case "host.mounts":
		return map[string]schemaKey{"block_sources": {"Devices, folders and images that nobody may mount.", exes}}
	case "host.prctl":
		return map[string]schemaKey{
			"block":     {"Options that only allow_exe may use.", listSchema(ref("prctl"))},
			"allow_exe": {"Paths of executables that may use them all the same.", exes},
		}
	}
	return map[string]schemaKey{
		"path":      {"A path or pattern.", path},
		"parents":   {"Paths of executables that may start it; [] is none.", exes},
		"readers":   {"Paths of executables that may read it; [] is none.", exes},
		"writers":   {"Paths of executables that may change it; [] is none.", exes},
		"allow_exe": {"Paths of executables that may; [] is none.", exes},
	}
}

func dnsKeys() map[string]schemaKey {
	return map[string]schemaKey{
		"resolvers":   {"Addresses of the resolvers, which @resolvers stands for.", listSchema(patternText(addressPattern))},
		"block_names": {"Host names, or patterns of them, that nobody may resolve.", listSchema(patternText(`^` + hostExpr + `$`))},
		"lease":       {"How long an answer holds, and for how many addresses.", ref("lease")},
		"floor":       {"The least time for which an answer holds, whatever its own.", durationSchema()},
		"grace":       {"How much longer than its own time an answer holds.", durationSchema()},
		"per_name":    {"How many addresses of one name hold at a time.", countSchema(maxLeasePerName)},
	}
}

func firewallKeys(section string) map[string]schemaKey {
	decision := shape{"enum": []any{"allow", "deny", nil}}
	peers := listSchema(patternText(packetPattern))
	switch section {
	case "egress":
		return map[string]schemaKey{
			"default":             {"What happens to packets to peers that no rule names.", decision},
			"rules":               {"Groups of peers. Blocked wins over allowed, whatever their order.", listSchema(ref("an egress rule"))},
			"allow_shared_suffix": {"allow may hold patterns such as *.github.io, below which anybody may get a name.", shape{"type": "boolean"}},
		}
	case "an egress rule":
		return map[string]schemaKey{
			"allow": {"Peers that the host may send to.", peers},
			"block": {"Peers that the host may not send to.", peers},
		}
	}
	return map[string]schemaKey{
		"ingress": {"Packets that come in, by zone.", ref("ingress")},
		"egress":  {"Packets that go out, by peer.", ref("egress")},
		"default": {"What happens to packets that start a connection and that no zone allows.", decision},
		"zones": {"What may come in, by name of the zone.", shape{
			"type": "object", "additionalProperties": ref("a zone"), "propertyNames": shape{"pattern": `^[A-Za-z][A-Za-z0-9_-]*$`},
		}},
		"interfaces": {"Names of interfaces, or patterns such as eth*.", listSchema(patternText(`^[^/: ]+$`))},
		protocolTCP:  {"Own TCP ports that are open, or with the sender's network 10.0.0.0/8:22.", listSchema(portText(zonePattern))},
		protocolUDP:  {"Own UDP ports that are open, or with the sender's network.", listSchema(portText(zonePattern))},
		"icmp":       {"Types of ICMP that are let in.", listSchema(oneWord("[A-Z]", icmpNames()))},
	}
}

func anomalyKeys() map[string]schemaKey {
	return map[string]schemaKey{
		"brute_force": {"Failed logins from one source.", ref("brute_force")},
		"threshold":   {"So many are suspicious.", countSchema(maxThreshold)},
		"window":      {"Within this time.", durationSchema()},
		"ban":         {"For how long the source is shut out; without it, not at all.", durationSchema()},
	}
}

func alertKeys() map[string]schemaKey {
	actions := listSchema(shape{"type": "string", "anyOf": []shape{
		{"enum": slices.Concat(ownActions(), sentActions())},
		{"pattern": `^[A-Za-z][A-Za-z0-9_-]*$`, "description": "the name of a sink"},
	}})
	return map[string]schemaKey{
		"on_violation": {"Actions and sinks for every violation.", actions},
		"on_critical":  {"Actions and sinks for critical ones.", actions},
		"webhook":      {"A URL that gets each alert by POST.", patternText(`^https?://`)},
		"file":         {"A path that each alert is appended to.", patternText(`^/`)},
		"syslog":       {"unix:/dev/log, or HOST:PORT with or without /udp or /tcp.", patternText(peerPattern)},
		"secret_env":   {"The environment variable with the key that signs what the webhook gets.", patternText(`^[A-Za-z][A-Za-z0-9_]*$`)},
	}
}
