package policy

import "time"

// Bounds on anomaly.
const (
	maxThreshold = 1_000_000
	maxWindow    = 24 * time.Hour
	maxBan       = 365 * 24 * time.Hour
)

func anomalySection() section[Anomaly] {
	return section[Anomaly]{
		name: "anomaly",
		keys: []key[Anomaly]{
			{"brute_force", func(r *reader, e entry, a *Anomaly) {
				r.recordedOnly(e, "counts no failed logins")
				a.BruteForce.Pos = e.pos
				before, w := len(r.problems), &a.BruteForce
				if decode(r, e.value, windowSection(), w) && (w.Threshold == 0 || w.Window == 0) && len(r.problems) == before {
					r.problem(e.pos, "such as {threshold: 10, window: 5m, ban: 15m}", "%s needs threshold and window", e.key)
				}
			}},
		},
	}
}

func windowSection() section[Window] {
	return section[Window]{
		name: "brute_force",
		keys: []key[Window]{
			{"threshold", func(r *reader, e entry, w *Window) { w.Threshold = r.count(e, maxThreshold) }},
			{"window", func(r *reader, e entry, w *Window) { w.Window = r.duration(e, maxWindow) }},
			{"ban", func(r *reader, e entry, w *Window) { w.Ban = r.duration(e, maxBan) }},
		},
	}
}
