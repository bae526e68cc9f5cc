//go:build linux

package enforcer

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/cilium/ebpf"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/policy/layout"
)

// Apply puts a policy in force, in a mode that replaces its own unless it is empty. Everything that the policy needs is there
// before it is in force, and it is in force for all programs at once. On an error, which names the step that failed, the
// policy that was in force still is. It returns what of the policy this kernel has no hook for.
func (e *Enforcer) Apply(p *policy.Policy, img *compile.Image, mode policy.Mode) (lacks []string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := change{Enforcer: e, policy: p, image: img, mode: mode, asks: asks(img, mode), old: e.active}
	if _, lacks, err = e.wanted(c.asks); err != nil {
		return nil, err
	}
	for i, step := range []struct {
		what string
		do   func() error
	}{
		{"lay the policy out", c.encode},
		{"keep the image", func() error { return e.keepImage(img) }},
		{"publish the image", c.publish},
		{"attach", func() error { return e.attachAll(c.asks) }},
		{"name the host's mounts", c.names},
		{"label the tasks", c.label},
		{"change over", c.flip},
	} {
		if err := step.do(); err != nil {
			return nil, errors.Join(fmt.Errorf("step %d, %s: %w; the policy before is in force", i+1, step.what, err), c.undo())
		}
	}
	return lacks, c.clean()
}

// change is one change of what is in force.
type change struct {
	*Enforcer
	policy *policy.Policy
	image  *compile.Image
	mode   policy.Mode
	asks   uint32
	laid   *layout.Image
	old    slot
	new    slot
	// outgrown holds what was there before the slots had to grow.
	outgrown *ebpf.Map
	oldLinks map[string]attached
	oldWords uint32
}

// asks is what the rules that are enforced ask about; 0: there are none.
func asks(img *compile.Image, mode policy.Mode) uint32 {
	var enforcing []uint32
	for i := range img.Subjects {
		if mode == policy.ModeEnforce || mode == "" && img.Subjects[i].Mode == policy.ModeEnforce {
			enforcing = append(enforcing, uint32(i))
		}
	}
	return layout.Asks(img, enforcing)
}

func (c *change) encode() error {
	generation := c.active.generation + 1
	if generation == 0 {
		generation = 1
	}
	laid, err := layout.Encode(c.image, layout.Options{Generation: generation, Users: c.cfg.Users, Exact: exact(c.policy)})
	if err != nil {
		return err
	}
	c.laid = laid
	c.new = slot{generation: generation, digest: c.image.Digest}
	if c.active.generation != 0 {
		c.new.number = (c.active.number + 1) % slots
	}
	return nil
}

// maxBound is how long a path may be that a file is bound to: NAME_MAX of image.h.
const maxBound = 1023

// exact lists the paths that rules block by their whole name, and those that the host guards.
func exact(p *policy.Policy) []string {
	seen := map[string]bool{}
	var out []string
	add := func(r policy.PathRule) {
		if path, ok := r.Glob.Exact(); ok && len(path) <= maxBound && path != "" && path[0] == '/' && !seen[path] {
			seen[path] = true
			out = append(out, path)
		}
	}
	entries := p.Processes
	if p.Default != nil {
		entries = append(entries[:len(entries):len(entries)], *p.Default)
	}
	for i := range entries {
		for _, r := range entries[i].BlockedFiles.Rules {
			add(r)
		}
		for _, r := range entries[i].BlockedExec.Rules {
			add(r)
		}
	}
	for _, r := range p.Host.Files.Rules {
		add(r.Path)
	}
	for _, r := range p.Host.Exec.Rules {
		add(r.Path)
	}
	return out
}

// publish fills a slot that no program reads.
func (c *change) publish() error {
	if err := c.grow(); err != nil {
		return err
	}
	return c.put(c.maps["images"], c.new.number, c.laid.Bytes)
}

func (c *change) put(images *ebpf.Map, number uint32, words []byte) error {
	inner, err := ebpf.NewMap(&ebpf.MapSpec{Name: "image", Type: ebpf.Array, KeySize: 4, ValueSize: 4 * c.words, MaxEntries: 1})
	if err != nil {
		return err
	}
	defer inner.Close()
	padded := make([]byte, 4*c.words)
	copy(padded, words)
	if err := inner.Put(uint32(0), padded); err != nil {
		return err
	}
	return images.Put(number, inner)
}

