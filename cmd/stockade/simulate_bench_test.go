package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/audit"
	"github.com/stockade-security/stockade/internal/show"
)

// recorded is how many events BenchmarkSimulate replays.
const recorded = 1_000_000

// BenchmarkSimulate runs the whole command over a million events on one core: from segments, and from lines of events
// that each hold their process. `go test -run - -bench Simulate -benchtime 1x ./cmd/stockade`.
func BenchmarkSimulate(b *testing.B) {
	dir := b.TempDir()
	file := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(file, []byte(benchPolicy), 0o600); err != nil {
		b.Fatal(err)
	}
	segments := filepath.Join(dir, "segments")
	recordSegments(b, segments)
	for name, log := range map[string]string{"segments": segments, "lines": recordLines(b, dir, segments)} {
		b.Run(name, func(b *testing.B) {
			var cpu time.Duration
			for range b.N {
				c := exec.Command("stockade", "simulate", "--events", log, "--policy", file)
				c.Env = append(os.Environ(), "GOMAXPROCS=1")
				out, err := c.Output()
				if c.ProcessState.ExitCode() != exitWouldDeny {
					b.Fatalf("exit code %d, error %v: %s", c.ProcessState.ExitCode(), err, out)
				}
				cpu += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
			}
			b.ReportMetric(cpu.Seconds()/float64(b.N), "cpu-s/op")
		})
	}
}

const benchPolicy = `processes:
  tool-1:
    allowed_files: ["/srv/data/**", "/usr/lib/** rx", "/etc/*"]
    blocked_files: ["/srv/data/1/file-1*", "**/secret"]
    allowed_network: ["10.0.0.0/8:443"]
  tool-2:
    allowed_exec: ["/bin/*"]
    allowed_network: []
`

// activity is event i of a busy host: mostly opens, of 500 processes.
func activity(processes []*event.Process, i int) *event.Event {
	e := &event.Event{
		Seq: uint64(i + 1), ID: fmt.Sprintf("01hf2k3m-%d", i+1), Time: time.Unix(1_700_000_000, int64(i)*20_113).UTC(),
		Evidence: event.EvidenceDescriptor, Process: processes[(i/3)%len(processes)],
	}
	switch i % 20 {
	case 0:
		e.Kind, e.Exec = event.KindExec, &event.Exec{File: event.File{Path: "/bin/sh", Inode: 7, Device: "8:1"}, Caller: e.Process.Exe}
	case 1:
		e.Kind, e.Exit = event.KindExit, &event.Exit{DurationNS: 12345}
	case 2, 3:
		e.Kind, e.Flow = event.KindConnect, &event.Flow{
			Family: "inet", Protocol: "tcp", Source: "10.0.0.2", SourcePort: 40000, Destination: fmt.Sprintf("10.0.%d.%d", i%200, i%250), DestinationPort: 443,
		}
	default:
		e.Kind, e.File = event.KindFileOpen, &event.File{
			Path: fmt.Sprintf("/srv/data/%d/file-%d.txt", i%97, i*7919%10007), Inode: uint64(i * 31 % 65537), Device: "8:1", Type: "file", Access: "r", Flags: []string{"O_CLOEXEC"},
		}
	}
	return e
}

func recordSegments(b *testing.B, dir string) {
	b.Helper()
	s, err := audit.OpenSegments(audit.SegmentsConfig{Dir: dir, Host: "host", BootID: "boot", QueueLen: recorded})
	if err != nil {
		b.Fatal(err)
	}
	processes := make([]*event.Process, 500)
	for i := range processes {
		exe := fmt.Sprintf("/usr/bin/tool-%d", i%40)
		processes[i] = &event.Process{
			Ref: event.Ref{PID: 1000 + i, StartNS: uint64(i) * 1e6, Name: "tool", Exe: exe}, Argv: []string{exe, "--input", fmt.Sprintf("/srv/data/%d", i)},
			CWD: "/srv", UID: 1000, User: "svc", Cgroup: "/system.slice/x.service", Unit: "x.service", Parents: []event.Ref{{PID: 1, Name: "systemd", Exe: "/usr/lib/systemd/systemd"}},
		}
	}
	for i := range recorded {
		s.Append(activity(processes, i))
	}
	if err := s.Close(); err != nil || len(s.Losses()) > 0 {
		b.Fatalf("error %v, losses %+v", err, s.Losses())
	}
}

// recordLines writes the events of segments as `run -o json` does.
func recordLines(b *testing.B, dir, segments string) string {
	b.Helper()
	path := filepath.Join(dir, "events.jsonl")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w, err := show.New(show.JSON, f, show.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := audit.Scan(segments, nil, w.Write); err != nil {
		b.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}
