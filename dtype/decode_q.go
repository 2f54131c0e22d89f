package dtype

import "math"

// The formats with one scale for 32 elements. In those of 4 and 5 bits, byte j of qs holds element j (low nibble) and element j+16 (high).

// Q4_0: d f16, qs [16]byte. x = d*(q-8).
func decodeQ4_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[18:] {
		y, b := (*[32]float32)(dst), (*[18]byte)(src)
		d := F16ToF32(le.Uint16(b[:]))
		for j, q := range b[2:] {
			y[j] = d * float32(int32(q&15)-8)
			y[j+16] = d * float32(int32(q>>4)-8)
		}
	}
}

// Q4_1: d f16, m f16, qs [16]byte. x = d*q + m.
func decodeQ4_1(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[20:] {
		y, b := (*[32]float32)(dst), (*[20]byte)(src)
		d, m := F16ToF32(le.Uint16(b[:])), F16ToF32(le.Uint16(b[2:]))
		for j, q := range b[4:] {
			y[j] = float32(d*float32(q&15)) + m
			y[j+16] = float32(d*float32(q>>4)) + m
		}
	}
}

// Q5_0: d f16, qh uint32, qs [16]byte. Bit i of qh is bit 4 of element i. x = d*(q-16).
func decodeQ5_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[22:] {
		y, b := (*[32]float32)(dst), (*[22]byte)(src)
		d, qh := F16ToF32(le.Uint16(b[:])), le.Uint32(b[2:])
		for j, q := range b[6:] {
			y[j] = d * float32(int32(uint32(q&15)|qh<<4&16)-16)
			y[j+16] = d * float32(int32(uint32(q>>4)|qh>>12&16)-16)
			qh >>= 1
		}
	}
}

// Q5_1: d f16, m f16, qh uint32, qs [16]byte. x = d*q + m.
func decodeQ5_1(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[24:] {
		y, b := (*[32]float32)(dst), (*[24]byte)(src)
		d, m, qh := F16ToF32(le.Uint16(b[:])), F16ToF32(le.Uint16(b[2:])), le.Uint32(b[4:])
		for j, q := range b[8:] {
			y[j] = float32(d*float32(int32(uint32(q&15)|qh<<4&16))) + m
			y[j+16] = float32(d*float32(int32(uint32(q>>4)|qh>>12&16))) + m
			qh >>= 1
		}
	}
}

// Q8_0: d f16, qs [32]int8. x = d*q.
func decodeQ8_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[34:] {
		y, b := (*[32]float32)(dst), (*[34]byte)(src)
		d := F16ToF32(le.Uint16(b[:]))
		for j, q := range b[2:] {
			y[j] = d * float32(int8(q))
		}
	}
}

// Q8_1: d f16, s f16 (d times the sum of the quants, for dot products), qs [32]int8. x = d*q.
func decodeQ8_1(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[36:] {
		y, b := (*[32]float32)(dst), (*[36]byte)(src)
		d := F16ToF32(le.Uint16(b[:]))
		for j, q := range b[4:] {
			y[j] = d * float32(int8(q))
		}
	}
}

// iq4nlValues are the 16 levels of IQ4_NL and IQ4_XS.
var iq4nlValues = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// IQ4_NL: d f16, qs [16]byte. x = d*level[q].
func decodeIQ4_NL(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[18:] {
		y, b := (*[32]float32)(dst), (*[18]byte)(src)
		d := F16ToF32(le.Uint16(b[:]))
		for j, q := range b[2:] {
			y[j] = d * iq4nlValues[q&15]
			y[j+16] = d * iq4nlValues[q>>4]
		}
	}
}

// fp4Values are twice the values of an e2m1 float, all integers.
var fp4Values = [16]float32{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

// E8M0HalfToF32 is half the value of an e8m0 scale, 2^(e-128): the factor of the doubled e2m1 values of MXFP4. As in ggml the code 255, NaN in
// the OCP MX specification, is not set apart; it means 2^127.
func E8M0HalfToF32(e uint8) float32 {
	if e < 2 {
		return math.Float32frombits(0x00200000 << e)
	}
	return math.Float32frombits(uint32(e-1) << 23)
}

// MXFP4: e e8m0, qs [16]byte. x = 2^(e-128) * (twice the e2m1 value); a negative zero decodes as +0, as in ggml.
func decodeMXFP4(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[17:] {
		y, b := (*[32]float32)(dst), (*[17]byte)(src)
		d := E8M0HalfToF32(b[0])
		for j, q := range b[1:] {
			y[j] = d * fp4Values[q&15]
			y[j+16] = d * fp4Values[q>>4]
		}
	}
}
