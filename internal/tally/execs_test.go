package tally

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stockade-security/stockade/event"
)

// noon is the day of the tests, away from its ends.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ran(user string, at time.Time) *event.Event {
	p := &event.Process{Ref: event.Ref{PID: 7}, User: user, UID: 1000, Cgroup: "/"}
	return &event.Event{Kind: event.KindExec, Time: at, Evidence: event.EvidenceTracepoint, Process: p}
}

// told writes events briefly, and checks what is the same in all.
func told(t *testing.T, events []*event.Event) []string {
	t.Helper()
	out := []string{}
	for _, e := range events {
		if e.Kind != event.KindExecCount || e.Evidence != event.EvidenceTracepoint || e.Process != nil {
			t.Errorf("got %+v", e)
		}
		out = append(out, fmt.Sprintf("%s %s %d", e.Volume.Day, e.Volume.User, e.Volume.Total))
	}
	return out
}

func expect(t *testing.T, events []*event.Event, want ...string) {
	t.Helper()
	if d := cmp.Diff(append([]string{}, want...), told(t, events)); d != "" {
		t.Error(d)
	}
}

func TestExecCount(t *testing.T) {
	tally := New(Config{})
	expect(t, tally.Due(noon))
	tally.Add(ran("alice", noon))
	tally.Add(ran("alice", noon.Add(time.Millisecond)))
	tally.Add(ran("", noon))
	got := tally.Due(noon)
	expect(t, got, "2026-03-01 1000 1", "2026-03-01 alice 2")
	if at := got[1].Time; !at.Equal(noon.Add(time.Millisecond)) {
		t.Errorf("the count is as of %v", at)
	}
	expect(t, tally.Due(noon.Add(time.Hour))) // nothing has changed

	tally.Add(ran("alice", noon))
	expect(t, tally.Due(noon.Add(Interval-1)))
	expect(t, tally.Due(noon.Add(Interval)), "2026-03-01 alice 3")
	tally.Add(ran("alice", noon))
	tally.Add(ran("bob", noon))
	expect(t, tally.Due(noon.Add(Interval+1)), "2026-03-01 bob 1") // each user has a minute of his own
	expect(t, tally.Flush(noon.Add(Interval+2)), "2026-03-01 alice 4")
	expect(t, tally.Flush(noon.Add(Interval+3)))
}

func TestOnlyExecutionsCount(t *testing.T) {
	tally := New(Config{})
	fork, failed, nobody := ran("alice", noon), ran("alice", noon), ran("alice", noon)
	fork.Kind, failed.Errno, nobody.Process = event.KindFork, 13, nil
	for _, e := range []*event.Event{fork, failed, nobody} {
		tally.Add(e)
	}
	expect(t, tally.Flush(noon))
}

// TestEndOfDay: the last count of a day is told when the day is over, and stragglers still belong to it.
func TestEndOfDay(t *testing.T) {
	tally := New(Config{})
	midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	late := midnight.Add(-time.Second)
	tally.Add(ran("alice", late))
	expect(t, tally.Due(late), "2026-03-01 alice 1")
	tally.Add(ran("alice", midnight.Add(-1)))
	expect(t, tally.Due(midnight.Add(-1)))
	tally.Add(ran("alice", midnight.In(time.FixedZone("west", -3600)))) // one day in UTC, whatever the zone
	expect(t, tally.Due(midnight), "2026-03-01 alice 2", "2026-03-02 alice 1")
	tally.Add(ran("alice", midnight.Add(-2)))
	expect(t, tally.Due(midnight.Add(time.Second)))
	expect(t, tally.Due(midnight.Add(Interval)), "2026-03-01 alice 3")
}

// TestDaysAreBounded: days that go are told, and a clock that jumps ahead and back disturbs no count.
func TestDaysAreBounded(t *testing.T) {
	tally := New(Config{})
	tally.Add(ran("alice", noon))
	tally.Add(ran("alice", noon.AddDate(10, 0, 0)))
	tally.Add(ran("alice", noon))
	tally.Add(ran("alice", noon.AddDate(0, 0, 1))) // the bogus day is the farthest
	tally.Add(ran("alice", noon))
	if n := len(tally.execs.days); n != keptDays {
		t.Errorf("%d days are kept", n)
	}
	expect(t, tally.Due(noon.AddDate(0, 0, 1)), "2026-03-01 alice 3", "2026-03-02 alice 1", "2036-03-01 alice 1")
	tally.Add(ran("alice", noon.AddDate(0, 0, 2)))
	expect(t, tally.Flush(noon.AddDate(0, 0, 2)), "2026-03-03 alice 1")
}

// TestUsersAreBounded: who came too late is counted with others for the whole day, and no execution goes missing.
func TestUsersAreBounded(t *testing.T) {
	tally := New(Config{MaxUsers: 2})
	for i := range 12 {
		tally.Add(ran(fmt.Sprint("user", i%4), noon))
	}
	expect(t, tally.Flush(noon), "2026-03-01 (others) 6", "2026-03-01 user0 3", "2026-03-01 user1 3")
	tally.Add(ran("user3", noon.AddDate(0, 0, 1)))
	expect(t, tally.Flush(noon), "2026-03-02 user3 1")
}

func TestDayOf(t *testing.T) {
	for unix, want := range map[int64]int64{0: 0, 86399: 0, 86400: 1, -1: -1, -86400: -1, -86401: -2} {
		if got := dayOf(time.Unix(unix, 999)); got != want {
			t.Errorf("%d: got %d", unix, got)
		}
	}
}

func TestAddOfKnownUserDoesNotAllocate(t *testing.T) {
	tally, e := New(Config{}), ran("alice", noon)
	tally.Add(e)
	if n := testing.AllocsPerRun(1000, func() { tally.Add(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
