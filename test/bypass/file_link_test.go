//go:build linux

package bypass

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// fileLinkTechniques give the secret another name.
func fileLinkTechniques() []technique {
	return []technique{
		{name: "hard link made before", before: linkSecret, attempt: stealLink},
		{name: "hard link made after", setup: linkSecret, attempt: stealLink},
		{name: "hard link", attempt: linkAndSteal},
		{name: "hard link by descriptor", attempt: linkDescriptorAndSteal},
		{name: "rename", attempt: renameAndSteal},
		{name: "rename of the folder", attempt: renameFolderAndSteal},
		{name: "rename of the folder made after", setup: renameFolder, attempt: stealFromFolder},
		{name: "rename by exchange", setup: leaveToken, attempt: exchangeAndSteal},
		{name: "hard link out of a blocked tree", before: plantTree, attempt: linkLeafAndSteal},
		{name: "rename of a blocked tree", before: plantTree, attempt: renameTreeAndSteal},
		{name: "hard link made before, into a blocked tree", before: plantLinkedTree, attempt: stealLink},
	}
}

// linkSecret has somebody else give the secret a second name.
func linkSecret(e *Env) error { return os.Link(e.Secret, e.work("link")) }

// stealLink reads the secret by a name that the policy does not have.
func stealLink(e *Env) error { return steal(e, e.work("link")) }

// linkAndSteal gives the secret a second name.
func linkAndSteal(e *Env) error { return errors.Join(linkSecret(e), stealLink(e)) }

// linkDescriptorAndSteal gives a name to what is open for its name alone.
func linkDescriptorAndSteal(e *Env) error {
	fd, err := unix.Open(e.Secret, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	if err := unix.Linkat(fd, "", unix.AT_FDCWD, e.work("link"), unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	return stealLink(e)
}

// renameAndSteal moves the secret away.
func renameAndSteal(e *Env) error {
	if err := os.Rename(e.Secret, e.work("moved")); err != nil {
		return err
	}
	return steal(e, e.work("moved"))
}

// renameFolder moves the folder of the secret, of which the policy says nothing.
func renameFolder(e *Env) error { return os.Rename(e.Vault, filepath.Join(e.Root, "moved")) }

func stealFromFolder(e *Env) error { return steal(e, filepath.Join(e.Root, "moved", "secret")) }

func renameFolderAndSteal(e *Env) error {
	if err := renameFolder(e); err != nil {
		return err
	}
	return stealFromFolder(e)
}

// exchangeAndSteal swaps the names of the secret and of a file of the attacker's.
func exchangeAndSteal(e *Env) error {
	other := e.work("other")
	if err := os.WriteFile(other, []byte("nothing\n"), 0o644); err != nil {
		return err
	}
	if err := unix.Renameat2(unix.AT_FDCWD, other, unix.AT_FDCWD, e.Secret, unix.RENAME_EXCHANGE); err != nil {
		return err
	}
	return steal(e, other)
}

// plantTree puts the token into a tree that a pattern blocks: no rule names the file.
func plantTree(e *Env) error {
	return errors.Join(os.MkdirAll(e.vault("tree/branch"), 0o755), os.WriteFile(e.leaf(), []byte(e.Token+"\n"), 0o644))
}

func (e *Env) leaf() string { return e.vault("tree/branch/leaf") }

// linkLeafAndSteal gives what only a pattern blocks a name that no pattern has.
func linkLeafAndSteal(e *Env) error {
	if err := os.Link(e.leaf(), e.work("link")); err != nil {
		return err
	}
	return stealLink(e)
}

// renameTreeAndSteal moves the folder that the pattern begins with.
func renameTreeAndSteal(e *Env) error {
	if err := os.Rename(e.vault("tree"), e.work("tree")); err != nil {
		return err
	}
	return steal(e, e.work("tree/branch/leaf"))
}

// plantLinkedTree: what only a pattern blocks had another name all along.
func plantLinkedTree(e *Env) error {
	return errors.Join(plantTree(e), os.Link(e.leaf(), e.work("link")))
}
