package identity

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stockade-security/stockade/event"
)

// emptyRuntimes points at places in a temporary directory where nothing is.
func emptyRuntimes(t *testing.T) RuntimeConfig {
	dir := t.TempDir()
	return RuntimeConfig{
		DockerSocket: filepath.Join(dir, "d.sock"), PodmanSocket: filepath.Join(dir, "p.sock"),
		ContainerdState: filepath.Join(dir, "containerd"), StorageDirs: []string{filepath.Join(dir, "storage")},
		Timeout: 5 * time.Second,
	}.withDefaults()
}

// serveUnix answers on a UNIX socket until the test ends.
func serveUnix(t *testing.T, path string, h http.HandlerFunc) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() { _ = s.Serve(l); close(done) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
}

func writeJSON(t *testing.T, path string, v any) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRuntimeAPI(t *testing.T) {
	for _, runtime := range []string{"docker", "podman"} {
		t.Run(runtime, func(t *testing.T) {
			cfg := emptyRuntimes(t)
			socket := map[string]string{"docker": cfg.DockerSocket, "podman": cfg.PodmanSocket}[runtime]
			var asked atomic.Int32
			serveUnix(t, socket, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if r.URL.Path != "/containers/"+idA+"/json" {
					http.NotFound(w, r)
					return
				}
				fmt.Fprint(w, `{"Name":"/web","Config":{"Image":"nginx:1","Labels":{"io.kubernetes.pod.name":"web-0","io.kubernetes.pod.namespace":"shop"}}}`)
			})
			r := newRuntimes(cfg)
			want := event.Container{ID: idA, Runtime: runtime, Name: "web", Image: "nginx:1", Pod: "web-0", Namespace: "shop"}
			for _, told := range []string{runtime, "", runtime} {
				if got, ok := r.ask(t.Context(), containerKey{told, idA}); !ok || got != want {
					t.Errorf("got %+v, %v", got, ok)
				}
			}
			for range 3 {
				if got, ok := r.ask(t.Context(), containerKey{runtime, idB}); ok {
					t.Errorf("got %+v", got)
				}
			}
			if n := asked.Load(); n != 2 {
				t.Errorf("the runtime was asked %d times about two containers", n)
			}
		})
	}
}

func TestRuntimeHangsOrLies(t *testing.T) {
	cfg := emptyRuntimes(t)
	cfg.Timeout = 50 * time.Millisecond
	release := make(chan struct{})
	serveUnix(t, cfg.DockerSocket, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	serveUnix(t, cfg.PodmanSocket, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"Name":[`) })
	defer close(release)
	r := newRuntimes(cfg)
	for _, key := range []containerKey{{"docker", idA}, {"podman", idB}, {"docker", "../../images"}, {"rkt", idA}} {
		if c, ok := r.ask(t.Context(), key); ok {
			t.Errorf("%+v: got %+v", key, c)
		}
	}
}

func TestRuntimeFiles(t *testing.T) {
	cfg := emptyRuntimes(t)
	type object = map[string]any
	annotated := func(a map[string]string) object { return object{"annotations": a} }
	pause, crio, pod := idB, idA[1:]+"0", idB[1:]+"0"
	writeJSON(t, filepath.Join(cfg.ContainerdState, "k8s.io", idA, "config.json"), annotated(map[string]string{
		"io.kubernetes.cri.container-name": "app", "io.kubernetes.cri.image-name": "reg/app:2",
		"io.kubernetes.cri.sandbox-name": "app-0", "io.kubernetes.cri.sandbox-namespace": "prod",
	}))
	writeJSON(t, filepath.Join(cfg.ContainerdState, "k8s.io", pause, "config.json"), annotated(map[string]string{
		"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-name": "app-0",
	}))
	writeJSON(t, filepath.Join(cfg.StorageDirs[0], crio, "userdata/config.json"), annotated(map[string]string{
		"io.kubernetes.container.name": "db", "io.kubernetes.cri-o.ImageName": "reg/db:3",
		"io.kubernetes.pod.name": "db-0", "io.kubernetes.pod.namespace": "prod",
	}))
	writeJSON(t, filepath.Join(cfg.StorageDirs[0], "containers.json"), []object{
		{"id": idA, "names": []string{"other"}},
		{"id": pod, "names": []string{"cache"}, "metadata": `{"image-name":"reg/cache:4"}`},
	})
	r := newRuntimes(cfg)
	for _, c := range []struct {
		key  containerKey
		want event.Container
	}{
		{containerKey{"containerd", idA}, event.Container{ID: idA, Runtime: "containerd", Name: "app", Image: "reg/app:2", Pod: "app-0", Namespace: "prod"}},
		{containerKey{"", pause}, event.Container{ID: pause, Runtime: "containerd", Name: "POD", Pod: "app-0"}},
		{containerKey{"cri-o", crio}, event.Container{ID: crio, Runtime: "cri-o", Name: "db", Image: "reg/db:3", Pod: "db-0", Namespace: "prod"}},
		{containerKey{"podman", pod}, event.Container{ID: pod, Runtime: "podman", Name: "cache", Image: "reg/cache:4"}},
	} {
		if got, ok := r.ask(t.Context(), c.key); !ok || got != c.want {
			t.Errorf("got %+v, %v\nwant %+v", got, ok, c.want)
		}
	}
}

func TestRunNamesContainers(t *testing.T) {
	cfg := testConfig(t)
	cfg.Runtimes = emptyRuntimes(t)
	serveUnix(t, cfg.Runtimes.DockerSocket, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"Name":"/web","Config":{"Image":"nginx:1"}}`)
	})
	tab := New(cfg)
	tab.cgroupfs.paths.Add(42, "/docker/"+idA)
	k := task(10, 101*second, "a")
	k.CgroupID = 42
	if p := tab.Lookup(k); p.Container == nil || p.Container.ID != idA {
		t.Errorf("a cgroup that has been seen is named at once: %+v", p)
	}
	run(t, tab)
	eventually(t, func() bool { return tab.Lookup(k).Container.Name == "web" })
}
