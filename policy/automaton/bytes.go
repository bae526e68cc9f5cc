package automaton

// byteSet holds byte values.
type byteSet [256 / 64]uint64

func (s *byteSet) has(c int) bool { return s[c>>6]>>(c&63)&1 != 0 }
func (s *byteSet) add(c int)      { s[c>>6] |= 1 << (c & 63) }
func (s *byteSet) all() bool      { return s[0]&s[1]&s[2]&s[3] == ^uint64(0) }

// byteClasses numbers the bytes from 0 on so that no set tells apart two bytes of a number.
func byteClasses(sets []byteSet) (of [256]uint8, count int) {
	count = 1
	for i := range sets {
		var size, members, moved [256]int // by class; moved is the new class of its members
		for c, class := range of {
			size[class]++
			if sets[i].has(c) {
				members[class]++
			}
		}
		for c, class := range of {
			if !sets[i].has(c) || members[class] == size[class] {
				continue
			}
			if moved[class] == 0 {
				moved[class] = count
				count++
			}
			of[c] = uint8(moved[class])
		}
	}
	return of, count
}

// byteSets knows which of some sets hold which classes of bytes.
type byteSets struct {
	// single holds by set the class that it consists of, or -1.
	single []int
	// wideClass numbers the classes, wideCount of them, as far as the sets of several classes tell them apart; member
	// holds by set and that number whether it is in.
	wideClass []int
	wideCount int
	member    [][]bool
}

func classify(sets []byteSet, d *dfa) byteSets {
	b := byteSets{single: make([]int, len(sets)), wideClass: make([]int, d.classes), member: make([][]bool, len(sets))}
	example := make([]int, d.classes)
	for c, class := range d.classOf {
		example[class] = c
	}
	var wide []byteSet
	for i := range sets {
		b.single[i] = -1
		count := 0
		for class, c := range example {
			if sets[i].has(c) {
				b.single[i] = class
				count++
			}
		}
		if count != 1 {
			b.single[i] = -1
			wide = append(wide, sets[i])
		}
	}
	of, count := byteClasses(wide)
	b.wideCount = count
	for class, c := range example {
		b.wideClass[class] = int(of[c])
	}
	for i := range sets {
		b.member[i] = make([]bool, count)
		for c, class := range of {
			b.member[i][class] = sets[i].has(c)
		}
	}
	return b
}
