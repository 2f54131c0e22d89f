package nn

import (
	"fmt"
	"math"
)

// PairLayout says which two numbers of a head turn together.
type PairLayout uint8

const (
	Halves   PairLayout = iota // (i, i + d/2): Llama and Qwen as published
	Adjacent                   // (2i, 2i + 1): DeepSeek, and Llama as GGUF files permute it
)

func (l PairLayout) String() string { return [...]string{"halves", "adjacent"}[l] }

// RopeScaling is the rule that stretches the frequencies beyond the trained context.
type RopeScaling uint8

const (
	RopePlain  RopeScaling = iota
	RopeLinear             // every frequency divided by Factor
	RopeLlama3             // low frequencies divided by Factor, high ones kept, a ramp between (Llama 3.1)
	RopeYaRN               // Peng et al. 2023: a ramp over the dimensions, and a factor on the attention logits
)

func (s RopeScaling) String() string { return [...]string{"default", "linear", "llama3", "yarn"}[s] }

// Rope says how a position turns the query and key vectors. Fields beyond Theta matter only for the scalings that name them.
type Rope struct {
	Dim     int // dimensions of a head that turn; even
	Theta   float64
	Layout  PairLayout
	Scaling RopeScaling

	Factor          float64 // linear, llama3, yarn
	OriginalContext int     // llama3, yarn: the context before stretching
	LowFreqFactor   float64 // llama3
	HighFreqFactor  float64 // llama3
	BetaFast        float64 // yarn: turns over OriginalContext above which a dimension is left alone
	BetaSlow        float64 // yarn: turns below which it is fully stretched
	KeepFraction    bool    // yarn: do not round the ramp's ends to whole dimensions
	MScale          float64 // yarn, DeepSeek: numerator of the factor on cos and sin; 0 when the config has none
	MScaleAllDim    float64 // yarn, DeepSeek: its denominator, and the factor on the softmax scale
	AttentionFactor float64 // yarn: the factor on cos and sin, when the config states it; 0 derives it

	// Divisors of the plain frequencies, Dim/2 of them: how GGUF files carry llama3 scaling (rope_freqs.weight). Nil for none.
	Divisors []float32
}

// Validate reports the first field that makes no sense.
func (r *Rope) Validate() error {
	positive := func(field string, v float64) error {
		if !(v > 0) || math.IsInf(v, 0) {
			return fmt.Errorf("%s is %v, want a positive number", field, v)
		}
		return nil
	}
	if r.Dim <= 0 || r.Dim%2 != 0 {
		return fmt.Errorf("rotary dimension is %d, want a positive even number", r.Dim)
	}
	if !(r.Theta > 1) || math.IsInf(r.Theta, 0) {
		return fmt.Errorf("rope_theta is %v, want a number above 1", r.Theta)
	}
	if r.Divisors != nil && len(r.Divisors) != r.Dim/2 {
		return fmt.Errorf("rope_freqs has %d divisors, want %d", len(r.Divisors), r.Dim/2)
	}
	if r.Scaling == RopePlain {
		return nil
	}
	if err := positive("rope_scaling.factor", r.Factor); err != nil {
		return err
	}
	if r.Scaling != RopeLinear {
		if err := positive("rope_scaling.original_max_position_embeddings", float64(r.OriginalContext)); err != nil {
			return err
		}
	}
	if r.Scaling == RopeLlama3 && !(r.LowFreqFactor > 0 && r.HighFreqFactor > r.LowFreqFactor) {
		return fmt.Errorf("rope_scaling.low_freq_factor %v and high_freq_factor %v, want 0 < low < high", r.LowFreqFactor, r.HighFreqFactor)
	}
	if r.Scaling == RopeYaRN && !(r.BetaSlow > 0 && r.BetaFast >= r.BetaSlow) {
		return fmt.Errorf("rope_scaling.beta_slow %v and beta_fast %v, want 0 < slow <= fast", r.BetaSlow, r.BetaFast)
	}
	return nil
}

// Frequencies are the Dim/2 angles turned per position.
func (r *Rope) Frequencies() []float64 {
	f := make([]float64, r.Dim/2)
	for i := range f {
		f[i] = math.Pow(r.Theta, -2*float64(i)/float64(r.Dim))
		if r.Divisors != nil {
			f[i] /= float64(r.Divisors[i])
		}
	}
	switch r.Scaling {
	case RopeLinear:
		for i := range f {
			f[i] /= r.Factor
		}
	case RopeLlama3:
		r.llama3(f)
	case RopeYaRN:
		r.yarn(f)
	}
	return f
}

