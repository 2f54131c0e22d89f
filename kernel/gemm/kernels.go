package gemm

import (
	"slices"
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
)

// tile is the argument of a core: the inner loop of every product. A core multiplies one tile of X, its number of rows, with reps groups of W
// rows, its number of columns each, and adds steps lines of both to the lanes of the outputs. It neither folds nor rounds anything else.
//
// Lanes, X and panels are made of 64-byte lines. The lanes of output (row, col) stand at lanes + row*lanesRow + col*64; line i of X row r at
// x + (i*rows + r)*64; line i of W row c, in group g, at w + g*wRep + i*panelStep + c*64 in a panel, at w + g*wRep + c*wRow + i*64 (or what
// a step of a row takes) where a direct core reads W in place.
//
// A turned core has 32 columns in a group, always folds, and keeps sums in pending meanwhile: 4 times 128 bytes a row. Its W is as turned.go has it: a
// value of lane l, step i at w + place(l)*(steps*turnedStep + wRep) + i*turnedStep, group after group.
type tile struct {
	lanes, x, w unsafe.Pointer
	lanesRow    uintptr
	wRow, wRep  uintptr
	steps, reps int
	cont        int // 0: the lanes start at +0; 1: they go on from memory
	// Direct cores prefetch W so many bytes ahead, those of 4 columns aheadStep further on at each step.
	ahead, aheadStep uintptr
	rows             int // rows of X, for the generic cores
	// Where y is not nil, cores that can (form.folds) fold the lanes and write the outputs, (row, col) at y + row*ldy + col*4.
	y       unsafe.Pointer
	ldy     uintptr
	pending unsafe.Pointer // memory for half the lanes of a group of columns, 32 bytes an output, whose folding may be left for later

	// For scaled cores: the lanes are summed in blocks of so many steps, then times a scale added to those in memory. The scales of a block
	// for the columns of a group stand at scales + g*16, those of the next block scaleRow on.
	scales unsafe.Pointer
	period int

	// What comes next, for cores on panels to bring to the second cache: at each repetition so many lines of 4 rows of W, then 4 rows on; and
	// so many lines of X, one after the other.
	nextW, nextX           uintptr
	nextWLines, nextXLines int
}

const (
	line      = 64
	panelCols = 4                // W rows in a packed panel
	panelStep = panelCols * line // from one line of a panel row to the next
	scaleRow  = 4 * blockCols
)

// form is how one level multiplies one kind of activations with one type of weights.
type form struct {
	step  int // values of K a step
	bytes int // bytes of a row of W a step
	lines int // lines of a panel row a step
	// conv writes steps times lines*64 bytes of a panel row, panelStep apart, from a row of W; scale multiplies 8-bit floats on their way to
	// f32. It prefetches W so many bytes ahead.
	conv convFunc
	// core works on panels, turned on turned ones, direct on rows of W where they lie, 4 or 8 at a time; both by the number of X rows. Nil: no such core.
	core, turned, direct [tileRows + 1]func(*tile)
	scaled               [tileRows + 1]func(*tile) // as core, with scales
	folds                bool                      // cores fold
	// scaledRow is a direct core of one row of X and 8 columns that share their scales, one float32 a block at tile.scales. It takes steps in
	// pairs, and folds.
	scaledRow func(*tile)
}

// kernels is all that differs between levels.
type kernels struct {
	f32, bf16 [numSlots]form
	// The lines of a panel row, and of a row of X, that cores do at a time: mostLines if that is all of K, else about chunkLines.
	mostLines, chunkLines int
	rowCols               int // columns of the direct cores of one X row; the others have panelCols
	// widenX turns steps lines of rows X rows from bf16 into two lines of f32 each, odd values then even ones. Nil: cores take bf16 lines.
	widenX func(dst, src unsafe.Pointer, steps, rows int)
	// roundBF16 writes lines of 32 bf16 values, step bytes apart, from f32 values.
	roundBF16 func(dst, src unsafe.Pointer, lines int, step uintptr)
	// copyLines copies lines, step bytes apart in dst.
	copyLines func(dst, src unsafe.Pointer, lines int, step uintptr)
	// scaleAdd does outer[i] = fma(scale[i], inner[i], outer[i]) over the lanes of n outputs; with cont 0 outer starts at +0.
	scaleAdd func(outer, inner, scale unsafe.Pointer, n, cont int)
	// sweep are the cores of the backward products, by the number of rows of C; sweepPairs those under bf16, over pairs or else, without pairs, over
	// values with denormals flushed.
	sweep, sweepPairs [tileRows + 1]func(*sweep)
	pairs             bool
	// interleave writes lines of 16 pairs, step bytes apart, from the values of two rows, of which it prefetches those so many bytes ahead.
	interleave func(dst, even, odd unsafe.Pointer, lines int, step, ahead uintptr)
	// widenSwapped writes the values of groups of 8 bf16 as f32, neighbours swapped: for levels without pairs.
	widenSwapped func(dst, src unsafe.Pointer, groups int)
	// deal copies steps rows, srcStep bytes apart, of 6 elements for each tile; those of a tile are 6 elements apart, the tiles sweepTile.
	deal func(dst, src unsafe.Pointer, tiles, steps int, srcStep uintptr)
	// turn writes steps of half the rows of a turned panel, whose lanes are so many steps apart, from rows of f32 that are srcStep bytes apart.
	turn func(dst, src unsafe.Pointer, steps int, srcStep uintptr, lane int)
	// fold folds 4*groups lane sets into as many outputs.
	fold func(dst, lanes unsafe.Pointer, groups int)
}

const numSlots = 5

// slotTypes are the weight types that have kernels.
var slotTypes = [numSlots]dtype.Type{dtype.F32, dtype.F16, dtype.BF16, dtype.F8E4M3, dtype.F8E5M2}

// slot is the index of t in slotTypes.
func slot(t dtype.Type) (int, bool) {
	i := slices.Index(slotTypes[:], t)
	return i, i >= 0
}

// tables holds each level's kernels; a level that this build lacks is nil.
var tables = [...]*kernels{cpu.Generic: &generic, cpu.AVX2: avx2, cpu.AVX512: avx512}
