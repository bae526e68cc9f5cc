package policy

import (
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
)

func sinkSection() section[Sink] {
	return section[Sink]{
		name: "a sink",
		keys: []key[Sink]{
			{"webhook", (*reader).webhook},
			{"file", (*reader).sinkFile},
			{"syslog", (*reader).syslog},
			{"secret_env", (*reader).secretEnv},
		},
	}
}

// sinks reads the map of sinks by name.
func (r *reader) sinks(e entry, p *Policy) {
	r.recordedOnly(e, "sends no alerts")
	entries, _ := r.entries(e.value, "sinks")
	for _, e := range entries {
		switch {
		case !isName(e.key) || strings.ToLower(e.key) != e.key:
			r.problem(e.pos, "write a small letter, then small letters, digits, - and _", "%s names no sink", quoted(e.key))
		case slices.Contains(ownActions(), e.key) && e.key != "log_to_syslog":
			r.problem(e.pos, "choose another name", "%s is an action that needs no sink", e.key)
		}
		sink := Sink{Name: e.key, Pos: e.pos}
		before := len(r.problems)
		if !isNull(e.value) && !decode(r, e.value, sinkSection(), &sink) {
			continue
		}
		if len(r.problems) == before {
			r.checkSink(&sink)
		}
		p.Sinks = append(p.Sinks, sink)
	}
}

// checkSink makes sure that the sink has one target, and a secret only where something is signed.
func (r *reader) checkSink(s *Sink) {
	targets := 0
	for _, target := range []string{s.Webhook, s.File, s.Syslog} {
		if target != "" {
			targets++
		}
	}
	switch {
	case targets != 1:
		r.problem(s.Pos, "write one of webhook, file, syslog", "the sink %s has %d targets", s.Name, targets)
	case s.SecretEnv != "" && s.Webhook == "":
		r.problem(s.Pos, "remove secret_env", "the sink %s has a secret, but only what a webhook gets is signed", s.Name)
	}
}

// webhook reads a URL. The policy holds no secret, and an alert is not sent in the clear.
func (r *reader) webhook(e entry, s *Sink) {
	text, ok := r.scalar(e.value, e.key)
	if !ok {
		return
	}
	u, err := url.Parse(text.text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		r.problem(text.pos, "write https://host.example/path", "%s is no URL of a webhook", quoted(text.text))
	case u.User != nil:
		r.problem(text.pos, "have the webhook check the signature by the key in secret_env", "the URL holds a password")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		r.problem(text.pos, "write https://", "alerts would travel in the clear")
	default:
		s.Webhook = text.text
	}
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (r *reader) sinkFile(e entry, s *Sink) {
	text, ok := r.scalar(e.value, e.key)
	if !ok {
		return
	}
	if !path.IsAbs(text.text) || path.Clean(text.text) != text.text || text.text == "/" {
		r.problem(text.pos, "write a path such as /var/log/stockade/alerts.jsonl", "%s is no clean path of a file", quoted(text.text))
		return
	}
	s.File = text.text
}

// syslog reads a UNIX socket, or a host and a port with a protocol.
func (r *reader) syslog(e entry, s *Sink) {
	text, ok := r.scalar(e.value, e.key)
	if !ok {
		return
	}
	rule, err := parseNetwork(text.text)
	switch {
	case err != nil:
	case rule.Path != nil:
		ok = strings.HasPrefix(text.text, "unix:/") && !strings.ContainsAny(text.text, `*?[{\`)
	case rule.Host != "":
		ok = !strings.HasPrefix(rule.Host, "*")
	default:
		ok = len(rule.Prefixes) == 1 && rule.Prefixes[0].IsSingleIP()
	}
	onePort := len(rule.Ports) == 1 && rule.Ports[0].First == rule.Ports[0].Last
	if err != nil || !ok || rule.Path == nil && !onePort {
		r.problem(text.pos, "write unix:/dev/log or loghost.example:514/udp", "%s is no syslog", quoted(text.text))
		return
	}
	s.Syslog = text.text
}

func (r *reader) secretEnv(e entry, s *Sink) {
	text, ok := r.scalar(e.value, e.key)
	if !ok {
		return
	}
	if !isName(text.text) || strings.Contains(text.text, "-") {
		r.problem(text.pos, "write the name of an environment variable, such as HOOK_SECRET, never the secret", "secret_env names no environment variable")
		return
	}
	s.SecretEnv = text.text
}
