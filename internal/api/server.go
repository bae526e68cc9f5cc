package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stockade-security/stockade/policy"
)

// streamBuffer is how many events a stream's reader may be behind: 0.1 s of the heaviest load that Stockade is made
// for, or a minute of a quiet host.
const streamBuffer = 8192

// Config is what a Server needs. All of it is required but Logger.
type Config struct {
	// Socket is the path to listen at. Its directory is made, for root alone, where it is missing.
	Socket string
	Daemon Daemon
	// Logger is told who asked for what changes the guard. Nil: nobody is told.
	Logger *slog.Logger
}

// Server serves the API. Call Listen, then Serve, then Close; Close also does its part when Serve was never called.
type Server struct {
	config   Config
	http     *http.Server
	listener net.Listener
	// peer asks the kernel who is at the other end. Tests put their own in.
	peer func(net.Conn) (Peer, error)
	// writeTimeout is how long a reader may take nothing at all before it is cut.
	writeTimeout time.Duration
	done         chan struct{}
	once         sync.Once
}

// Peer is the process at the other end of a connection, as the kernel recorded it when it connected.
type Peer struct {
	PID int
	UID uint32
}

type peerKey struct{}

// New returns a server that does not listen yet.
func New(config Config) *Server {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: config, peer: peerOf, writeTimeout: 20 * time.Second, done: make(chan struct{})}
	s.http = &http.Server{
		Handler:           s.rootOnly(s.mux()),
		ConnContext:       s.withPeer,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(config.Logger.Handler(), slog.LevelWarn),
	}
	return s
}

// Listen takes the socket. A socket file that nobody listens at is replaced; where a guard does, the error is a
// *RunningError. On systems without peer credentials the error is ErrUnsupported.
func (s *Server) Listen() error {
	l, err := listen(s.config.Socket)
	if err != nil {
		return err
	}
	s.listener = l
	return nil
}

// Serve answers requests until Close, and then returns nil.
func (s *Server) Serve() error {
	if s.listener == nil {
		return errors.New("serve the API: not listening")
	}
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the API at %s: %w", s.config.Socket, err)
	}
	return nil
}

// Close removes the socket, tells the readers of streams, and waits for open requests until ctx ends; what is left then
// is broken off. It may be called more than once and before Listen.
func (s *Server) Close(ctx context.Context) error {
	s.once.Do(func() { close(s.done) })
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
		err = fmt.Errorf("close the API: %w", err)
	}
	if s.listener != nil {
		// Shutdown closed it if Serve ran; closing it twice only says so.
		_ = s.listener.Close()
	}
	return err
}

// route is one path of the API with its only method.
type route struct {
	method, path string
	serve        http.HandlerFunc
}

// routes is the whole API: a new verb adds its line here.
func (s *Server) routes() []route {
	return []route{
		{http.MethodGet, "/v1/health", s.health},
		{http.MethodGet, "/v1/status", s.status},
		{http.MethodPost, "/v1/stop", s.stop},
		{http.MethodPut, "/v1/policy", s.apply},
		{http.MethodPut, "/v1/mode", s.setMode},
		{http.MethodGet, "/v1/events", s.events},
	}
}

func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	methods := make(map[string][]string)
	for _, r := range s.routes() {
		mux.HandleFunc(r.method+" "+r.path, r.serve)
		methods[r.path] = append(methods[r.path], r.method)
	}
	for path, allowed := range methods {
		slices.Sort(allowed)
		list := strings.Join(allowed, ", ")
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", list)
			problem(w, CodeMethodNotAllowed, fmt.Sprintf("%s does not take %s, only %s", path, r.Method, list), "")
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, CodeNotFound, "there is no "+r.URL.Path, "the guard may be older than this command: compare `stockade status` with `stockade version`")
	})
	return mux
}

func (s *Server) withPeer(ctx context.Context, c net.Conn) context.Context {
	p, err := s.peer(c)
	if err != nil {
		// Without a peer in the context every request is refused.
		s.config.Logger.Warn("peer of a connection is not known", "error", err)
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// rootOnly refuses whoever is not root. The socket's mode keeps others away already; this holds where somebody widened
// it or passed a connected descriptor on.
func (s *Server) rootOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, ok := r.Context().Value(peerKey{}).(Peer); !ok || p.UID != 0 {
			problem(w, CodeForbidden, "only root may talk to the guard", "run the command as root")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, "application/json", Health{Status: "ok"})
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, "application/json", s.config.Daemon.Status())
}

// stop ends the guard, and with ?release=true first what it enforces.
func (s *Server) stop(w http.ResponseWriter, r *http.Request) {
	p, _ := r.Context().Value(peerKey{}).(Peer)
	s.config.Logger.Info("stop requested", "pid", p.PID, "uid", p.UID)
	if r.URL.Query().Get("release") == "true" {
		if err := s.config.Daemon.Release(p); err != nil {
			problem(w, CodeInternal, err.Error(), "the guard goes on; what is pinned is below /sys/fs/bpf")
			return
		}
	}
	answer(w, http.StatusAccepted, "application/json", Health{Status: "stopping"})
	s.config.Daemon.Stop()
}

func (s *Server) apply(w http.ResponseWriter, r *http.Request) {
	var c Change
	s.change(w, r, &c, func(by Peer) error { return s.config.Daemon.Apply(c.Policy, c.Digest, by) })
}

func (s *Server) setMode(w http.ResponseWriter, r *http.Request) {
	var c ModeChange
	s.change(w, r, &c, func(by Peer) error {
		if c.Mode != "" {
			if _, err := policy.ParseMode(string(c.Mode)); err != nil {
				return &Refusal{Err: err}
			}
		}
		return s.config.Daemon.SetMode(c.Mode, by)
	})
}

// change reads what is asked for, does it, and answers with the state after it.
func (s *Server) change(w http.ResponseWriter, r *http.Request, body any, do func(Peer) error) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(body); err != nil {
		problem(w, CodeBadRequest, "read the request: "+err.Error(), "")
		return
	}
	by, _ := r.Context().Value(peerKey{}).(Peer)
	err := do(by)
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		problem(w, CodeBadRequest, refusal.Error(), "what was in force before still is")
		return
	}
	if err != nil {
		problem(w, CodeInternal, err.Error(), "what was in force before still is: see `stockade status`")
		return
	}
	answer(w, http.StatusOK, "application/json", s.config.Daemon.Status())
}
