package audit

import (
	"cmp"
	"math"
	"slices"
)

// changes finds, for every figure the verdict rests on, the smallest factor that turns it into another one.
func (r *Report) changes(d *Data) {
	r.Changes = nil
	if r.Verdict == NotCheckable {
		return
	}
	var leaves []string
	for _, id := range []string{"mfu", "price", "occupancy", "claimed_watts", "claimed_grid", "power_hour"} {
		for _, leaf := range r.Sheet.Leaves(id) {
			if !slices.Contains(leaves, leaf) {
				leaves = append(leaves, leaf)
			}
		}
	}
	for _, leaf := range leaves {
		if c, ok := r.change(d, leaf); ok {
			r.Changes = append(r.Changes, c)
		}
	}
	slices.SortStableFunc(r.Changes, func(a, b Change) int {
		return cmp.Compare(math.Abs(math.Log(a.Factor)), math.Abs(math.Log(b.Factor)))
	})
}

// change looks up and down for the nearest factor, on a grid first and then by halving.
func (r *Report) change(d *Data, leaf string) (Change, bool) {
	best := Change{}
	for _, up := range []float64{1, -1} {
		inside, outside := 0.0, 0.0
		var to Verdict
		for e := 0.05; e <= math.Log(100); e *= 1.5 {
			if v := r.verdictAt(d, leaf, math.Exp(up*e)); v != r.Verdict {
				outside, to = e, v
				break
			}
			inside = e
		}
		if outside == 0 {
			continue
		}
		for range 14 {
			mid := (inside + outside) / 2
			if v := r.verdictAt(d, leaf, math.Exp(up*mid)); v != r.Verdict {
				outside, to = mid, v
			} else {
				inside = mid
			}
		}
		if best.Figure == nil || outside < math.Abs(math.Log(best.Factor)) {
			f := r.Sheet.Get(leaf)
			best = Change{f, math.Exp(up * outside), f.Range.Scale(math.Exp(up * outside)), to}
		}
	}
	return best, best.Figure != nil
}

func (r *Report) verdictAt(d *Data, leaf string, factor float64) Verdict {
	sheet, err := r.Sheet.With(map[string]Range{leaf: r.Sheet.Get(leaf).Range.Scale(factor)})
	if err != nil {
		return r.Verdict
	}
	other := *r
	other.Sheet = sheet
	dense := leaf == "active" && r.Sheet.Get(leaf).Standing == Assumed // not stated: all parameters, however many
	other.ignore = func(test string) bool { return r.passed(test) && (roundings[test] || dense && test == activeTest) }
	other.judge(d)
	return other.Verdict
}

// roundings are tests of figures that say the same thing twice; changing one of the two is nothing that a verdict should turn on.
var roundings = map[string]bool{"hours fit into the cluster's days": true, "cluster not idle half of its days": true, "dollars are hours times the stated price": true,
	"stated compute agrees with 6ND": true, "stated utilisation agrees with the hours": true, "stated throughput agrees with the hours": true}

const activeTest = "active parameters within the total"

func (r *Report) passed(test string) bool {
	return slices.ContainsFunc(r.Tests, func(t Test) bool { return t.Name == test && t.Passed })
}

// Swing is how far a figure moves when one of the figures it rests on goes from its low to its high end.
type Swing struct {
	Figure    *Figure
	Low, High float64 // of the result, in its display unit
}

// Tornado lists the swings of a figure, the widest first.
func (r *Report) Tornado(id string) []Swing {
	f := r.Sheet.Get(id)
	if f == nil {
		return nil
	}
	central := map[string]Range{}
	for _, leaf := range r.Sheet.Leaves(id) {
		central[leaf] = Sharp(r.Sheet.Get(leaf).Central)
	}
	var out []Swing
	for _, leaf := range r.Sheet.Leaves(id) {
		g := r.Sheet.Get(leaf)
		if g.IsExact() {
			continue
		}
		w := Swing{Figure: g}
		for _, end := range []struct {
			at float64
			to *float64
		}{{g.Low, &w.Low}, {g.High, &w.High}} {
			central[leaf] = Sharp(end.at)
			if s, err := r.Sheet.With(central); err == nil {
				*end.to = s.Get(id).In().Central
			}
		}
		central[leaf] = Sharp(g.Central)
		out = append(out, w)
	}
	slices.SortStableFunc(out, func(a, b Swing) int { return cmp.Compare(math.Abs(b.High-b.Low), math.Abs(a.High-a.Low)) })
	return out
}
