package identity

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCgroupfs needs a cgroup v2 tree in which it may make a directory.
func TestCgroupfs(t *testing.T) {
	c := newCgroupfs("/proc")
	if c.mount() == "" {
		t.Skip("no cgroup v2 tree is mounted")
	}
	dir, err := os.MkdirTemp(c.mount(), "stockade-test-")
	if err != nil {
		t.Skip("making a cgroup needs root: ", err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	path := "/" + filepath.Base(dir)
	id := c.idOf(path)
	if id == 0 || c.idOf("/no/such") != 0 || c.idOf("/../x") != 0 {
		t.Fatalf("the id of %s is %d", path, id)
	}
	if got, ok := c.byHandle(id); !ok || got != path {
		t.Errorf("by handle: %q, %v", got, ok)
	}
	if got, ok := c.byHandle(id + 1<<40); ok {
		t.Errorf("by a false handle: %q", got)
	}
	c.scan()
	if got, ok := c.cached(id); !ok || got != path {
		t.Errorf("by walking: %q, %v", got, ok)
	}
	if root := c.idOf("/"); root == 0 {
		t.Error("the root has no id")
	} else if got, ok := c.path(root); !ok || got != "/" {
		t.Errorf("the root: %q, %v", got, ok)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if got, ok := c.path(id); !ok || got != path {
		t.Errorf("after its end: %q, %v", got, ok)
	}
}
