// Package plot draws curves: as SVG and PNG files, and in a terminal with braille dots.
package plot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Series is one curve. Points that are not finite are left out, and the line goes on behind them.
type Series struct {
	Name   string
	X, Y   []float64
	Colour int  // in the palette
	Dashed bool // drawn with gaps
	Marked bool // each point has a dot
	Faint  bool // behind the others, without a name: the noise behind a smoothed curve
}

// Panel is one pair of axes.
type Panel struct {
	Title  string // of the vertical axis
	Series []Series
	Log    bool // logarithmic
}

// Figure is panels above one another that share a horizontal axis.
type Figure struct {
	Title, X string
	Panels   []Panel
	LogX     bool
}

// axis maps values to [0, 1].
type axis struct {
	low, high float64 // of what is drawn; logarithms on a logarithmic axis
	log       bool
}

// newAxis spans the values that can be drawn.
func newAxis(log bool, values func(yield func(float64))) axis {
	a := axis{math.Inf(1), math.Inf(-1), log}
	values(func(v float64) {
		if v, ok := a.value(v); ok {
			a.low, a.high = min(a.low, v), max(a.high, v)
		}
	})
	if a.low > a.high {
		a.low, a.high = 0, 1
	}
	if d := max(math.Abs(a.low), math.Abs(a.high)) * 1e-9; a.high-a.low <= d { // a constant stands in the middle
		pad := math.Abs(a.high) / 10
		if pad == 0 || log {
			pad = 0.5
		}
		a.low, a.high = a.low-pad, a.high+pad
	}
	return a
}

// padded leaves some room above and below.
func (a axis) padded(share float64) axis {
	d := (a.high - a.low) * share
	if a.log || a.low < 0 || a.low-d >= 0 {
		a.low -= d
	} else {
		a.low = 0 // what is never negative gets no negative axis
	}
	a.high += d
	return a
}

func (a axis) value(v float64) (float64, bool) {
	if a.log {
		v = math.Log10(v)
	}
	return v, !math.IsNaN(v) && !math.IsInf(v, 0)
}

// at is where a value stands, 0 to 1, if it can be drawn.
func (a axis) at(v float64) (float64, bool) {
	v, ok := a.value(v)
	return (v - a.low) / (a.high - a.low), ok
}

// tick is a place on an axis that is named.
type tick struct {
	at   float64
	name string
}

// ticks are about n round values.
func (a axis) ticks(n int) []tick {
	if a.log && a.high-a.low >= 0.9 {
		return a.decades(n)
	}
	low, high := a.low, a.high
	if a.log {
		low, high = math.Pow(10, low), math.Pow(10, high)
	}
	step := roundStep((high - low) / float64(max(n, 1)))
	var out []tick
	for k := math.Ceil(low/step - 1e-9); k*step <= high+step*1e-9 && len(out) < 100; k++ {
		at, ok := a.at(k * step)
		if ok {
			out = append(out, tick{at, label(k*step, step)})
		}
	}
	return out
}

func (a axis) decades(n int) []tick {
	every := max(1, math.Ceil((a.high-a.low)/float64(max(n, 1))))
	mantissas := []float64{1}
	if a.high-a.low < 2.5 {
		mantissas = []float64{1, 2, 5}
	}
	var out []tick
	for e := math.Floor(a.low); e <= a.high; e += every {
		for _, m := range mantissas {
			v := m * math.Pow(10, e)
			if at, ok := a.at(v); ok && at >= -1e-9 && at <= 1+1e-9 {
				out = append(out, tick{at, label(v, v)})
			}
		}
	}
	return out
}

// roundStep is the 1, 2 or 5 times a power of ten next above.
func roundStep(d float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(d)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= d*(1-1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// label writes a value with as many digits as steps of that size need.
func label(v, step float64) string {
	if v == 0 || math.Abs(v) < step*1e-6 {
		return "0"
	}
	for _, s := range []struct {
		size float64
		name string
	}{{1e24, "Y"}, {1e21, "Z"}, {1e18, "E"}, {1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(v) >= s.size && (s.size > 1e3 || math.Abs(v) >= 1e4) {
			return decimals(v/s.size, step/s.size) + s.name
		}
	}
	if step < 0.999e-3 && math.Abs(v) < 1e-2 {
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', 2, 64), "e-")
		return strings.TrimRight(strings.TrimRight(mantissa, "0"), ".") + "e-" + strings.TrimLeft(exponent, "0")
	}
	return decimals(v, step)
}

func decimals(v, step float64) string {
	digits := 0
	for s := step; digits < 6 && s < 1 && math.Abs(s-math.Round(s)) > 1e-6*s; s *= 10 {
		digits++
	}
	for s := step * math.Pow(10, float64(digits)); digits < 6 && math.Abs(s-math.Round(s)) > 1e-6; s *= 10 {
		digits++
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// Short writes a number in some four characters: 1.23k, 45.6M, 0.012.
func Short(v float64) string {
	digits, prefix := short(v)
	return digits + prefix
}

// Unit writes a number with a unit: 1.23 kJ.
func Unit(v float64, unit string) string {
	digits, prefix := short(v)
	return digits + " " + prefix + unit
}

// short is a number's three digits and the prefix that makes it that small.
func short(v float64) (digits, prefix string) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Sprint(v), ""
	}
	size, name := 1.0, ""
	for _, s := range []struct {
		size float64
		name string
	}{{1e3, "k"}, {1e6, "M"}, {1e9, "G"}, {1e12, "T"}, {1e15, "P"}, {1e18, "E"}, {1e21, "Z"}} {
		if math.Abs(v) >= s.size*0.9995 {
			size, name = s.size, s.name
		}
	}
	return strings.Replace(strconv.FormatFloat(v/size, 'g', 3, 64), "e-0", "e-", 1), name
}

// points are a series' drawable places, [0, 1] both ways. Where there are many more than columns, each column keeps its first, lowest, highest
// and last, so nothing that shows is lost.
func (s Series) points(x, y axis, columns int) [][2]float64 {
	var out [][2]float64
	for i := range min(len(s.X), len(s.Y)) {
		px, okX := x.at(s.X[i])
		py, okY := y.at(s.Y[i])
		if okX && okY {
			out = append(out, [2]float64{px, py})
		}
	}
	if len(out) <= 4*columns {
		return out
	}
	return thin(out, columns)
}

func thin(in [][2]float64, columns int) [][2]float64 {
	var out [][2]float64
	for i := 0; i < len(in); {
		column := math.Floor(in[i][0] * float64(columns))
		j, low, high := i, i, i
		for ; j < len(in) && math.Floor(in[j][0]*float64(columns)) == column; j++ {
			if in[j][1] < in[low][1] {
				low = j
			}
			if in[j][1] > in[high][1] {
				high = j
			}
		}
		last := -1
		for _, k := range []int{i, min(low, high), max(low, high), j - 1} {
			if k > last {
				out = append(out, in[k])
				last = k
			}
		}
		i = j
	}
	return out
}

// axisX spans all panels; axisY one.
func (f *Figure) axisX() axis {
	return newAxis(f.LogX, func(yield func(float64)) {
		for _, p := range f.Panels {
			for _, s := range p.Series {
				for i := range min(len(s.X), len(s.Y)) {
					if !math.IsNaN(s.Y[i]) {
						yield(s.X[i])
					}
				}
			}
		}
	})
}

func (p *Panel) axisY() axis {
	return newAxis(p.Log, func(yield func(float64)) {
		for _, s := range p.Series {
			for _, v := range s.Y {
				yield(v)
			}
		}
	}).padded(0.04)
}
