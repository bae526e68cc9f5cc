package identity

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestUsersReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	u := newUsers(path)
	if u.name(5) != "" {
		t.Error("a name without a file")
	}
	write := func(text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write("ann:x:5:5\n", time.Hour)
	u.reload()
	if u.name(5) != "ann" {
		t.Errorf("got %q", u.name(5))
	}
	write("bob:x:5:5\n", time.Minute) // the same size
	u.reload()
	if u.name(5) != "bob" {
		t.Errorf("got %q", u.name(5))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if u.reload(); u.name(5) != "bob" {
		t.Error("an unreadable file must leave the names")
	}
}