// grow makes slots that the image has room in, with the image in force in them too, so that programs that are loaded on them
// judge by the one or the other. The programs that are attached stay so until the change has succeeded.
func (c *change) grow() error {
	need := uint32(len(c.laid.Bytes) / 4)
	if need <= c.words {
		return nil
	}
	spec, err := imagesSpec()
	if err != nil {
		return err
	}
	c.oldWords, c.words = c.words, 1<<bits.Len32(need-1)
	c.size(spec)
	bigger, err := ebpf.NewMap(spec)
	if err != nil {
		return fmt.Errorf("make room for %d words: %w", need, err)
	}
	c.outgrown, c.oldLinks = c.maps["images"], c.links
	c.maps["images"], c.links, c.token = bigger, map[string]attached{}, newToken()
	c.closeTools() // they look at the map that is outgrown
	var inner *ebpf.Map
	if c.active.generation == 0 {
		return nil
	}
	if err := c.outgrown.Lookup(c.active.number, &inner); err != nil {
		return err
	}
	defer inner.Close()
	words, err := inner.LookupBytes(uint32(0))
	if err != nil {
		return err
	}
	return c.put(bigger, c.active.number, words)
}

func imagesSpec() (*ebpf.MapSpec, error) {
	spec, err := families()[0].spec()
	if err != nil {
		return nil, err
	}
	return spec.Maps["images"], nil
}

// flip is the moment.
func (c *change) flip() error {
	if err := c.setMode(c.mode); err != nil {
		return err
	}
	c.new.since = time.Now()
	c.images.Store(c.new.generation, known{c.image, c.mode})
	if err := c.maps["active"].Put(uint32(0), c.new.number); err != nil {
		return errors.Join(err, c.setMode(c.Enforcer.mode))
	}
	c.active, c.Enforcer.mode = c.new, c.mode
	return nil
}

// undo takes back what a change had done before it failed.
func (c *change) undo() error {
	var errs []error
	if c.laid == nil {
		return nil
	}
	if c.outgrown != nil {
		for _, a := range c.links {
			errs = append(errs, c.detach(a))
		}
		errs = append(errs, c.maps["images"].Close())
		c.maps["images"], c.links, c.words = c.outgrown, c.oldLinks, c.oldWords
		c.closeTools()
	} else if err := c.maps["images"].Delete(c.new.number); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, c.setLabelling(c.old), c.detachUnwanted(c.inForce))...)
}

// clean ends what the policy before needed: nothing of it can decide any more.
func (c *change) clean() error {
	var errs []error
	if c.outgrown != nil {
		pin := c.pins("maps", "images")
		errs = append(errs, c.outgrown.Unpin(), c.outgrown.Close(), c.maps["images"].Pin(pin))
		for _, a := range c.oldLinks {
			errs = append(errs, c.detach(a))
		}
	}
	errs = append(errs, c.dropBefore(), c.detachUnwanted(c.asks), c.setLabelling(c.new), c.fence())
	c.inForce = c.asks
	if c.old.generation != 0 && c.outgrown == nil {
		if err := c.maps["images"].Delete(c.old.number); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, c.unbind(c.old), c.forgetImages(c.new.digest))
	c.images.Range(func(generation, _ any) bool {
		if generation != c.new.generation && generation != c.old.generation {
			c.images.Delete(generation)
		}
		return true
	})
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("the policy is in force, but what is left of the one before could not be removed: %w", err)
	}
	return nil
}

// fence waits until every program that began before has ended: the kernel does so when a map of maps is changed.
func (c *change) fence() error {
	inner := &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	outer, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 1, InnerMap: inner})
	if err != nil {
		return fmt.Errorf("wait for programs: %w", err)
	}
	defer outer.Close()
	one, err := ebpf.NewMap(inner)
	if err != nil {
		return fmt.Errorf("wait for programs: %w", err)
	}
	defer one.Close()
	return outer.Put(uint32(0), one)
}
