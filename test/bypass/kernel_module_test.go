//go:build linux

package bypass

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The module that may not be loaded, and the one that may, of which there is only the name.
const (
	module       = "dummy"
	forgedModule = "yummy"
)

func moduleTechniques() []technique {
	load := func(name string, do func(e *Env, file string) error) technique {
		return technique{name: name, attempt: inGuest(func(e *Env) error {
			file, err := moduleFile()
			if err != nil {
				return err
			}
			return do(e, file)
		}), after: func(*Env) error { return unload(module) }}
	}
	forged := load("init_module of a forged name", loadForged)
	forged.after = func(*Env) error { return unload(forgedModule) }
	return []technique{
		load("finit_module", func(_ *Env, file string) error { return loadFile(file, 0) }),
		load("finit_module, whatever the version", func(_ *Env, file string) error {
			return loadFile(file, unix.MODULE_INIT_IGNORE_VERMAGIC|unix.MODULE_INIT_IGNORE_MODVERSIONS)
		}),
		load("finit_module of a copy with an allowed name", func(e *Env, file string) error {
			return errors.Join(copyFile(file, e.work(forgedModule+".ko")), loadFile(e.work(forgedModule+".ko"), 0))
		}),
		load("finit_module from memory", loadMemory),
		load("init_module", func(_ *Env, file string) error {
			image, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			return unix.InitModule(image, "")
		}),
		load("modprobe", func(*Env, string) error {
			out, err := exec.Command("modprobe", module).CombinedOutput()
			if isLoaded(module) {
				return nil
			}
			return fmt.Errorf("%w: modprobe: %w: %s", errRefused, err, out)
		}),
		load("loaded by the kernel on demand", func(*Env, string) error {
			out, err := exec.Command("ip", "link", "add", "bypass-dummy", "type", "dummy").CombinedOutput()
			if isLoaded(module) {
				_ = exec.Command("ip", "link", "del", "bypass-dummy").Run()
				return nil
			}
			return fmt.Errorf("%w: ip: %w: %s", errRefused, err, out)
		}),
		forged,
	}
}

// moduleFile finds the module among those of this kernel.
func moduleFile() (string, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "", err
	}
	found := ""
	root := filepath.Join("/lib/modules", unix.ByteSliceToString(name.Release[:]))
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == module+".ko" {
			found = path
			return fs.SkipAll
		}
		return err
	})
	if err != nil || found == "" {
		return "", lacks("no module " + module + " in " + root)
	}
	return found, unload(module)
}

func loadFile(file string, flags int) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", flags)
}

func loadMemory(_ *Env, file string) error {
	f, err := memoryFile(file)
	if err != nil {
		return err
	}
	defer f.Close()
	again, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd())) // for reading alone, or the kernel finds it busy
	if err != nil {
		return err
	}
	defer again.Close()
	_ = f.Close()
	return unix.FinitModule(int(again.Fd()), "", 0)
}

// loadForged says another name in the module itself.
func loadForged(_ *Env, file string) error {
	image, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	// Without the signature, which a kernel that does not insist on one does without.
	if end := bytes.Index(image, []byte("~Module signature appended~\n")); end > 12 {
		size := int(binary.BigEndian.Uint32(image[end-4:]))
		image = image[:max(0, end-12-size)]
	}
	image = bytes.ReplaceAll(image, []byte(module+"\x00"), []byte(forgedModule+"\x00"))
	return unix.InitModule(image, "")
}

func isLoaded(name string) bool {
	text, err := os.ReadFile("/proc/modules")
	return err == nil && (bytes.HasPrefix(text, []byte(name+" ")) || strings.Contains(string(text), "\n"+name+" "))
}

func unload(name string) error {
	if !isLoaded(name) {
		return nil
	}
	return unix.DeleteModule(name, 0)
}
