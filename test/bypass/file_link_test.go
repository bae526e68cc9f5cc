//go:build linux

package bypass

import (
	"os"
	"path/filepath"
)

// fileLinkTechniques give the secret another name.
func fileLinkTechniques() []technique {
	return []technique{
		{name: "hard link made before", before: linkSecret, attempt: stealLink},
		{name: "hard link made after", setup: linkSecret, attempt: stealLink},
		{name: "hard link", attempt: linkAndSteal},
		{name: "rename", attempt: renameAndSteal},
		{name: "rename of the folder", attempt: renameFolderAndSteal},
	}
}

// linkSecret has somebody else give the secret a second name.
func linkSecret(e *Env) error { return os.Link(e.Secret, e.work("link")) }

// stealLink reads the secret by a name that the policy does not have.
func stealLink(e *Env) error { return steal(e, e.work("link")) }

// linkAndSteal gives the secret a second name.
func linkAndSteal(e *Env) error {
	if err := linkSecret(e); err != nil {
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

// renameFolderAndSteal moves the folder of the secret, of which the policy says nothing.
func renameFolderAndSteal(e *Env) error {
	moved := filepath.Join(e.Root, "moved")
	if err := os.Rename(e.Vault, moved); err != nil {
		return err
	}
	return steal(e, filepath.Join(moved, "secret"))
}