func (r *Rope) llama3(f []float64) {
	old := float64(r.OriginalContext)
	for i, v := range f {
		switch wave := 2 * math.Pi / v; {
		case wave > old/r.LowFreqFactor:
			f[i] = v / r.Factor
		case wave >= old/r.HighFreqFactor:
			t := (old/wave - r.LowFreqFactor) / (r.HighFreqFactor - r.LowFreqFactor)
			f[i] = float64((1-t)*v/r.Factor) + float64(t*v) // conversions keep the compiler from fusing
		}
	}
}

func (r *Rope) yarn(f []float64) {
	d := float64(r.Dim)
	// The dimension that makes this many turns over the original context.
	dim := func(turns float64) float64 {
		return d * math.Log(float64(r.OriginalContext)/(2*math.Pi*turns)) / (2 * math.Log(r.Theta))
	}
	low, high := dim(r.BetaFast), dim(r.BetaSlow)
	if !r.KeepFraction {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, d-1)
	if low == high {
		high += 0.001
	}
	for i, v := range f {
		ramp := min(max((float64(i)-low)/(high-low), 0), 1)
		f[i] = float64(v/r.Factor*ramp) + float64(v*(1-ramp))
	}
}

// mscale is YaRN's attention factor for weight k.
func (r *Rope) mscale(k float64) float64 {
	if r.Factor <= 1 {
		return 1
	}
	return float64(0.1*k*math.Log(r.Factor)) + 1
}

// Magnitude is the factor on cos and sin: 1 but under YaRN, where it is 0.1·ln(factor) + 1, or mscale/mscale_all_dim where the config has both.
func (r *Rope) Magnitude() float64 {
	switch {
	case r.Scaling != RopeYaRN:
		return 1
	case r.AttentionFactor != 0:
		return r.AttentionFactor
	case r.MScale != 0 && r.MScaleAllDim != 0:
		return r.mscale(r.MScale) / r.mscale(r.MScaleAllDim)
	}
	return r.mscale(1)
}

// SoftmaxFactor multiplies the attention scale of the DeepSeek networks: mscale(mscale_all_dim)², or 1.
func (r *Rope) SoftmaxFactor() float64 {
	if r.Scaling != RopeYaRN || r.MScaleAllDim == 0 {
		return 1
	}
	m := r.mscale(r.MScaleAllDim)
	return m * m
}

// ropePage is the number of positions whose cos and sin are built at a time.
const ropePage = 256

// RopeTable holds cos and sin of each position, built a page at a time when a position is first needed. Not safe for concurrent Grow.
type RopeTable struct {
	Layout PairLayout
	half   int
	mul    float64
	freq   []float64
	pages  [][]float32 // ropePage rows of half cosines, half sines, half sines of the opposite sign
}

// NewRopeTable makes an empty table for r, which must be valid.
func NewRopeTable(r *Rope) *RopeTable {
	return &RopeTable{Layout: r.Layout, half: r.Dim / 2, mul: r.Magnitude(), freq: r.Frequencies()}
}

// Grow makes positions below n ready.
func (t *RopeTable) Grow(n int) {
	for len(t.pages)*ropePage < n {
		first := len(t.pages) * ropePage
		page := make([]float32, ropePage*3*t.half)
		for p := range ropePage {
			row := page[p*3*t.half:][:3*t.half]
			for i, f := range t.freq {
				sin, cos := math.Sincos(float64(first+p) * f)
				row[i], row[t.half+i] = float32(float64(cos*t.mul)), float32(float64(sin*t.mul))
				row[2*t.half+i] = -row[t.half+i]
			}
		}
		t.pages = append(t.pages, page)
	}
}

// At gives the Dim/2 cosines and sines of a position that Grow has made ready.
func (t *RopeTable) At(position int) (cos, sin []float32) {
	row := t.row(position)
	return row[:t.half], row[t.half : 2*t.half]
}

// back is the sines that turn a position back.
func (t *RopeTable) back(position int) []float32 { return t.row(position)[2*t.half:] }

func (t *RopeTable) row(position int) []float32 {
	return t.pages[position/ropePage][position%ropePage*3*t.half:][:3*t.half]
}
