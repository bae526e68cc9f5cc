package fanotify

import (
	"encoding/binary"
	"time"
)

// eventBytes is the size of struct fanotify_event_metadata, all that a group sends that reports neither names nor pidfds.
const eventBytes = 24

// question is an open that waits for its answer. The group's lock guards what is not constant.
type question struct {
	fd, tid  int
	mask     uint64
	since    time.Time
	taken    bool // by a worker
	answered bool
	released bool
}

// parse reads what the kernel sends: the length, which may grow in later versions, at 0, the mask at 8, the descriptor at
// 16, the thread at 20.
func parse(buf []byte) []*question {
	var out []*question
	for len(buf) >= eventBytes {
		out = append(out, &question{
			mask: binary.NativeEndian.Uint64(buf[8:]),
			fd:   int(int32(binary.NativeEndian.Uint32(buf[16:]))),
			tid:  int(int32(binary.NativeEndian.Uint32(buf[20:]))),
		})
		length := max(eventBytes, int64(binary.NativeEndian.Uint32(buf)))
		buf = buf[min(int64(len(buf)), length):]
	}
	return out
}

// response is struct fanotify_response.
func response(fd int, answer uint32) []byte {
	out := binary.NativeEndian.AppendUint32(nil, uint32(int32(fd)))
	return binary.NativeEndian.AppendUint32(out, answer)
}
