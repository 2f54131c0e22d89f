package plot

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/pennyml/penny/run"
)

// Run is the metrics of one run, to be drawn.
type Run struct {
	Name   string
	Points []run.Point
}

// Selection says what is drawn of runs.
type Selection struct {
	X      string     // the field of metrics along the horizontal axis
	Panels [][]string // the fields of each panel
	Smooth float64    // weight of what came before in a moving average, 0 to below 1; the unsmoothed curve stands faintly behind
	Log    bool       // vertical axes
	LogX   bool
}

// Compare draws fields of runs. A run has a colour, or a field, where there is one run only; rare fields (evaluations) have dots and dashes.
func Compare(runs []Run, s Selection) (*Figure, error) {
	if !(s.Smooth >= 0 && s.Smooth < 1) {
		return nil, fmt.Errorf("smoothing of %v: want 0 to below 1", s.Smooth)
	}
	if len(s.Panels) == 0 {
		return nil, fmt.Errorf("no field to draw")
	}
	var names []string
	for _, r := range runs {
		names = append(names, r.Name)
	}
	x, scale := horizontal(runs, s.X)
	f := &Figure{Title: strings.Join(names, ", "), X: x, LogX: s.LogX}
	for _, fields := range s.Panels {
		p := Panel{Title: strings.Join(fields, ", "), Log: s.Log}
		for i, r := range runs {
			for j, field := range fields {
				series := r.series(s.X, field, scale)
				if len(series.X) == 0 {
					continue
				}
				series.Name, series.Colour = field, j
				if len(runs) > 1 {
					series.Name, series.Colour = r.Name, i
					if len(fields) > 1 {
						series.Name += " " + field
					}
					series.Dashed = j > 0
				}
				p.Series = append(p.Series, series.smooth(s.Smooth)...)
			}
		}
		if len(p.Series) == 0 {
			return nil, fmt.Errorf("no run has %s over %s; there are %s", strings.Join(fields, ", "), s.X, strings.Join(fieldsOf(runs), ", "))
		}
		f.Panels = append(f.Panels, p)
	}
	return f, nil
}

// horizontal names the axis, and its scale: long times are in minutes or hours.
func horizontal(runs []Run, field string) (name string, scale float64) {
	if field != "seconds" {
		return field, 1
	}
	longest := 0.0
	for _, r := range runs {
		for _, p := range r.Points {
			longest = max(longest, p["seconds"])
		}
	}
	switch {
	case longest > 3*3600:
		return "hours", 3600
	case longest > 3*60:
		return "minutes", 60
	}
	return field, 1
}

// series is a field of a run where it has one.
func (r Run) series(x, y string, scale float64) Series {
	var s Series
	for _, p := range r.Points {
		px, okX := p[x]
		py, okY := p[y]
		if okX && okY {
			s.X, s.Y = append(s.X, px/scale), append(s.Y, py)
		}
	}
	s.Marked = len(s.X) <= 60 && 2*len(s.X) < len(r.Points) || len(s.X) == 1
	s.Dashed = s.Marked
	return s
}

// smooth is a series' moving average with the series itself faint behind it. The average is corrected for its start, as TensorBoard's is.
func (s Series) smooth(weight float64) []Series {
	if weight == 0 || s.Marked {
		return []Series{s}
	}
	faint := s
	faint.Faint, faint.Dashed = true, false
	s.Y = slices.Clone(s.Y)
	sum, total := 0.0, 0.0
	for i, v := range s.Y {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		sum, total = sum*weight+v*(1-weight), total*weight+(1-weight)
		s.Y[i] = sum / total
	}
	return []Series{faint, s}
}

// fieldsOf lists the fields that any of the runs has.
func fieldsOf(runs []Run) []string {
	all := map[string]bool{}
	for _, r := range runs {
		for _, p := range r.Points {
			for k := range p {
				all[k] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}
