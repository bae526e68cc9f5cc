package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/stockade-security/stockade/internal/show"
)

// progress is a bar on a terminal, for what takes long. Elsewhere it shows nothing.
type progress struct {
	w            io.Writer
	start, drawn time.Time
}

const (
	// patience is how long something may take without a bar, redraw how often the bar moves.
	patience = time.Second
	redraw   = 100 * time.Millisecond
	barWidth = 40
)

func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); !ok || !show.WantColor(f) {
		w = nil
	}
	return &progress{w: w, start: time.Now()}
}

// show draws the bar, if it is time to.
func (p *progress) show(done, total int64) {
	now := time.Now()
	if p.w == nil || total <= 0 || now.Sub(p.start) < patience || now.Sub(p.drawn) < redraw {
		return
	}
	p.drawn = now
	filled := int(min(done, total) * barWidth / total)
	// Nothing depends on whether the terminal takes it.
	_, _ = fmt.Fprintf(p.w, "\r[%s%s] %3d %% of %s", strings.Repeat("#", filled), strings.Repeat(" ", barWidth-filled), min(done, total)*100/total, show.Bytes(uint64(total)))
}

// end takes the bar away.
func (p *progress) end() {
	if p.w != nil && !p.drawn.IsZero() {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K")
	}
}
