package gemm

//go:generate go run ./_gen .

import (
	"unsafe"

	"github.com/pennyml/penny/dtype"
)

type cores = [tileRows + 1]func(*tile)

// avx2 has 16 registers of 8 lanes: its cores go over their tile in parts. It has no bf16 instruction: for those products X is widened to f32
// with the odd values before the even ones, W likewise, and the f32 cores run with denormals flushed.
var avx2 = &kernels{
	mostLines: 24, chunkLines: 24,
	rowCols: 4,
	f32: [numSlots]form{
		withTurned(formOf(dtype.F32, lineF32, 1, copyAVX2, f32Avx2, cores{1: f32Direct1x4avx2, 2: f32Direct2x4avx2, 3: f32Direct3x4avx2,
			4: f32Direct4x4avx2, 5: f32Direct5x4avx2, 6: f32Direct6x4avx2}), turnedAvx2),
		formOf(dtype.F16, lineF32, 1, f16ToF32AVX2, f32Avx2, cores{1: f32xf16Direct1x4avx2, 2: f32xf16Direct2x4avx2, 3: f32xf16Direct3x4avx2,
			4: f32xf16Direct4x4avx2, 5: f32xf16Direct5x4avx2, 6: f32xf16Direct6x4avx2}),
		formOf(dtype.BF16, lineF32, 1, bf16ToF32AVX2, f32Avx2, cores{1: f32xbf16Direct1x4avx2, 2: f32xbf16Direct2x4avx2,
			3: f32xbf16Direct3x4avx2, 4: f32xbf16Direct4x4avx2, 5: f32xbf16Direct5x4avx2, 6: f32xbf16Direct6x4avx2}),
		formOf(dtype.F8E4M3, lineF32, 1, e4m3ToF32AVX2, f32Avx2, cores{}),
		formOf(dtype.F8E5M2, lineF32, 1, e5m2ToF32AVX2, f32Avx2, cores{}),
	},
	bf16: [numSlots]form{
		2: formOf(dtype.BF16, lineBF16, 2, bf16ToPairsAVX2, flushAvx2, cores{1: f32xpairsDirect1x4avx2, 2: f32xpairsDirect2x4avx2,
			3: f32xpairsDirect3x4avx2, 4: f32xpairsDirect4x4avx2, 5: f32xpairsDirect5x4avx2, 6: f32xpairsDirect6x4avx2}),
		3: formOf(dtype.F8E4M3, lineBF16, 2, e4m3ToPairsAVX2, flushAvx2, cores{}),
		4: formOf(dtype.F8E5M2, lineBF16, 2, e5m2ToPairsAVX2, flushAvx2, cores{}),
	},
	widenX:    widenXAVX2,
	roundBF16: roundBF16AVX2,
	copyLines: copyLinesAVX2,
	scaleAdd:  scaleAddAVX2,
	sweep:     [tileRows + 1]func(*sweep){1: sweep1avx2, 2: sweep2avx2, 3: sweep3avx2, 4: sweep4avx2, 5: sweep5avx2, 6: sweep6avx2},
	sweepPairs: [tileRows + 1]func(*sweep){1: sweepFlush1avx2, 2: sweepFlush2avx2, 3: sweepFlush3avx2, 4: sweepFlush4avx2, 5: sweepFlush5avx2,
		6: sweepFlush6avx2},
	deal: dealSSE, widenSwapped: widenSwappedAVX2,
	turn: turnAVX2, fold: foldAVX2,
}

var avx512 = &kernels{
	mostLines: maxLines, chunkLines: 32,
	rowCols: 8,
	f32: [numSlots]form{
		formOf(dtype.F32, lineF32, 1, copyAVX512, f32Avx512, cores{1: f32Direct1x8avx512, 2: f32Direct2x4avx512, 3: f32Direct3x4avx512,
			4: f32Direct4x4avx512, 5: f32Direct5x4avx512, 6: f32Direct6x4avx512}),
		formOf(dtype.F16, lineF32, 1, f16ToF32AVX2, f32Avx512, cores{1: f32xf16Direct1x8avx512, 2: f32xf16Direct2x4avx512,
			3: f32xf16Direct3x4avx512, 4: f32xf16Direct4x4avx512, 5: f32xf16Direct5x4avx512, 6: f32xf16Direct6x4avx512}),
		formOf(dtype.BF16, lineF32, 1, bf16ToF32AVX2, f32Avx512, cores{1: f32xbf16Direct1x8avx512, 2: f32xbf16Direct2x4avx512,
			3: f32xbf16Direct3x4avx512, 4: f32xbf16Direct4x4avx512, 5: f32xbf16Direct5x4avx512, 6: f32xbf16Direct6x4avx512}),
		formOf(dtype.F8E4M3, lineF32, 1, e4m3ToF32AVX2, f32Avx512, cores{}),
		formOf(dtype.F8E5M2, lineF32, 1, e5m2ToF32AVX2, f32Avx512, cores{}),
	},
	bf16: [numSlots]form{
		2: formOf(dtype.BF16, lineBF16, 1, copyAVX512, bf16Avx512, cores{1: bf16Direct1x8avx512, 2: bf16Direct2x4avx512,
			3: bf16Direct3x4avx512, 4: bf16Direct4x4avx512, 5: bf16Direct5x4avx512, 6: bf16Direct6x4avx512}),
		3: withScales(formOf(dtype.F8E4M3, lineBF16, 1, e4m3ToBF16AVX512, bf16Avx512, cores{}), scaledAvx512, bf16xe4m3DirectScaled1x8avx512),
		4: withScales(formOf(dtype.F8E5M2, lineBF16, 1, e5m2ToBF16AVX512, bf16Avx512, cores{}), scaledAvx512, nil),
	},
	roundBF16: roundBF16AVX2,
	copyLines: copyLinesAVX2,
	scaleAdd:  scaleAddAVX2,
	sweep:     [tileRows + 1]func(*sweep){1: sweep1avx512, 2: sweep2avx512, 3: sweep3avx512, 4: sweep4avx512, 5: sweep5avx512, 6: sweep6avx512},
	sweepPairs: [tileRows + 1]func(*sweep){1: sweepPairs1avx512, 2: sweepPairs2avx512, 3: sweepPairs3avx512, 4: sweepPairs4avx512,
		5: sweepPairs5avx512, 6: sweepPairs6avx512},
	pairs: true, interleave: interleaveAVX512, deal: dealSSE,
	fold: foldAVX2,
}

