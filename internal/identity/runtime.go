package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/stockade-security/stockade/event"
)

// RuntimeConfig says where the container runtimes keep what they know. Empty fields have the usual places.
type RuntimeConfig struct {
	// DockerSocket and PodmanSocket serve Docker's API.
	DockerSocket, PodmanSocket string
	// ContainerdState is the directory of containerd's shims: NAMESPACE/ID/config.json.
	ContainerdState string
	// StorageDirs are containers/storage's: ID/userdata/config.json, and containers.json for all; cri-o and podman.
	StorageDirs []string
	// Timeout bounds one question; 0: 2 s.
	Timeout time.Duration
}

func (c RuntimeConfig) withDefaults() RuntimeConfig {
	setDefault(&c.DockerSocket, "/run/docker.sock")
	setDefault(&c.PodmanSocket, "/run/podman/podman.sock")
	setDefault(&c.ContainerdState, "/run/containerd/io.containerd.runtime.v2.task")
	if c.StorageDirs == nil {
		c.StorageDirs = []string{"/var/lib/containers/storage/overlay-containers", "/run/containers/storage/overlay-containers"}
	}
	setDefault(&c.Timeout, 2*time.Second)
	return c
}

const (
	// containersKept bounds the cache of answers.
	containersKept = 1024
	// unknownFor is how long a runtime is not asked again about a container that it does not know.
	unknownFor = 20 * time.Second
	// maxRuntimeBytes bounds one answer.
	maxRuntimeBytes = 4 << 20
)

// runtimes asks the container runtimes for names. It is for one goroutine, and may take as long as its time-outs.
type runtimes struct {
	cfg            RuntimeConfig
	docker, podman *http.Client
	answers        *lru.Cache[string, runtimeAnswer]
}

type runtimeAnswer struct {
	container event.Container
	ok        bool
	at        time.Time
}

func newRuntimes(cfg RuntimeConfig) *runtimes {
	answers, err := lru.New[string, runtimeAnswer](containersKept)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &runtimes{cfg, socketClient(cfg.DockerSocket, cfg.Timeout), socketClient(cfg.PodmanSocket, cfg.Timeout), answers}
}

func socketClient(socket string, timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
}

// ask returns what is known of a container; ok false: nobody knows it, or nobody answers.
func (r *runtimes) ask(ctx context.Context, key containerKey) (event.Container, bool) {
	if !isContainerID(key.id) {
		return event.Container{}, false
	}
	if a, ok := r.answers.Get(key.id); ok && (a.ok || time.Since(a.at) < unknownFor) {
		return a.container, a.ok
	}
	a := runtimeAnswer{at: time.Now()}
	for _, s := range r.sources(key.runtime) {
		c, err := s.ask(ctx, key.id)
		if err == nil && (c.Name != "" || c.Image != "") {
			c.ID, c.Runtime = key.id, s.runtime
			a.container, a.ok = c, true
			break
		}
	}
	r.answers.Add(key.id, a)
	return a.container, a.ok
}

type runtimeSource struct {
	runtime string
	ask     func(ctx context.Context, id string) (event.Container, error)
}

// sources lists who may know a container of that runtime; all when the cgroup's name does not tell.
func (r *runtimes) sources(runtime string) []runtimeSource {
	all := []runtimeSource{
		{"docker", func(ctx context.Context, id string) (event.Container, error) { return askAPI(ctx, r.docker, id) }},
		{"podman", func(ctx context.Context, id string) (event.Container, error) { return askAPI(ctx, r.podman, id) }},
		{"containerd", r.askContainerd},
		{"cri-o", r.askCRIO},
		{"podman", r.askStorage},
	}
	if runtime == "" {
		return all
	}
	var some []runtimeSource
	for _, s := range all {
		if s.runtime == runtime {
			some = append(some, s)
		}
	}
	return some
}

