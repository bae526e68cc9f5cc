package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// HashConfig bounds what the digests of executables may cost.
type HashConfig struct {
	// Off: no digests.
	Off bool
	// MaxFileBytes: larger files get none; 0: 256 MiB.
	MaxFileBytes int64
	// BytesPerSecond bounds the reading; 0: 64 MiB.
	BytesPerSecond int64
}

func (c HashConfig) withDefaults() HashConfig {
	setDefault(&c.MaxFileBytes, 256<<20)
	setDefault(&c.BytesPerSecond, 64<<20)
	return c
}

// digestsKept bounds the cache of digests.
const digestsKept = 4096

// fileKey names one version of a file. changedNS 0 means any: the caller does not know which.
type fileKey struct {
	device    string
	inode     uint64
	changedNS int64
}

// hashAsk asks for the digest of an image's file, which process of may still be running.
type hashAsk struct {
	key  fileKey
	of   processKey
	path string
	img  *image
}

// hasher computes digests of executables, one after the other, within a budget. It hashes a file only when device,
// inode and change time are those of the record: never another that has taken its name.
type hasher struct {
	cfg            HashConfig
	procfs         string
	asks           queue[hashAsk]
	digests        *lru.Cache[fileKey, string]
	failed, hashed atomic.Uint64
	paid           time.Time // until when the bytes read so far are paid for
}

func newHasher(cfg HashConfig, procfs string) *hasher {
	digests, err := lru.New[fileKey, string](digestsKept)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &hasher{cfg: cfg, procfs: procfs, asks: newQueue[hashAsk](2048), digests: digests}
}

// cached returns the digest of exactly that version of the file.
func (h *hasher) cached(key fileKey) (string, bool) {
	if key.changedNS == 0 {
		return "", false
	}
	return h.digests.Get(key)
}

// run answers until ctx ends.
func (h *hasher) run(ctx context.Context, deliver func(*image, string)) {
	serve(ctx, h.asks, func(a hashAsk) {
		sum, err := h.digest(ctx, a)
		if err != nil {
			h.failed.Add(1)
			return
		}
		deliver(a.img, sum)
	})
}

var (
	errNotSameFile = errors.New("not the file of the record")
	errTooLarge    = errors.New("larger than the limit")
)

func (h *hasher) digest(ctx context.Context, a hashAsk) (string, error) {
	f, key, err := h.open(a)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if sum, ok := h.cached(key); ok {
		return sum, nil
	}
	size, _, err := fileVersion(f)
	if err != nil {
		return "", err
	}
	if size > h.cfg.MaxFileBytes {
		return "", errTooLarge
	}
	sum, err := h.read(ctx, f, size)
	if err != nil {
		return "", fmt.Errorf("hash %q: %w", a.path, err)
	}
	if _, changed, err := fileVersion(f); err != nil || changed != key.changedNS {
		return "", errNotSameFile
	}
	h.hashed.Add(1)
	h.digests.Add(key, sum)
	return sum, nil
}

// read hashes size bytes of f, no faster than the budget.
func (h *hasher) read(ctx context.Context, f io.Reader, size int64) (string, error) {
	const chunk = 256 << 10
	sum := sha256.New()
	for size > 0 {
		if err := h.pay(ctx, min(size, chunk)); err != nil {
			return "", err
		}
		n, err := io.CopyN(sum, f, min(size, chunk))
		if err != nil {
			return "", err
		}
		size -= n
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// pay waits until n more bytes are within the budget. A tenth of a second is lent.
func (h *hasher) pay(ctx context.Context, n int64) error {
	now := time.Now()
	if h.paid.Before(now) {
		h.paid = now
	}
	h.paid = h.paid.Add(time.Duration(float64(n) / float64(h.cfg.BytesPerSecond) * float64(time.Second)))
	wait := h.paid.Sub(now) - 100*time.Millisecond
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
