package convert

import (
	"fmt"
	"math"

	"github.com/pennyml/penny/nn"
)

// llama3Divisors are what llama3's scaling divides each frequency by, computed in f32 step by step as llama.cpp's converter does: the same bits.
func llama3Divisors(r *nn.Rope) []float32 {
	d := make([]float32, r.Dim/2)
	low, high := float32(r.LowFreqFactor), float32(r.HighFreqFactor)
	context, factor := float32(r.OriginalContext), float32(r.Factor)
	for i, wave := range wavelengths(r) {
		switch {
		case wave < context/high:
			d[i] = 1
		case wave > context/low:
			d[i] = factor
		default:
			smooth := (context/wave - low) / (high - low)
			d[i] = 1 / (float32((1-smooth)/factor) + smooth)
		}
	}
	return d
}

// wavelengths are the numbers of positions in which each pair turns once.
func wavelengths(r *nn.Rope) []float32 {
	w := make([]float32, r.Dim/2)
	for i := range w {
		exponent := float32(2*i) / float32(r.Dim)
		frequency := 1 / float32(math.Pow(float64(float32(r.Theta)), float64(exponent)))
		w[i] = float32(2*math.Pi) / frequency
	}
	return w
}

// fitLlama3 finds the parameters of llama3's scaling behind a file's divisors. Only the ratios of the context and of the two factors to the
// low one can be known, so that is 1, as in every published config.
func fitLlama3(r *nn.Rope) (nn.Rope, error) {
	out := *r
	out.Divisors, out.Scaling, out.LowFreqFactor, out.HighFreqFactor = nil, nn.RopeLlama3, 1, 4
	for _, d := range r.Divisors {
		out.Factor = max(out.Factor, float64(d))
	}
	// Between the ends 1/divisor is a line over 1/wavelength: smooth = (context/wavelength - low) / (high - low).
	var xs, ys []float64
	shortest, longest := 0.0, math.Inf(1) // wavelengths: the longest kept as it is, the shortest divided by all of the factor
	for i, wave := range wavelengths(r) {
		switch d := float64(r.Divisors[i]); {
		case d == 1:
			shortest = max(shortest, float64(wave))
		case d == out.Factor:
			longest = min(longest, float64(wave))
		default:
			xs = append(xs, 1/float64(wave))
			ys = append(ys, (1/d-1/out.Factor)/(1-1/out.Factor))
		}
	}
	context := 0.0
	switch n := len(xs); n {
	case 0: // any context between the two will do; a power of two, if there is one
		context = math.Exp2(math.Ceil(math.Log2(4 * shortest)))
		if shortest == 0 || context > longest {
			context = longest * 0.99
		}
	case 1:
		context = (3*ys[0] + 1) / xs[0]
	default:
		slope := (ys[0] - ys[n-1]) / (xs[0] - xs[n-1])
		start := slope*xs[0] - ys[0] // low / (high - low)
		out.HighFreqFactor = roundTo(1+1/start, 5)
		context = slope * (out.HighFreqFactor - 1)
	}
	out.OriginalContext = int(math.Round(context))
	if out.OriginalContext < 1 || out.Validate() != nil {
		return out, fmt.Errorf("tensor %q: the divisors %v follow no rule that config.json could state", "rope_freqs.weight", r.Divisors)
	}
	for i, d := range llama3Divisors(&out) {
		if math.Abs(float64(d-r.Divisors[i])) > 1e-5*float64(d) {
			return out, fmt.Errorf("tensor %q: divisor %d is %v, which no llama3 scaling gives (the nearest found, factor %v from context %d on, gives %v)",
				"rope_freqs.weight", i, r.Divisors[i], out.Factor, out.OriginalContext, d)
		}
	}
	return out, nil
}

// roundTo rounds to so many significant digits.
func roundTo(x float64, digits int) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return x
	}
	scale := math.Pow(10, float64(digits-1)-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}
