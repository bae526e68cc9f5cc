// Package mix makes sets of globs such as the policies of large hosts hold, for tests and benchmarks. It decides nothing and
// reads nothing: the same seed makes the same globs everywhere.
package mix

import (
	"fmt"
	"math/rand/v2"
)

// Globs returns count different globs: 40 % exact paths, 20 % with one *, 17 % suffixes such as **/*.log, 18 % directory trees and
// 5 % with two **.
func Globs(seed uint64, count int) []string {
	m := maker{rand.New(rand.NewPCG(seed, 0x73746f636b616465))}
	seen := make(map[string]bool, count)
	globs := make([]string, 0, count)
	for len(globs) < count {
		// The kinds come in turn, so that ten globs have the proportions of ten thousand as far as they can.
		if g := m.glob(len(globs) % 100); !seen[g] {
			seen[g] = true
			globs = append(globs, g)
		}
	}
	return globs
}

type maker struct{ *rand.Rand }

func (m maker) glob(turn int) string {
	switch k := turn * 37 % 100; { // 37 spreads the kinds
	case k < 40:
		return m.file()
	case k < 60:
		return m.star()
	case k < 77:
		return m.suffix()
	case k < 95:
		return m.directory() + "/**"
	default:
		return m.twice()
	}
}

// file returns the path of a file.
func (m maker) file() string { return m.directory() + "/" + m.name() }

// star returns a path with one * in it.
func (m maker) star() string {
	switch k := m.IntN(20); {
	case k < 8:
		return m.directory() + "/*" + pick(m, extensions)
	case k < 13:
		return m.directory() + "/" + pick(m, words) + "-*"
	case k < 19:
		return m.directory() + "/*/" + m.name()
	default: // the same file of every application
		return m.root() + "/*/" + pick(m, words) + "/" + m.name()
	}
}

// suffix returns a glob for files anywhere.
func (m maker) suffix() string {
	switch m.IntN(4) {
	case 0:
		return fmt.Sprintf("**/*.%s%d", pick(m, words), m.IntN(100))
	case 1:
		return "**/." + pick(m, words) + "/" + m.name()
	default:
		return "**/" + m.name()
	}
}

// twice returns a glob with two **, within the tree of one application.
func (m maker) twice() string {
	tree := m.application() + "/**/" + pick(m, words)
	if m.IntN(2) == 0 {
		return tree + "/**"
	}
	return tree + "/**/*" + pick(m, extensions)
}

func (m maker) root() string { return pick(m, roots) }

// application returns the directory of an application or user.
func (m maker) application() string {
	return fmt.Sprintf("%s/%s%d", m.root(), pick(m, words), m.IntN(200))
}

// directory returns a directory of an application, at any depth.
func (m maker) directory() string {
	dir := m.application()
	for range m.IntN(4) {
		dir += "/" + pick(m, words)
	}
	return dir
}

func (m maker) name() string {
	name := pick(m, words)
	switch m.IntN(3) {
	case 0:
		name += "-" + pick(m, words)
	case 1:
		name += fmt.Sprintf("_%d", m.IntN(1000))
	}
	return name + pick(m, extensions)
}

func pick(m maker, from []string) string { return from[m.IntN(len(from))] }

var roots = []string{
	"/srv", "/opt", "/home", "/var/lib", "/var/log", "/var/cache", "/var/www", "/usr/lib", "/usr/share", "/usr/local/lib", "/usr/local/share",
	"/etc", "/run", "/mnt/data", "/data",
}

var words = []string{
	"access", "account", "admin", "agent", "alert", "api", "app", "archive", "assets", "audit", "auth", "backend", "backup", "batch", "billing",
	"bin", "blob", "build", "bundle", "cache", "cert", "client", "cluster", "config", "console", "core", "cron", "daemon", "data", "db", "debug",
	"default", "deploy", "dist", "docs", "driver", "engine", "error", "event", "export", "fixture", "font", "gateway", "graph", "handler", "hook",
	"host", "html", "id_rsa", "image", "import", "index", "ingest", "invoice", "job", "journal", "key", "ledger", "lib", "license", "local", "lock",
	"locale", "main", "manifest", "media", "message", "metrics", "migration", "mirror", "model", "module", "monitor", "node", "notify", "object",
	"order", "package", "payment", "plugin", "policy", "profile", "proxy", "public", "queue", "record", "registry", "release", "report", "resource",
	"router", "schema", "script", "search", "secret", "server", "service", "session", "shard", "snapshot", "socket", "source", "spool", "static",
	"storage", "stream", "sync", "system", "table", "task", "template", "tenant", "test", "theme", "token", "trace", "upload", "user", "vault",
	"vendor", "version", "view", "volume", "web", "worker",
}

var extensions = []string{
	"", ".log", ".conf", ".json", ".yaml", ".so", ".py", ".db", ".sock", ".pid", ".key", ".pem", ".crt", ".txt", ".html", ".js", ".css", ".png", ".gz",
	".tar", ".bak", ".tmp", ".xml", ".sql",
}
