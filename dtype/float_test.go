package dtype

import (
	"math"
	"math/rand/v2"
	"testing"
)

// minifloat is the value of an IEEE-like float of the given field widths, computed in float64 from its definition.
func minifloat(code uint32, expBits, manBits int) float64 {
	bias := 1<<(expBits-1) - 1
	man, exp := float64(code&(1<<manBits-1))/float64(int(1)<<manBits), int(code>>manBits)&(1<<expBits-1)
	v := math.Ldexp(1+man, exp-bias)
	if exp == 0 {
		v = math.Ldexp(man, 1-bias)
	}
	if code>>(expBits+manBits)&1 != 0 {
		v = -v
	}
	return v
}

// A float format under test: its values, and how far they reach.
type floatFormat struct {
	name             string
	expBits, manBits int
	maxFinite        uint32 // code of the largest value
	inf              uint32 // code of +Inf; of a NaN if the format has none
	saturates        bool
	decode           func(uint32) float32
	encode           func(float32) uint32
}

var floatFormats = []floatFormat{
	{"f16", 5, 10, 0x7BFF, 0x7C00, false, func(c uint32) float32 { return F16ToF32(uint16(c)) }, func(f float32) uint32 { return uint32(F32ToF16(f)) }},
	{"bf16", 8, 7, 0x7F7F, 0x7F80, false, func(c uint32) float32 { return BF16ToF32(uint16(c)) }, func(f float32) uint32 { return uint32(F32ToBF16(f)) }},
	{"e4m3fn", 4, 3, 0x7E, 0x7F, true, func(c uint32) float32 { return F8E4M3ToF32(uint8(c)) }, func(f float32) uint32 { return uint32(F32ToF8E4M3(f)) }},
	{"e5m2", 5, 2, 0x7B, 0x7C, true, func(c uint32) float32 { return F8E5M2ToF32(uint8(c)) }, func(f float32) uint32 { return uint32(F32ToF8E5M2(f)) }},
}

// Every code decodes to the value of its definition and encodes back to itself.
func TestFloatCodes(t *testing.T) {
	for _, f := range floatFormats {
		signBit := uint32(1) << (f.expBits + f.manBits)
		for code := range 2 * signBit {
			v, mag := f.decode(code), code&(signBit-1)
			if v64 := float64(v); mag > f.maxFinite {
				nan := mag != f.inf || f.name == "e4m3fn"
				if nan != math.IsNaN(v64) || !nan && !math.IsInf(v64, 0) || math.Signbit(v64) != (code >= signBit) {
					t.Errorf("%s %#x decodes to %v", f.name, code, v)
				}
				want := code
				if nan {
					want |= 1 << (f.manBits - 1) // quiet
					if math.Float32bits(v)>>22&1 != 1 && f.name != "bf16" {
						t.Errorf("%s %#x decodes to a signalling NaN", f.name, code)
					}
				}
				if got := f.encode(v); got != want {
					t.Errorf("%s %#x -> %v -> %#x", f.name, code, v, got)
				}
				continue
			}
			if want := minifloat(code, f.expBits, f.manBits); float64(v) != want || math.Signbit(float64(v)) != math.Signbit(want) {
				t.Errorf("%s %#x decodes to %v, want %v", f.name, code, v, want)
			}
			if got := f.encode(v); got != code {
				t.Errorf("%s %#x -> %v -> %#x", f.name, code, v, got)
			}
		}
	}
}

// Midpoints go to the even neighbour, their neighbours in float32 to the nearer one, and what lies beyond the largest value where it should.
func TestFloatRounding(t *testing.T) {
	for _, f := range floatFormats {
		check := func(x float32, want uint32) {
			t.Helper()
			signBit := uint32(1) << (f.expBits + f.manBits)
			if got := f.encode(x); got != want {
				t.Errorf("%s: encode(%g) = %#x, want %#x", f.name, x, got, want)
			}
			if got := f.encode(-x); got != want|signBit {
				t.Errorf("%s: encode(%g) = %#x, want %#x", f.name, -x, got, want|signBit)
			}
		}
		for c := uint32(0); c < f.maxFinite; c++ {
			mid := float32((minifloat(c, f.expBits, f.manBits) + minifloat(c+1, f.expBits, f.manBits)) / 2)
			check(mid, c+c&1)
			check(math.Nextafter32(mid, 0), c)
			check(math.Nextafter32(mid, math.MaxFloat32), c+1)
		}
		top, inf := f.decode(f.maxFinite), float32(math.Inf(1))
		step := top - f.decode(f.maxFinite-1)
		over := f.inf
		if f.saturates {
			over = f.maxFinite
		}
		check(math.Nextafter32(top+step/2, 0), f.maxFinite)
		check(top+step/2, over)
		check(math.MaxFloat32, over)
		check(inf, f.inf)
	}
}

// Random bits against rounding by search among the format's values in float64.
func TestFloatRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, f := range floatFormats {
		for range 20000 {
			x := math.Float32frombits(rng.Uint32() & 0x7FFFFFFF)
			if x != x || x > f.decode(f.maxFinite) {
				continue
			}
			lo, hi := uint32(0), f.maxFinite
			for lo < hi { // the last code whose value is not above x
				if mid := (lo + hi + 1) / 2; f.decode(mid) <= x {
					lo = mid
				} else {
					hi = mid - 1
				}
			}
			want := lo
			if lo < f.maxFinite {
				below, above := float64(x)-float64(f.decode(lo)), float64(f.decode(lo+1))-float64(x)
				if above < below || above == below && lo&1 == 1 {
					want++
				}
			}
			if got := f.encode(x); got != want {
				t.Fatalf("%s: encode(%g) = %#x, want %#x", f.name, x, got, want)
			}
		}
	}
}

func TestNaNPayload(t *testing.T) {
	snan := math.Float32frombits(0xFF80A001) // signalling, payload in high and low bits
	if got := F32ToF16(snan); got != 0xFE05 {
		t.Errorf("F32ToF16 %#x", got)
	}
	if got := F32ToBF16(snan); got != 0xFFC0 {
		t.Errorf("F32ToBF16 %#x", got)
	}
	if got := math.Float32bits(F16ToF32(0xFC05)); got != 0xFFC0A000 {
		t.Errorf("F16ToF32 %#x", got)
	}
	if got := F32ToBF16(math.Float32frombits(0x7F800001)); got != 0x7FC0 { // must not round up to an infinity, nor lose the NaN
		t.Errorf("F32ToBF16 %#x", got)
	}
}
