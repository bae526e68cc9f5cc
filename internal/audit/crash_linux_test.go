package audit

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
)

// childRole, when set, makes this test binary write a log or fill a disk instead of running tests.
const childRole = "STOCKADE_AUDIT_CHILD"

func TestMain(m *testing.M) {
	role, path, _ := strings.Cut(os.Getenv(childRole), ":")
	var err error
	switch role {
	case "":
		code := m.Run()
		for _, name := range openFiles() {
			fmt.Fprintln(os.Stderr, "left open:", name)
			code = 1
		}
		os.Exit(code)
	case "write":
		err = childWrite(path)
	case "full":
		err = childFull(path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// openFiles lists the test's files that are still open.
func openFiles() []string {
	var names []string
	links, _ := filepath.Glob("/proc/self/fd/*") // the only error is a bad pattern
	for _, link := range links {
		if name, err := os.Readlink(link); err == nil && strings.Contains(name, "jsonl") {
			names = append(names, name)
		}
	}
	return names
}

func child(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childRole+"="+role+":"+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// childWrite writes until it is killed and says after each Sync how many events the log has.
func childWrite(dir string) error {
	l, err := Open(Config{Path: filepath.Join(dir, "audit.jsonl"), Host: "h", RotateBytes: 64 << 10, TotalBytes: 1 << 30})
	if err != nil {
		return err
	}
	s, err := OpenSegments(SegmentsConfig{Dir: filepath.Join(dir, "segments"), SegmentBytes: 64 << 10, FlushInterval: time.Millisecond})
	if err != nil {
		return err
	}
	events := stream(1000, 20)
	for n := 0; ; n += 10 {
		for i := range 10 {
			l.Append(posture(n + i))
		}
		s.AppendBatch(events[n%len(events):][:10])
		if err := l.Sync(); err != nil {
			return err
		}
		fmt.Println(n + 10)
	}
}

func TestKilledWriterLosesOnlyItsTail(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	synced := 0
	for round := range 10 {
		cmd := child(t, "write", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		stop, last := rand.IntN(40), 0
		for said := 0; lines.Scan(); said++ {
			if last, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
			if said == stop {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		var status *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &status) || status.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("round %d: child: %v", round, err)
		}
		synced += last
		r := verifyOK(t, path)
		found := int(count(records(t, path), event.KindPosture))
		if found < synced || r.Lost != 0 {
			t.Fatalf("round %d: %d events synced, %d found: %+v", round, synced, found, r)
		}
		synced = found
		_, report := scanSegments(t, filepath.Join(dir, "segments"))
		for _, p := range report.Problems {
			if !p.Torn {
				t.Fatalf("round %d: %+v", round, p)
			}
		}
	}
	// The next start mends what the last one left.
	closeLog(t, openLog(t, Config{Path: path}))
	if r := verifyOK(t, path); r.TornTailBytes != 0 {
		t.Errorf("report %+v", r)
	}
}

// childFull writes a log on a small file system of its own until it is full, makes room, and checks the count.
func childFull(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=256k"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 200<<10), 0o600); err != nil {
		return err
	}
	path := filepath.Join(dir, "audit.jsonl")
	l, err := Open(Config{Path: path, Host: "h", SyncInterval: time.Hour})
	if err != nil {
		return err
	}
	appended := uint64(0)
	put := func() error {
		for range 50 {
			l.Append(posture(int(appended)))
			appended++
		}
		return l.Sync()
	}
	for !errors.Is(err, unix.ENOSPC) {
		if err = put(); err != nil && !errors.Is(err, unix.ENOSPC) {
			return err
		}
	}
	if err := put(); !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("sync on a full disk: %w", err)
	}
	if err := errors.Join(os.Remove(ballast), put(), l.Close()); err != nil {
		return err
	}
	r, err := Verify(path)
	if err != nil {
		return err
	}
	all, err := readRecords(path)
	if err != nil {
		return err
	}
	found := count(all, event.KindPosture)
	if !r.OK() || r.Lost < 50 || found+r.Lost != appended {
		return fmt.Errorf("%d appended, %d found: %+v", appended, found, r)
	}
	return nil
}

func TestFullDiskIsCountedExactly(t *testing.T) {
	cmd := child(t, "full", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWNS | unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		}
	}
	err := cmd.Run()
	if errors.Is(err, unix.EPERM) && os.Geteuid() != 0 {
		t.Skip("needs root or unprivileged user namespaces, to mount a small file system")
	}
	if err != nil {
		t.Fatal(err)
	}
}
