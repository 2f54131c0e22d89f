package dtype

import "math"

// The k-quants: super-blocks of 256 elements, in sub-blocks of 16 or 32 whose scales (and minima) are small integers times a scale of the
// super-block. Sub-block factors are formed first (dl = d*scale), then multiplied with the quant.

// Q2_K: scales [16]byte (low nibble scale, high nibble minimum, of 16 elements), qs [64]byte, d f16, dmin f16.
// Of each 128 elements, byte l of 32 holds elements l, l+32, l+64, l+96. x = dl*q - ml.
func decodeQ2_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[84:] {
		b := (*[84]byte)(src)
		d, dmin := F16ToF32(le.Uint16(b[80:])), F16ToF32(le.Uint16(b[82:]))
		for s := range 16 {
			y := (*[16]float32)(dst[16*s:])
			q := (*[16]byte)(b[16+s>>3*32+s&1*16:])
			shift := s >> 1 & 3 * 2
			dl, ml := d*float32(b[s]&15), dmin*float32(b[s]>>4)
			for l := range y {
				y[l] = float32(dl*float32(q[l]>>shift&3)) - ml
			}
		}
	}
}

// Q3_K: hmask [32]byte, qs [64]byte (as in Q2_K), scales [12]byte, d f16. Bit k of hmask[l] is bit 2 of element 32k+l.
// x = dl*(q-4), dl = d*(scale-32).
func decodeQ3_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[110:] {
		b := (*[110]byte)(src)
		d, scales := F16ToF32(le.Uint16(b[108:])), scales3((*[12]byte)(b[96:]))
		for s := range 16 {
			y := (*[16]float32)(dst[16*s:])
			hm := (*[16]byte)(b[s&1*16:])
			q := (*[16]byte)(b[32+s>>3*32+s&1*16:])
			shift, bit := s>>1&3*2, s>>1
			dl := d * float32(int32(scales[s])-32)
			for l := range y {
				y[l] = dl * float32(int32(q[l]>>shift&3|hm[l]>>bit&1<<2)-4)
			}
		}
	}
}

// scales3 unpacks the sixteen 6-bit scales of Q3_K: low nibbles of s[0:8], then high nibbles; upper two bits in s[8:12], four to a byte.
func scales3(p *[12]byte) (scales [16]uint8) {
	for j := range 4 {
		h := p[8+j]
		scales[j] = p[j]&15 | h&3<<4
		scales[j+4] = p[j+4]&15 | h>>2&3<<4
		scales[j+8] = p[j]>>4 | h>>4&3<<4
		scales[j+12] = p[j+4]>>4 | h>>6<<4
	}
	return scales
}

// scales4 unpacks the eight 6-bit scales and minima of Q4_K and Q5_K: the first four in the low bits of p[0:4] and p[4:8], the rest in the
// nibbles of p[8:12] with the upper two bits of p[0:8].
func scales4(p *[12]byte) (scales, mins [8]uint8) {
	for j := range 4 {
		scales[j], mins[j] = p[j]&63, p[j+4]&63
		scales[j+4] = p[j+8]&15 | p[j]>>6<<4
		mins[j+4] = p[j+8]>>4 | p[j+4]>>6<<4
	}
	return scales, mins
}

// Q4_K: d f16, dmin f16, scales [12]byte, qs [128]byte. Of each 64 elements, byte l of 32 holds elements l and l+32. x = dl*q - ml.
func decodeQ4_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[144:] {
		b := (*[144]byte)(src)
		d, dmin := F16ToF32(le.Uint16(b[:])), F16ToF32(le.Uint16(b[2:]))
		scales, mins := scales4((*[12]byte)(b[4:]))
		for s := 0; s < 8; s += 2 {
			y, q := (*[64]float32)(dst[32*s:]), (*[32]byte)(b[16+16*s:])
			d1, m1 := d*float32(scales[s]), dmin*float32(mins[s])
			d2, m2 := d*float32(scales[s+1]), dmin*float32(mins[s+1])
			for l, q := range q {
				y[l] = float32(d1*float32(q&15)) - m1
				y[l+32] = float32(d2*float32(q>>4)) - m2
			}
		}
	}
}

