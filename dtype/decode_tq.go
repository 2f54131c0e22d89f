package dtype

// The ternary formats: x = d*(q-1), q of 0, 1, 2.

// pow3 picks trit n of a byte: byte*pow3[n] modulo 256 is a fraction of 256 whose triple has the trit as its integer part.
var pow3 = [5]uint8{1, 3, 9, 27, 81}

func trit(b uint8, n int) int32 { return int32(uint16(b*pow3[n])*3>>8) - 1 }

// TQ1_0: qs [48]byte with five trits each (32 bytes hold elements m, m+32 ... m+128; 16 bytes hold the next 80 likewise), qh [4]byte with four
// trits each (the last 16 elements), d f16.
func decodeTQ1_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[54:] {
		y, b := (*[256]float32)(dst), (*[54]byte)(src)
		d := F16ToF32(le.Uint16(b[52:]))
		for n := range 5 {
			for m, q := range b[:32] {
				y[32*n+m] = d * float32(trit(q, n))
			}
			for m, q := range b[32:48] {
				y[160+16*n+m] = d * float32(trit(q, n))
			}
		}
		for n := range 4 {
			for m, q := range b[48:52] {
				y[240+4*n+m] = d * float32(trit(q, n))
			}
		}
	}
}

// TQ2_0: qs [64]byte, d f16. Of each 128 elements, byte l of 32 holds elements l, l+32, l+64, l+96. The unused code 3 means 2*d.
func decodeTQ2_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[66:] {
		b := (*[66]byte)(src)
		d := F16ToF32(le.Uint16(b[64:]))
		for h := range 2 {
			y, q := (*[128]float32)(dst[128*h:]), (*[32]byte)(b[32*h:])
			for l, q := range q {
				y[l] = d * float32(int32(q&3)-1)
				y[l+32] = d * float32(int32(q>>2&3)-1)
				y[l+64] = d * float32(int32(q>>4&3)-1)
				y[l+96] = d * float32(int32(q>>6)-1)
			}
		}
	}
}
