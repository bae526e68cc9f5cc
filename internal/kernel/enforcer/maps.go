//go:build linux

package enforcer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/policy/layout"
)

// minWords is the least size of a slot: 256 KiB, which has room for some hundred rules.
const minWords = 1 << 16

// ringBytes is the size of the ring of denials.
const ringBytes = 1 << 20

// openMaps opens the maps that all families share: those that are pinned, and fresh ones, which it pins, in the place of the
// rest. A pinned map that this version would have made otherwise is an error.
func (e *Enforcer) openMaps() error {
	e.words = minWords
	if m, err := ebpf.LoadPinnedMap(e.pins("maps", "images"), nil); err == nil {
		e.words = slotWords(m)
		if err := m.Close(); err != nil {
			return err
		}
	}
	for _, f := range families() {
		spec, err := f.spec()
		if err != nil {
			return fmt.Errorf("read the %s object: %w", f.name, err)
		}
		for name, m := range spec.Maps {
			if strings.HasPrefix(name, ".") || e.maps[name] != nil {
				continue
			}
			e.size(m)
			if e.maps[name], err = e.openMap(m); err != nil {
				return fmt.Errorf("the map %s: %w", name, err)
			}
		}
	}
	return nil
}

// size sets what is not in the object.
func (e *Enforcer) size(m *ebpf.MapSpec) {
	switch m.Name {
	case "images":
		m.InnerMap.ValueSize = 4 * e.words
	case "ring":
		m.MaxEntries = ringBytes
	}
}

func (e *Enforcer) openMap(spec *ebpf.MapSpec) (*ebpf.Map, error) {
	pin := e.pins("maps", spec.Name)
	m, err := ebpf.LoadPinnedMap(pin, nil)
	if errors.Is(err, fs.ErrNotExist) {
		if m, err = ebpf.NewMap(spec); err != nil {
			return nil, err
		}
		return m, errors.Join(m.Pin(pin))
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", pin, err)
	}
	if err := spec.Compatible(m); err != nil {
		return nil, errors.Join(fmt.Errorf("%s was made by another version: end that with `stockade stop --release`, or remove its directory: %w", pin, err), m.Close())
	}
	return m, nil
}

// slotWords is the size of the slots of a map of images, as told by an image in it.
func slotWords(images *ebpf.Map) uint32 {
	for n := range uint32(slots) {
		var inner *ebpf.Map
		if images.Lookup(n, &inner) == nil {
			defer inner.Close()
			return inner.ValueSize() / 4
		}
	}
	return minWords
}

// slots is IMAGES of image.h.
const slots = 3

// adopt finds out what is in force already, and which links hold it.
func (e *Enforcer) adopt() error {
	entries, err := os.ReadDir(e.pins("links"))
	if err != nil {
		return fmt.Errorf("list what is pinned: %w", err)
	}
	for _, entry := range entries {
		e.before = append(e.before, e.pins("links", entry.Name()))
	}
	var number uint32
	if err := e.maps["active"].Lookup(uint32(0), &number); err != nil {
		return fmt.Errorf("read which image is in force: %w", err)
	}
	var inner *ebpf.Map
	if err := e.maps["images"].Lookup(number, &inner); err != nil {
		return nil //nolint:nilerr // no image in the slot: nothing is in force
	}
	defer inner.Close()
	words, err := inner.LookupBytes(uint32(0))
	if err != nil {
		return fmt.Errorf("read the image in force: %w", err)
	}
	head, digest, err := layout.Read(words)
	if err != nil {
		return fmt.Errorf("%s: %w", e.pins("maps", "images"), err)
	}
	e.active = slot{number: number, generation: head.Generation, digest: digest, since: modTime(e.pins("maps", "images"))}
	if img, err := e.readImage(digest); err == nil {
		e.images.Store(head.Generation, known{image: img})
	} else {
		e.cfg.Logger.Warn("the policy in force is known by its digest alone, so its denials name no rules", "digest", digest, "error", err)
	}
	return nil
}

// imagePath is where the image of a policy is kept for who adopts it.
func (e *Enforcer) imagePath(digest string) string { return imagePath(e.cfg.State, digest) }

func imagePath(state, digest string) string { return filepath.Join(state, "images", digest) }

func (e *Enforcer) readImage(digest string) (*compile.Image, error) {
	data, err := os.ReadFile(e.imagePath(digest))
	if err != nil {
		return nil, err
	}
	return compile.Decode(data)
}

// keepImage writes an image for who adopts it, whole or not at all, and removes the others.
func (e *Enforcer) keepImage(img *compile.Image) error {
	dir := e.imagePath("")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep the image: %w", err)
	}
	temporary := filepath.Join(dir, "new")
	if err := os.WriteFile(temporary, img.Bytes(), 0o600); err != nil {
		return errors.Join(fmt.Errorf("keep the image: %w", err), os.Remove(temporary))
	}
	if err := os.Rename(temporary, e.imagePath(img.Digest)); err != nil {
		return fmt.Errorf("keep the image: %w", err)
	}
	return nil
}

// forgetImages removes the kept images but that of a digest.
func (e *Enforcer) forgetImages(but string) error {
	entries, err := os.ReadDir(e.imagePath(""))
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if entry.Name() != but {
			errs = append(errs, os.Remove(e.imagePath(entry.Name())))
		}
	}
	return errors.Join(errs...)
}

func modTime(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
