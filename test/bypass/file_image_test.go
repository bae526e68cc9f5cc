//go:build linux

package bypass

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// image puts the vault on a file system of its own, on a loop device that the attacker knows, with a secret in it.
func image(e *Env) error { return makeImage(e, "ext4", "-q") }

func makeImage(e *Env, kind string, args ...string) error {
	program, err := exec.LookPath("mkfs." + kind)
	if err != nil {
		return lacks("mkfs." + kind + " is not installed")
	}
	file := e.Root + "/image"
	size := map[string]int64{"ext4": 16 << 20, "xfs": 320 << 20}[kind]
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, size)); err != nil {
		return err
	}
	if out, err := exec.Command(program, append(args, file)...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, out)
	}
	device, err := loop(e, file)
	if err != nil {
		return err
	}
	e.Facts["device"], e.Facts["kind"] = device, kind
	if err := unix.Mount(device, e.Vault, kind, 0, ""); errors.Is(err, unix.ENODEV) {
		return lacks("this kernel has no " + kind)
	} else if err != nil {
		return fmt.Errorf("mount %s: %w", device, err)
	}
	e.undo(func() error { return unix.Unmount(e.Vault, unix.MNT_DETACH) })
	return os.WriteFile(e.Secret, []byte(e.Token+"\n"), 0o666)
}

// loop attaches a file to a free loop device, which lets go of it with the last one who uses it.
func loop(e *Env, file string) (string, error) {
	if wholeMachine(e) == nil {
		_ = exec.Command("modprobe", "loop").Run() // or it is there already
	}
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return "", lacks("there are no loop devices: " + err.Error())
	}
	defer control.Close()
	number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return "", fmt.Errorf("find a loop device: %w", err)
	}
	path := fmt.Sprintf("/dev/loop%d", number)
	device, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	e.undo(device.Close)
	backing, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer backing.Close()
	config := &unix.LoopConfig{Fd: uint32(backing.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
	if err := unix.IoctlLoopConfigure(int(device.Fd()), config); err != nil {
		return "", fmt.Errorf("configure %s: %w", path, err)
	}
	return path, nil
}

// mountAgainAndSteal mounts the device of the vault elsewhere.
func mountAgainAndSteal(e *Env) error {
	at := e.work("again")
	if err := errors.Join(ownMounts(), os.Mkdir(at, 0o755), unix.Mount(e.Facts["device"], at, e.Facts["kind"], 0, "")); err != nil {
		return err
	}
	return steal(e, at+"/secret")
}

// readDevice finds the token among the blocks of the device.
func readDevice(e *Env) error {
	unix.Sync()
	blocks, err := os.ReadFile(e.Facts["device"])
	if err != nil {
		return err
	}
	if !bytes.Contains(blocks, []byte(e.Token)) {
		return errors.New("the token is not on the device")
	}
	return nil
}
