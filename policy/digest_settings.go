package policy

import (
	"slices"
	"strings"
	"time"
)

// canonicalSettings are the sections that speak of no process.
type canonicalSettings struct {
	Resolvers, BlockNames []string
	LeaseFloor            time.Duration
	LeaseGrace            time.Duration
	LeasePerName          int
	Ingress, IngressDeny  bool
	Zones                 []canonicalZone
	Egress, EgressDeny    bool
	Allow, Block          []string
	SharedSuffix          bool
	Threshold             int
	Window, Ban           time.Duration
	OnViolation           []string
	OnCritical            []string
	Sinks                 [][5]string
}

type canonicalZone struct {
	Name                       string
	Interfaces, TCP, UDP, ICMP []string
}

func settings(p *Policy) canonicalSettings {
	brute, in, out := p.Anomaly.BruteForce, p.Firewall.Ingress, p.Firewall.Egress
	c := canonicalSettings{
		Resolvers: texts(p.DNS.Resolvers, networkText), BlockNames: texts(p.DNS.BlockNames, networkText),
		LeaseFloor: p.DNS.Lease.Floor, LeaseGrace: p.DNS.Lease.Grace, LeasePerName: p.DNS.Lease.PerName,
		Ingress: in.Present, IngressDeny: in.DefaultDeny,
		Egress: out.Present, EgressDeny: out.DefaultDeny, SharedSuffix: out.AllowSharedSuffix.Set,
		Allow: texts(out.Allow, networkText), Block: texts(out.Block, networkText),
		Threshold: brute.Threshold, Window: brute.Window, Ban: brute.Ban,
		OnViolation: texts(p.Alerts.OnViolation, nameText), OnCritical: texts(p.Alerts.OnCritical, nameText),
	}
	for _, z := range in.Zones {
		c.Zones = append(c.Zones, canonicalZone{
			z.Name, texts(z.Interfaces, globText), texts(z.TCP, networkText), texts(z.UDP, networkText), texts(z.ICMP, nameText),
		})
	}
	for _, s := range p.Sinks {
		c.Sinks = append(c.Sinks, [5]string{s.Name, s.Webhook, s.File, s.Syslog, s.SecretEnv})
	}
	slices.SortFunc(c.Sinks, func(a, b [5]string) int { return strings.Compare(a[0], b[0]) })
	return c
}

func globText(r GlobRule) string { return r.Glob.String() }