// askAPI asks Docker's API, which podman serves too.
func askAPI(ctx context.Context, client *http.Client, id string) (event.Container, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://runtime/containers/"+id+"/json", nil)
	if err != nil {
		return event.Container{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return event.Container{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return event.Container{}, fmt.Errorf("ask about container %s: %s", id, resp.Status)
	}
	var a struct {
		Name   string
		Config struct {
			Image  string
			Labels map[string]string
		}
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxRuntimeBytes)).Decode(&a); err != nil {
		return event.Container{}, fmt.Errorf("ask about container %s: %w", id, err)
	}
	return event.Container{
		Name: strings.TrimPrefix(a.Name, "/"), Image: a.Config.Image,
		Pod: a.Config.Labels["io.kubernetes.pod.name"], Namespace: a.Config.Labels["io.kubernetes.pod.namespace"],
	}, nil
}

// askContainerd reads the OCI configuration that containerd leaves beside its shim.
func (r *runtimes) askContainerd(_ context.Context, id string) (event.Container, error) {
	spaces, err := os.ReadDir(r.cfg.ContainerdState)
	if err != nil {
		return event.Container{}, err
	}
	for _, space := range spaces {
		a, err := annotations(filepath.Join(r.cfg.ContainerdState, space.Name(), id, "config.json"))
		if err != nil {
			continue
		}
		kind := a["io.kubernetes.cri.container-type"]
		c := event.Container{
			Name: a.first("io.kubernetes.cri.container-name", "nerdctl/name"), Image: a.first("io.kubernetes.cri.image-name", "nerdctl/image-ref"),
			Pod: a["io.kubernetes.cri.sandbox-name"], Namespace: a["io.kubernetes.cri.sandbox-namespace"],
		}
		if c.Name == "" && kind == "sandbox" {
			c.Name = "POD"
		}
		return c, nil
	}
	return event.Container{}, os.ErrNotExist
}

// askCRIO reads the OCI configuration that cri-o leaves in containers/storage.
func (r *runtimes) askCRIO(_ context.Context, id string) (event.Container, error) {
	for _, dir := range r.cfg.StorageDirs {
		a, err := annotations(filepath.Join(dir, id, "userdata/config.json"))
		if err != nil {
			continue
		}
		return event.Container{
			Name:  a.first("io.kubernetes.container.name", "io.kubernetes.cri-o.Name"),
			Image: a.first("io.kubernetes.cri-o.ImageName", "io.kubernetes.cri-o.Image"),
			Pod:   a.first("io.kubernetes.pod.name", "io.kubernetes.cri-o.KubeName"), Namespace: a.first("io.kubernetes.pod.namespace", "io.kubernetes.cri-o.Namespace"),
		}, nil
	}
	return event.Container{}, os.ErrNotExist
}

// askStorage reads the index of containers/storage, for podman without its service.
func (r *runtimes) askStorage(_ context.Context, id string) (event.Container, error) {
	for _, dir := range r.cfg.StorageDirs {
		var index []struct {
			ID, Metadata string
			Names        []string
		}
		if readJSON(filepath.Join(dir, "containers.json"), &index) != nil {
			continue
		}
		for _, entry := range index {
			if entry.ID != id {
				continue
			}
			var c event.Container
			if len(entry.Names) > 0 {
				c.Name = entry.Names[0]
			}
			var m struct {
				Image string `json:"image-name"`
				Pod   string `json:"pod-name"`
			}
			if json.Unmarshal([]byte(entry.Metadata), &m) == nil {
				c.Image, c.Pod = m.Image, m.Pod
			}
			return c, nil
		}
	}
	return event.Container{}, os.ErrNotExist
}

type annotationSet map[string]string

func (a annotationSet) first(keys ...string) string {
	for _, k := range keys {
		if a[k] != "" {
			return a[k]
		}
	}
	return ""
}

func annotations(path string) (annotationSet, error) {
	var spec struct {
		Annotations annotationSet `json:"annotations"`
	}
	err := readJSON(path, &spec)
	return spec.Annotations, err
}

func readJSON(path string, v any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return json.NewDecoder(io.LimitReader(f, maxRuntimeBytes)).Decode(v)
}
