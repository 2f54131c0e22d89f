// Package view shows a run while it happens: a progress bar, curves, speed, what remains, what it cost so far and a live sample, redrawn in place on a
// terminal; plain lines elsewhere. Everything goes to one stream (standard error), so results on standard output stay clean.
package view

import (
	"math"
	"os"
	"slices"
	"sync"

	"github.com/charmbracelet/x/term"

	"github.com/pennyml/penny/run"
)

// Options say what is shown. The zero value shows the loss.
type Options struct {
	Title  string     // beside the run's name
	Charts [][]string // fields of metrics that share a chart; {{"loss", "val_loss"}} if nil
	Plain  bool       // lines even on a terminal
}

// New is a View on a stream: the terminal's, if it is one.
func New(out *os.File, o Options) run.View {
	if o.Charts == nil {
		o.Charts = [][]string{{"loss", "val_loss"}}
	}
	if o.Plain || !term.IsTerminal(out.Fd()) || os.Getenv("TERM") == "dumb" || os.Getenv("TERM") == "" {
		return &plain{out: out, o: o}
	}
	return &screen{out: out, o: o, board: &board{o: o, values: map[string]float64{}, curves: map[string]*curve{}}}
}

// board is what a view knows at a moment. The run writes it, the screen reads it.
type board struct {
	mu       sync.Mutex
	o        Options
	info     run.Info
	progress run.Progress
	values   map[string]float64 // the latest of each field
	curves   map[string]*curve
	sample   run.Sample
	events   []string // not printed yet
	ended    bool
}

func (b *board) begin(i run.Info, p run.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.info, b.progress = i, p
	for _, point := range i.Past {
		b.put(point["step"], point)
	}
}

func (b *board) row(r run.Row, p run.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.progress = p
	b.put(float64(r.Step), fields(r))
}

// fields are the numbers of a row by name.
func fields(r run.Row) run.Point {
	point := run.Point{"loss": r.Loss, "lr": r.LR, "grad_norm": r.GradNorm}
	if r.ValLoss != nil {
		point["val_loss"] = *r.ValLoss
	}
	for k, v := range r.Extra {
		point[k] = v
	}
	return point
}

func (b *board) put(step float64, point run.Point) {
	for name, v := range point {
		b.values[name] = v
		if slices.ContainsFunc(b.o.Charts, func(c []string) bool { return slices.Contains(c, name) }) {
			c := b.curves[name]
			if c == nil {
				c = &curve{every: 1}
				b.curves[name] = c
			}
			c.add(step, v)
		}
	}
}

// curve keeps a bounded number of points of an endless series: when it is full, neighbours are averaged.
type curve struct {
	x, y       []float64
	every      int // rows that make a point
	n          int // rows in the point that is being made
	sumX, sumY float64
}

const curveSize = 1024

func (c *curve) add(x, y float64) {
	if math.IsNaN(y) || math.IsInf(y, 0) {
		return
	}
	c.n++
	c.sumX += x
	c.sumY += y
	if c.n < c.every {
		return
	}
	c.x, c.y = append(c.x, c.sumX/float64(c.n)), append(c.y, c.sumY/float64(c.n))
	c.n, c.sumX, c.sumY = 0, 0, 0
	if len(c.x) < curveSize {
		return
	}
	for i := range curveSize / 2 {
		c.x[i], c.y[i] = (c.x[2*i]+c.x[2*i+1])/2, (c.y[2*i]+c.y[2*i+1])/2
	}
	c.x, c.y, c.every = c.x[:curveSize/2], c.y[:curveSize/2], 2*c.every
}
