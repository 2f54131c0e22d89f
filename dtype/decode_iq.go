package dtype

import "math"

// The formats that store points of a lattice: groups of 8 (or 4) elements are an index into a grid of byte vectors, with signs apart.
// The grids (iq_grids.go) are part of the formats.

// signs7 gives the 8 signs stored in 7 bits: the eighth makes their number even.
var signs7 = func() (t [128]uint8) {
	for i := range t {
		parity := uint8(i ^ i>>4)
		parity ^= parity >> 2
		parity ^= parity >> 1
		t[i] = uint8(i) | parity<<7
	}
	return t
}()

// putGrid8 writes 8 elements: d times the bytes of grid (lowest first), negated where a bit of signs is set.
func putGrid8(y *[8]float32, d float32, grid uint64, signs uint8) {
	s := uint32(signs)
	for j := range y {
		y[j] = math.Float32frombits(math.Float32bits(d*float32(uint8(grid))) ^ s>>j<<31)
		grid >>= 8
	}
}

// IQ2_XXS: d f16, then for each 32 elements 4 bytes of grid indices and a uint32: four times 7 sign bits and a 4-bit scale on top.
func decodeIQ2_XXS(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[66:] {
		b := (*[66]byte)(src)
		d := F16ToF32(le.Uint16(b[:]))
		for s := range 8 {
			q := (*[8]byte)(b[2+8*s:])
			aux := le.Uint32(q[4:])
			dl := float32(d*(0.5+float32(aux>>28))) * 0.25
			for l := range 4 {
				putGrid8((*[8]float32)(dst[32*s+8*l:]), dl, iq2xxsGrid[q[l]], signs7[aux>>(7*l)&127])
			}
		}
	}
}

// IQ2_XS: d f16, qs [32]uint16 (9 bits of grid index, 7 of signs), scales [8]byte (a nibble for 16 elements).
func decodeIQ2_XS(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[74:] {
		b := (*[74]byte)(src)
		d := F16ToF32(le.Uint16(b[:]))
		for g := range 32 {
			q := le.Uint16(b[2+2*g:])
			dl := float32(d*(0.5+float32(b[66+g>>2]>>(g>>1&1*4)&15))) * 0.25
			putGrid8((*[8]float32)(dst[8*g:]), dl, iq2xsGrid[q&511], signs7[q>>9])
		}
	}
}

// IQ2_S: d f16, qs [32]byte (low 8 bits of the grid indices), signs [32]byte, qh [8]byte (upper 2 bits, four to a byte), scales [8]byte.
func decodeIQ2_S(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[82:] {
		b := (*[82]byte)(src)
		d := F16ToF32(le.Uint16(b[:]))
		for g := range 32 {
			index := int(b[2+g]) | int(b[66+g>>2]>>(g&3*2)&3)<<8
			dl := float32(d*(0.5+float32(b[74+g>>2]>>(g>>1&1*4)&15))) * 0.25
			putGrid8((*[8]float32)(dst[8*g:]), dl, iq2sGrid[index], b[34+g])
		}
	}
}

// IQ3_XXS: d f16, qs [64]byte (grid indices of 4 elements), then for each 32 elements a uint32: four times 7 sign bits, a 4-bit scale on top.
func decodeIQ3_XXS(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[98:] {
		b := (*[98]byte)(src)
		d := F16ToF32(le.Uint16(b[:]))
		for s := range 8 {
			aux := le.Uint32(b[66+4*s:])
			dl := float32(d*(0.5+float32(aux>>28))) * 0.5
			for l := range 4 {
				q := b[2+8*s+2*l:]
				grid := uint64(iq3xxsGrid[q[0]]) | uint64(iq3xxsGrid[q[1]])<<32
				putGrid8((*[8]float32)(dst[32*s+8*l:]), dl, grid, signs7[aux>>(7*l)&127])
			}
		}
	}
}

// IQ3_S: d f16, qs [64]byte (low 8 bits of the grid indices of 4 elements), qh [8]byte (bit 8 of each), signs [32]byte, scales [4]byte (a
// nibble for 32 elements).
func decodeIQ3_S(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[110:] {
		b := (*[110]byte)(src)
		d := F16ToF32(le.Uint16(b[:]))
		for s := range 8 {
			dl := d * float32(1+2*(b[106+s>>1]>>(s&1*4)&15))
			qh := int(b[66+s])
			for l := range 4 {
				q := b[2+8*s+2*l:]
				low := iq3sGrid[int(q[0])|qh>>(2*l)&1<<8]
				high := iq3sGrid[int(q[1])|qh>>(2*l+1)&1<<8]
				putGrid8((*[8]float32)(dst[32*s+8*l:]), dl, uint64(low)|uint64(high)<<32, b[74+4*s+l])
			}
		}
	}
}

// iq1Delta is added to (or, by a flag bit, taken from) the ternary grid values of IQ1_S and IQ1_M.
const iq1Delta = 0.125

// putTernary8 writes 8 elements: d*(signed byte of grid + delta).
func putTernary8(y *[8]float32, d float32, grid uint64, delta float32) {
	for j := range y {
		y[j] = d * (float32(int8(grid)) + delta)
		grid >>= 8
	}
}

// IQ1_S: d f16, qs [32]byte (low 8 bits of the grid indices), qh [8]uint16: for 32 elements four times 3 upper index bits, a 3-bit scale, and
// the sign of delta.
func decodeIQ1_S(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[50:] {
		b := (*[50]byte)(src)
		d := F16ToF32(le.Uint16(b[:]))
		for s := range 8 {
			qh := int(le.Uint16(b[34+2*s:]))
			dl := d * float32(2*(qh>>12&7)+1)
			delta := float32(iq1Delta)
			if qh&0x8000 != 0 {
				delta = -iq1Delta
			}
			for l := range 4 {
				putTernary8((*[8]float32)(dst[32*s+8*l:]), dl, iq1sGrid[int(b[2+4*s+l])|qh>>(3*l)&7<<8], delta)
			}
		}
	}
}

// IQ1_M: qs [32]byte (low 8 bits of the grid indices), qh [16]byte (a nibble for 8 elements: 3 upper index bits, the sign of delta),
// scales [4]uint16: four times 3 bits (for 16 elements) each, and the f16 super-block scale in their four top nibbles.
func decodeIQ1_M(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[56:] {
		b := (*[56]byte)(src)
		sc := le.Uint64(b[48:])
		d := F16ToF32(uint16(sc>>12&0x000F | sc>>24&0x00F0 | sc>>36&0x0F00 | sc>>48&0xF000))
		for g := range 32 {
			h := int(b[32+g>>1] >> (g & 1 * 4))
			dl := d * float32(2*(sc>>(g>>3*16+g>>1&3*3)&7)+1)
			delta := float32(iq1Delta)
			if h&8 != 0 {
				delta = -iq1Delta
			}
			putTernary8((*[8]float32)(dst[8*g:]), dl, iq1sGrid[int(b[g])|h&7<<8], delta)
		}
	}
}
