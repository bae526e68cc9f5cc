//go:build linux

package bypass

import (
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// networkGroup is the techniques against a list of peers that must not be reached; or of those that may be, where the same
// ones are not on it.
func networkGroup(control string, allowList bool) group {
	w := &world{}
	techniques := slices.Concat(tcpTechniques(), udpTechniques(), rawTechniques(), familyTechniques(), passedTechniques(w, control), taskTechniques())
	if allowList {
		techniques = append(techniques, strangeTechniques()...)
	} else {
		techniques = slices.Concat(techniques, unixTechniques(w), listenTechniques())
	}
	return group{
		control:  control,
		policy:   func(bin string, envs map[string]*Env) string { return networkPolicy(bin, envs, allowList) },
		programs: []string{"launcher"},
		start:    w.start, stop: w.close, within: func(f func() error) error { return w.inside.do(f) },
		direct: technique{name: "tcp", attempt: caller(unix.AF_INET, unix.SOCK_STREAM, 0, sockaddr(forbidden4, port))},
		fair: []technique{
			{name: "tcp to another address", attempt: caller(unix.AF_INET, unix.SOCK_STREAM, 0, sockaddr(allowed4, port))},
			{name: "tcp over ipv6 to another address", attempt: caller(unix.AF_INET6, unix.SOCK_STREAM, 0, sockaddr(allowed6, port))},
			{name: "udp to another address", attempt: bySocket(unix.AF_INET, unix.SOCK_DGRAM, 0, func(_ *Env, fd int) error {
				return knockAndHear(fd, rawAddress(sockaddr(allowed4, port)))
			})},
			{name: "listen on the open port", attempt: bySocket(unix.AF_INET, unix.SOCK_STREAM, 0, doAllowedListen)},
		},
		techniques: techniques,
	}
}

// networkPolicy names what must not be reached; or, as a list of what may be, leaves it out.
func networkPolicy(bin string, envs map[string]*Env, allowList bool) string {
	dir := filepath.Dir(bin)
	list := fmt.Sprintf("blocked_network: [%q, %q, %q, %q, %q, %s]", forbidden4, forbidden6,
		"unix:"+filepath.Join(dir, streamName), "unix:"+filepath.Join(dir, datagramName), "unix:"+abstractName("*"),
		each(envs, func(e *Env) string { return "unix:" + e.vault(streamName) }))
	if allowList {
		list = fmt.Sprintf("allowed_network: [%q, %q, %q]", allowed4, allowed6, "unix:"+filepath.Join(dir, helperName))
	}
	return fmt.Sprintf(`version: "1.0"
mode: enforce
processes:
  attacker:
    match: {exe: %q}
    inherit: true
    %s
    allowed_listen: ["%d"]
`, filepath.Join(bin, "attacker"), list, port)
}
