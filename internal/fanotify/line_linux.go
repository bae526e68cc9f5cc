package fanotify

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// What the guard says to the keeper, in packets of this byte and a group's number.
const (
	sayGuard = 'g' // with the group's descriptor: watch over it
	sayBeat  = 'b' // the group is being answered for
	sayDrop  = 'd' // it has ended
)

// line is the connection to the keeper, which answers with packets of two numbers: 0 and 0 once it is there, then a group
// and how many of its opens it let through, each time it had to and the group moves again. The zero value leads to nobody.
type line struct {
	conn  *os.File
	keeps atomic.Bool
	ended chan struct{} // closed when the keeper is no more
}

// newLine starts the keeper, with the line as its descriptor 3. That is done before the first mark, because of what Keep says
// about starting programs.
func newLine(command []string) (*line, error) {
	l := &line{ended: make(chan struct{})}
	if len(command) == 0 {
		close(l.ended)
		return l, nil
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("connect the keeper: %w", err)
	}
	l.conn = os.NewFile(uintptr(pair[0]), "keeper")
	theirs := os.NewFile(uintptr(pair[1]), "guard")
	defer theirs.Close()
	keeper := exec.Command(command[0], command[1:]...)
	keeper.ExtraFiles = []*os.File{theirs}
	keeper.Stderr = os.Stderr
	// A session of its own: what stops the guard from a terminal does not stop the keeper.
	keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := keeper.Start(); err != nil {
		_ = l.conn.Close()
		return nil, fmt.Errorf("start the keeper: %w", err)
	}
	go func() {
		defer close(l.ended)
		_ = keeper.Wait() // how it ended is no matter: its end is what counts, and the line tells
	}()
	return l, nil
}

// say never waits: a keeper that does not listen is none.
func (l *line) say(what byte, group uint64, rights []byte) error {
	if l.conn == nil {
		return nil
	}
	packet := binary.NativeEndian.AppendUint64([]byte{what}, group)
	if err := unix.Sendmsg(int(l.conn.Fd()), packet, rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("speak to the keeper: %w", err)
	}
	return nil
}

// hear returns how many opens of which group the keeper let through, once it had to; io.EOF when there is no keeper.
func (l *line) hear() (group, n uint64, err error) {
	if l.conn == nil {
		return 0, 0, io.EOF
	}
	for {
		var packet [16]byte
		if got, err := l.conn.Read(packet[:]); err != nil || got != len(packet) {
			l.keeps.Store(false)
			return 0, 0, fmt.Errorf("listen to the keeper: %w", err)
		}
		if l.keeps.Swap(true) {
			return binary.NativeEndian.Uint64(packet[:]), binary.NativeEndian.Uint64(packet[8:]), nil
		}
	}
}

// close ends the keeper and waits for its end.
func (l *line) close() {
	if l.conn != nil {
		_ = l.conn.Close()
	}
	<-l.ended
}
