package tally

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/stockade-security/stockade/event"
)

// Interval is the least time between two events about one user's executions on one day.
const Interval = time.Minute

// Others is the user under whose name all users beyond Config.MaxUsers are counted; no user can be called so.
const Others = "(others)"

// keptDays is today and one more: records of the day before may still come, and clocks may be set back.
const keptDays = 2

// execs counts executions by day, in days of UTC since 1970, and by user.
type execs struct {
	max   int
	days  map[int64]map[string]*execCount
	ready []*event.Event // of days that had to go
}

type execCount struct {
	total, told uint64
	toldAt      time.Time
	last        *event.Event
}

func (x *execs) add(e *event.Event) {
	day := dayOf(e.Time)
	users := x.days[day]
	if users == nil {
		users = x.begin(day)
	}
	user := userOf(e.Process)
	c := users[user]
	if c == nil && len(users) >= x.max {
		user = Others
		c = users[user]
	}
	if c == nil {
		c = &execCount{}
		users[user] = c
	}
	c.total++
	c.last = e
}

// begin makes room for a day. The one farthest off goes: a clock that was set wrong may have begun it.
func (x *execs) begin(day int64) map[string]*execCount {
	for len(x.days) >= keptDays {
		far := day
		for d := range x.days {
			if abs(d-day) > abs(far-day) {
				far = d
			}
		}
		for user, c := range x.days[far] {
			if c.total != c.told {
				x.ready = append(x.ready, c.tell(far, user))
			}
		}
		delete(x.days, far)
	}
	x.days[day] = map[string]*execCount{}
	return x.days[day]
}

// due returns the counts to tell now, in order of day and user; with all, every one that has changed.
func (x *execs) due(now time.Time, all bool) []*event.Event {
	out := x.ready
	x.ready = nil
	today := dayOf(now)
	for day, users := range x.days {
		for user, c := range users {
			over := day < today && dayOf(c.toldAt) < today
			if c.total == c.told || !all && !over && now.Sub(c.toldAt) < Interval {
				continue
			}
			c.toldAt = now
			out = append(out, c.tell(day, user))
		}
	}
	slices.SortFunc(out, func(a, b *event.Event) int {
		return cmp.Or(cmp.Compare(a.Volume.Day, b.Volume.Day), cmp.Compare(a.Volume.User, b.Volume.User))
	})
	return out
}

// tell makes the event, as of the latest execution and on its evidence.
func (c *execCount) tell(day int64, user string) *event.Event {
	c.told = c.total
	return &event.Event{
		Kind: event.KindExecCount, Time: c.last.Time, Evidence: c.last.Evidence,
		Volume: &event.Volume{User: user, Day: time.Unix(day*daySeconds, 0).UTC().Format(time.DateOnly), Total: c.total},
	}
}

// userOf names who ran it: the number of one who has no name.
func userOf(p *event.Process) string {
	if p.User != "" {
		return p.User
	}
	return strconv.FormatUint(uint64(p.UID), 10)
}

const daySeconds = 24 * 60 * 60

// dayOf counts the days of UTC, rounding down before 1970 too.
func dayOf(t time.Time) int64 {
	s := t.Unix()
	return (s - (s%daySeconds+daySeconds)%daySeconds) / daySeconds
}

func abs(n int64) int64 { return max(n, -n) }
