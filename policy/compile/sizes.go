package compile

// Size is what a part of an image takes.
type Size struct {
	// Subject is the process entry's name; empty for a whole image.
	Subject  string `json:"subject,omitempty"`
	Automata int    `json:"automata"`
	Cells    int    `json:"cells"` // of automata
	// Bytes are those of automata, prefixes and port ranges.
	Bytes    int `json:"bytes"`
	Prefixes int `json:"prefixes"`
	Ports    int `json:"ports"` // ranges of them
}

// What the kernel's maps take for one of each.
const (
	cellBytes   = 8
	classBytes  = 256 // of each automaton
	prefixBytes = 32
	portBytes   = 12
)

// Sizes returns what each subject takes, in their order. What several of them share is counted for each.
func (img *Image) Sizes() []Size {
	out := make([]Size, len(img.Subjects))
	for i := range img.Subjects {
		s := &img.Subjects[i]
		m := newMeter(img)
		for _, t := range s.Paths {
			m.automata(t.Automata)
		}
		for _, n := range []uint32{s.Peers, s.Listen} {
			if n != NoTable {
				m.network(&img.Networks[n])
			}
		}
		out[i] = m.total(s.Name)
	}
	return out
}

// Size returns what the whole image takes: the sum of what there is, with what is shared counted once.
func (img *Image) Size() Size {
	m := newMeter(img)
	m.automata(Range{Count: uint32(len(img.Automata))})
	for i := range img.Networks {
		m.prefixes += len(img.Networks[i].Prefixes)
	}
	m.ports[Range{Count: uint32(len(img.Ports))}] = true
	return m.total("")
}

// meter counts, each thing once.
type meter struct {
	img      *Image
	seen     map[uint32]bool // automata
	ports    map[Range]bool
	prefixes int
}

func newMeter(img *Image) *meter {
	return &meter{img: img, seen: map[uint32]bool{}, ports: map[Range]bool{}}
}

func (m *meter) automata(r Range) {
	for i := range r.Count {
		m.seen[r.First+i] = true
	}
}

func (m *meter) network(n *Network) {
	m.automata(n.Hosts.Automata)
	m.prefixes += len(n.Prefixes)
	for _, p := range n.Prefixes {
		m.ports[p.Ports] = true
	}
	for _, r := range m.img.NameSets[n.Names.First:][:n.Names.Count] {
		m.ports[r] = true
	}
}

func (m *meter) total(subject string) Size {
	s := Size{Subject: subject, Automata: len(m.seen), Prefixes: m.prefixes}
	for i := range m.seen {
		s.Cells += len(m.img.Automata[i].Cells)
	}
	for r := range m.ports {
		s.Ports += int(r.Count)
	}
	s.Bytes = s.Automata*classBytes + s.Cells*cellBytes + s.Prefixes*prefixBytes + s.Ports*portBytes
	return s
}
