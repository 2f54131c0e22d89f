package quant

import "math"

// Error measures how far decoded values are from the originals; the zero value is ready. Figures of parts are added up in the order in which
// they are given, so the same parts in the same order give the same bits.
type Error struct {
	Count      int     // values compared
	Max        float64 // largest absolute difference
	squares    float64 // of the differences
	references float64 // squares of the originals
}

// Add compares two slices of equal length. A value that is not finite on either side makes the figures NaN or infinite.
func (e *Error) Add(original, decoded []float32) {
	if len(original) != len(decoded) {
		panic("quant: Error.Add: slices of different length")
	}
	var squares, references float64
	worst := e.Max
	for i, v := range original {
		d := math.Abs(float64(decoded[i]) - float64(v))
		if d > worst || d != d {
			worst = d
		}
		squares += float64(d * d)
		references += float64(v) * float64(v) // exact, so a fused multiply-add changes nothing
	}
	e.Count += len(original)
	e.Max, e.squares, e.references = worst, e.squares+squares, e.references+references
}

// Merge adds another's figures.
func (e *Error) Merge(o Error) {
	e.Count += o.Count
	if o.Max > e.Max || o.Max != o.Max {
		e.Max = o.Max
	}
	e.squares += o.squares
	e.references += o.references
}

// RMSE is the root of the mean squared difference; 0 of nothing.
func (e Error) RMSE() float64 {
	if e.Count == 0 {
		return 0
	}
	return math.Sqrt(e.squares / float64(e.Count))
}

// Relative is the RMSE over the originals' root mean square; 0 if there is no difference at all.
func (e Error) Relative() float64 {
	if e.squares == 0 {
		return 0
	}
	return math.Sqrt(e.squares / e.references)
}

// SNR is the signal-to-noise ratio in decibels; infinite if there is no difference.
func (e Error) SNR() float64 { return 10 * math.Log10(e.references/e.squares) }