// Q5_K: d f16, dmin f16, scales [12]byte, qh [32]byte, qs [128]byte (as in Q4_K). Bit k of qh[l] is bit 4 of element 32k+l. x = dl*q - ml.
func decodeQ5_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[176:] {
		b := (*[176]byte)(src)
		d, dmin := F16ToF32(le.Uint16(b[:])), F16ToF32(le.Uint16(b[2:]))
		scales, mins := scales4((*[12]byte)(b[4:]))
		qh := (*[32]byte)(b[16:])
		for s := 0; s < 8; s += 2 {
			y, q := (*[64]float32)(dst[32*s:]), (*[32]byte)(b[48+16*s:])
			d1, m1 := d*float32(scales[s]), dmin*float32(mins[s])
			d2, m2 := d*float32(scales[s+1]), dmin*float32(mins[s+1])
			for l, q := range q {
				h := qh[l] >> s
				y[l] = float32(d1*float32(q&15|h&1<<4)) - m1
				y[l+32] = float32(d2*float32(q>>4|h&2<<3)) - m2
			}
		}
	}
}

// Q6_K: ql [128]byte, qh [64]byte, scales [16]int8, d f16. Of each 128 elements, with 64 bytes of ql and 32 of qh: ql[l] has elements l and
// l+64, ql[l+32] has l+32 and l+96, and qh[l] the upper two bits of l, l+32, l+64, l+96. x = (d*scale)*(q-32).
func decodeQ6_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[210:] {
		b := (*[210]byte)(src)
		d := F16ToF32(le.Uint16(b[208:]))
		for s := 0; s < 16; s += 8 {
			for h := range 2 {
				y := (*[112]float32)(dst[16*s+16*h:])
				lo, hi := (*[48]byte)(b[8*s+16*h:]), (*[16]byte)(b[128+4*s+16*h:])
				sc := (*[7]byte)(b[192+s+h:])
				d1, d2, d3, d4 := d*float32(int8(sc[0])), d*float32(int8(sc[2])), d*float32(int8(sc[4])), d*float32(int8(sc[6]))
				for l, qh := range hi {
					q1, q2 := lo[l], lo[l+32]
					y[l] = d1 * float32(int32(q1&15|qh&3<<4)-32)
					y[l+32] = d2 * float32(int32(q2&15|qh>>2&3<<4)-32)
					y[l+64] = d3 * float32(int32(q1>>4|qh>>4&3<<4)-32)
					y[l+96] = d4 * float32(int32(q2>>4|qh>>6<<4)-32)
				}
			}
		}
	}
}

// Q8_K: d f32, qs [256]int8, bsums [16]int16 (sums of 16 quants, for dot products). x = d*q.
func decodeQ8_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[292:] {
		y, b := (*[256]float32)(dst), (*[292]byte)(src)
		d := math.Float32frombits(le.Uint32(b[:]))
		for j, q := range b[4:260] {
			y[j] = d * float32(int8(q))
		}
	}
}

// IQ4_XS: d f16, scalesHigh uint16, scalesLow [4]byte, qs [128]byte. Eight sub-blocks of 32 laid out as IQ4_NL, with 6-bit scales: the low
// nibbles in scalesLow, two to a byte, the upper two bits in scalesHigh. x = dl*level[q], dl = d*(scale-32).
func decodeIQ4_XS(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[136:] {
		b := (*[136]byte)(src)
		d, high, low := F16ToF32(le.Uint16(b[:])), le.Uint16(b[2:]), le.Uint32(b[4:])
		for s := range 8 {
			y, q := (*[32]float32)(dst[32*s:]), (*[16]byte)(b[8+16*s:])
			dl := d * float32(int32(low>>(4*s)&15|uint32(high>>(2*s)&3)<<4)-32)
			for j, q := range q {
				y[j] = dl * iq4nlValues[q&15]
				y[j+16] = dl * iq4nlValues[q>>4]
			}
		}
	}
}
