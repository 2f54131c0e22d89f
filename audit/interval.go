package audit

import "math"

// Range is a quantity that is known to lie between Low and High, Central being the best guess. Arithmetic on ranges keeps the true value
// inside, whatever the operands are correlated with; a range may so be wider than needed, never too narrow.
type Range struct{ Low, Central, High float64 }

// Sharp is a number taken as it stands.
func Sharp(v float64) Range { return Range{v, v, v} }

// IsExact reports that the range is a single number.
func (r Range) IsExact() bool { return r.Low == r.High }

// valid: finite and in order.
func (r Range) valid() bool {
	return !math.IsInf(r.Low, 0) && !math.IsInf(r.High, 0) && r.Low <= r.Central && r.Central <= r.High // false with NaN anywhere
}

// Scale multiplies by a positive number.
func (r Range) Scale(f float64) Range { return Range{r.Low * f, r.Central * f, r.High * f} }

func (r Range) add(s Range) Range {
	return Range{r.Low + s.Low, r.Central + s.Central, r.High + s.High}
}
func (r Range) sub(s Range) Range {
	return Range{r.Low - s.High, r.Central - s.Central, r.High - s.Low}
}

func (r Range) mul(s Range) Range {
	a, b, c, d := r.Low*s.Low, r.Low*s.High, r.High*s.Low, r.High*s.High
	return Range{min(a, b, c, d), r.Central * s.Central, max(a, b, c, d)}
}

// inverse is defined for ranges that leave zero out.
func (r Range) inverse() (Range, bool) {
	if r.Low <= 0 && r.High >= 0 {
		return Range{}, false
	}
	return Range{1 / r.High, 1 / r.Central, 1 / r.Low}, true
}

func (r Range) min(s Range) Range {
	return Range{min(r.Low, s.Low), min(r.Central, s.Central), min(r.High, s.High)}
}

func (r Range) max(s Range) Range {
	return Range{max(r.Low, s.Low), max(r.Central, s.Central), max(r.High, s.High)}
}