var (
	f32Avx2 = cores{1: f32Tile1x4avx2, 2: f32Tile2x4avx2, 3: f32Tile3x4avx2, 4: f32Tile4x4avx2, 5: f32Tile5x4avx2, 6: f32Tile6x4avx2}

	turnedAvx2 = cores{1: f32Turned1avx2, 2: f32Turned2avx2, 3: f32Turned3avx2, 4: f32Turned4avx2, 5: f32Turned5avx2, 6: f32Turned6avx2}

	flushAvx2 = cores{1: f32TileFlush1x4avx2, 2: f32TileFlush2x4avx2, 3: f32TileFlush3x4avx2, 4: f32TileFlush4x4avx2,
		5: f32TileFlush5x4avx2, 6: f32TileFlush6x4avx2}

	f32Avx512 = cores{1: f32Tile1x4avx512, 2: f32Tile2x4avx512, 3: f32Tile3x4avx512, 4: f32Tile4x4avx512, 5: f32Tile5x4avx512,
		6: f32Tile6x4avx512}

	bf16Avx512 = cores{1: bf16Tile1x4avx512, 2: bf16Tile2x4avx512, 3: bf16Tile3x4avx512, 4: bf16Tile4x4avx512, 5: bf16Tile5x4avx512,
		6: bf16Tile6x4avx512}
)

var scaledAvx512 = cores{1: bf16TileScaled1x4avx512, 2: bf16TileScaled2x4avx512, 3: bf16TileScaled3x4avx512, 4: bf16TileScaled4x4avx512,
	5: bf16TileScaled5x4avx512, 6: bf16TileScaled6x4avx512}

// withScales is f with cores that take block scales.
func withScales(f form, scaled cores, row func(*tile)) form {
	f.scaled, f.scaledRow = scaled, row
	return f
}

// withTurned is f with cores on turned panels.
func withTurned(f form, turned cores) form {
	f.turned = turned
	return f
}

func formOf(t dtype.Type, step, lines int, conv convFunc, core, direct cores) form {
	return form{step: step, bytes: t.RowBytes(step), lines: lines, conv: conv, core: core, direct: direct, folds: lines == 1}
}

//go:noescape
func copyAVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)

//go:noescape
func f16ToF32AVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)

//go:noescape
func bf16ToF32AVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)

//go:noescape
func e4m3ToF32AVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)

//go:noescape
func e5m2ToF32AVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)

//go:noescape
func bf16ToPairsAVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)

//go:noescape
func e4m3ToPairsAVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)

//go:noescape
func e5m2ToPairsAVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)

//go:noescape
func widenXAVX2(dst, src unsafe.Pointer, steps, rows int)

//go:noescape
func roundBF16AVX2(dst, src unsafe.Pointer, lines int, step uintptr)

//go:noescape
func foldAVX2(dst, lanes unsafe.Pointer, groups int)

//go:noescape
func turnAVX2(dst, src unsafe.Pointer, steps int, srcStep uintptr, lane int)

//go:noescape
func scaleAddAVX2(outer, inner, scale unsafe.Pointer, n, cont int)

//go:noescape
func copyAVX512(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)

//go:noescape
func e4m3ToBF16AVX512(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)

//go:noescape
func e5m2ToBF16AVX512(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)

//go:noescape
func interleaveAVX512(dst, even, odd unsafe.Pointer, lines int, step, ahead uintptr)

//go:noescape
func dealSSE(dst, src unsafe.Pointer, tiles, steps int, srcStep uintptr)

//go:noescape
func widenSwappedAVX2(dst, src unsafe.Pointer, groups int)

//go:noescape
func copyLinesAVX2(dst, src unsafe.Pointer, lines int, step uintptr)
