package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/stockade-security/stockade/policy"
)

// requestTimeout bounds every request but a stream.
const requestTimeout = 10 * time.Second

// stopPoll is how often Stop looks whether the guard has gone.
const stopPoll = 20 * time.Millisecond

// Client talks to one guard. It is safe for concurrent use.
type Client struct {
	socket string
	http   *http.Client
}

// DialError says that no guard can be reached at a socket, and what to do.
type DialError struct {
	Socket string
	// Err is why, as the system said it.
	Err error
}

func (e *DialError) Error() string {
	switch {
	case errors.Is(e.Err, fs.ErrNotExist):
		return "no guard is running (no socket at " + e.Socket + ")"
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return "no guard is running (nobody listens at " + e.Socket + ")"
	case errors.Is(e.Err, fs.ErrPermission):
		return "not allowed to talk to the guard at " + e.Socket
	}
	return fmt.Sprintf("talk to the guard at %s: %v", e.Socket, e.Err)
}

func (e *DialError) Unwrap() error { return e.Err }

// Hint says how to go on.
func (e *DialError) Hint() string {
	if errors.Is(e.Err, fs.ErrPermission) {
		return "only root may: run the command as root"
	}
	return "start one with `stockade run`, or name the one you mean with --instance or --socket"
}

// Dial returns a client of the guard at socket. It connects once to see that somebody is there; the error is a *DialError.
func Dial(socket string) (*Client, error) {
	c := &Client{socket: socket}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
	}}
	conn, err := c.dial(context.Background())
	if err != nil {
		return nil, err
	}
	_ = conn.Close()
	return c, nil
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: requestTimeout}
	conn, err := d.DialContext(ctx, "unix", c.socket)
	if err != nil {
		// The operation and the path are in our own sentence.
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err
		}
		return nil, &DialError{Socket: c.socket, Err: err}
	}
	return conn, nil
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks for the guard's state.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.call(ctx, http.MethodGet, "/v1/status", &s)
	return s, err
}

// Health asks whether the guard serves.
func (c *Client) Health(ctx context.Context) (Health, error) {
	var h Health
	err := c.call(ctx, http.MethodGet, "/v1/health", &h)
	return h, err
}

// Apply puts the policy at a path in force, if the guard finds the one with that digest there.
func (c *Client) Apply(ctx context.Context, path, digest string) (s Status, err error) {
	err = c.send(ctx, http.MethodPut, "/v1/policy", Change{Policy: path, Digest: digest}, &s)
	return s, err
}

// SetMode replaces the modes of the policy in force; empty: they hold again.
func (c *Client) SetMode(ctx context.Context, mode policy.Mode) (s Status, err error) {
	err = c.send(ctx, http.MethodPut, "/v1/mode", ModeChange{Mode: mode}, &s)
	return s, err
}

// Stop asks the guard to end and waits until nobody listens at its socket any more, or ctx ends. With release nothing stays
// in force.
func (c *Client) Stop(ctx context.Context, release bool) error {
	var h Health
	path := "/v1/stop"
	if release {
		path += "?release=true"
	}
	if err := c.call(ctx, http.MethodPost, path, &h); err != nil {
		return err
	}
	c.Close() // an idle connection would keep the guard waiting
	tick := time.NewTicker(stopPoll)
	defer tick.Stop()
	for {
		conn, err := c.dial(ctx)
		switch {
		case err == nil:
			_ = conn.Close()
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
			return nil
		case ctx.Err() == nil:
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the guard at %s to stop: %w", c.socket, ctx.Err())
		case <-tick.C:
		}
	}
}

// changeTimeout bounds a change of what is in force: programs are loaded, and tasks labelled.
const changeTimeout = 5 * time.Minute

// call makes one request and decodes its answer into out. An error answer is a *Problem.
func (c *Client) call(ctx context.Context, method, path string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return c.exchange(ctx, method, path, nil, out)
}

// send is call with a body.
func (c *Client) send(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	data, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("ask the guard for %s: %w", path, err)
	}
	return c.exchange(ctx, method, path, bytes.NewReader(data), out)
}

func (c *Client) exchange(ctx context.Context, method, path string, in io.Reader, out any) error {
	body, err := c.do(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("read the guard's answer to %s: %w", path, err)
	}
	return nil
}

// do makes a request and returns the body of a good answer, which the caller closes.
func (c *Client) do(ctx context.Context, method, path string, in io.Reader) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://stockade"+path, in)
	if err != nil {
		return nil, fmt.Errorf("ask the guard for %s: %w", path, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if dial := (*DialError)(nil); errors.As(err, &dial) {
			return nil, dial
		}
		return nil, fmt.Errorf("ask the guard for %s: %w", path, err)
	}
	if resp.StatusCode < 300 {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	p := &Problem{}
	if json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(p) != nil || p.Code == "" {
		return nil, fmt.Errorf("ask the guard for %s: it answered %q", path, resp.Status)
	}
	return nil, p
}
