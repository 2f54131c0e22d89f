package puzzle

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/answer"
)

// Sudoku is a grid of Size x Size cells, row by row; '.' is an empty cell. Boxes are 2x2, 2 rows x 3 columns, or 3x3.
type Sudoku struct {
	Size int    `json:"size"`
	Grid string `json:"grid"`
}

type sudoku struct {
	size  int
	empty [2]int
}

// NewSudoku makes the sudoku task.
func NewSudoku(o *task.Options) (task.Task, error) {
	s := &sudoku{size: map[string]int{"4": 4, "6": 6, "9": 9}[o.Choice("size", "4", "6", "9")]}
	most := map[int][2]int{4: {5, 10}, 6: {10, 20}, 9: {30, 48}}[s.size]
	s.empty = o.Range("empty", most, 1, most[1]+s.size/2)
	return generated[Sudoku]{"sudoku", s}, o.Done()
}

func (*sudoku) valid(p Sudoku) error {
	if p.Size != 4 && p.Size != 6 && p.Size != 9 || len(p.Grid) != p.Size*p.Size {
		return fmt.Errorf("grid of %d cells, size %d: want size 4, 6 or 9", len(p.Grid), p.Size)
	}
	for _, c := range p.Grid {
		if c != '.' && (c < '1' || c > rune('0'+p.Size)) {
			return fmt.Errorf("cell %q", c)
		}
	}
	return nil
}

// board is a grid with the digits used in each row, column and box as bit sets.
type board struct {
	size, boxRows, boxCols int
	cell                   []int // 0 is empty
	row, col, box          [9]uint
}

func newBoard(size int) *board {
	b := &board{size: size, boxRows: 2, boxCols: size / 2, cell: make([]int, size*size)}
	if size == 9 {
		b.boxRows, b.boxCols = 3, 3
	}
	return b
}

func (b *board) units(i int) (r, c, x int) {
	r, c = i/b.size, i%b.size
	return r, c, r/b.boxRows*(b.size/b.boxCols) + c/b.boxCols
}

// free is the set of digits that fit into a cell.
func (b *board) free(i int) uint {
	r, c, x := b.units(i)
	return (1<<(b.size+1) - 2) &^ (b.row[r] | b.col[c] | b.box[x])
}

func (b *board) flip(i, d int) {
	r, c, x := b.units(i)
	b.row[r] ^= 1 << d
	b.col[c] ^= 1 << d
	b.box[x] ^= 1 << d
}

func (b *board) put(i, d int) { b.cell[i] = d; b.flip(i, d) }
func (b *board) clear(i int)  { b.flip(i, b.cell[i]); b.cell[i] = 0 }

// load reads a grid; false where two givens clash.
func (p Sudoku) load() (*board, bool) {
	b := newBoard(p.Size)
	for i := range p.Grid {
		if p.Grid[i] == '.' {
			continue
		}
		d := int(p.Grid[i] - '0')
		if b.free(i)>>d&1 == 0 {
			return b, false
		}
		b.put(i, d)
	}
	return b, true
}

func (b *board) text() string {
	s := make([]byte, len(b.cell))
	for i, d := range b.cell {
		if s[i] = '.'; d > 0 {
			s[i] = byte('0' + d)
		}
	}
	return string(s)
}

// tightest is the empty cell with the fewest digits left, the first of equals; -1 when the grid is full.
func (b *board) tightest() int {
	best, least := -1, 10
	for i, d := range b.cell {
		if d == 0 {
			if n := bits.OnesCount(b.free(i)); n < least {
				best, least = i, n
			}
		}
	}
	return best
}

// count counts solutions up to a limit, by trying every digit; budget bounds the cells tried and is used up.
func (b *board) count(limit int, budget *int) int {
	i := b.tightest()
	if i < 0 {
		return 1
	}
	n := 0
	for free := b.free(i); free != 0 && n < limit && *budget > 0; free &= free - 1 {
		*budget--
		b.put(i, bits.TrailingZeros(free))
		n += b.count(limit-n, budget)
		b.clear(i)
	}
	return n
}

// searchBudget bounds one proof that a grid has one solution. A generated grid needs far less.
const searchBudget = 200_000

// unique says whether exactly one solution is proven.
func (b *board) unique() bool {
	budget := searchBudget
	return b.count(2, &budget) == 1 && budget > 0
}

// fill completes a grid at random.
func (b *board) fill(r *task.Rand) bool {
	i := b.tightest()
	if i < 0 {
		return true
	}
	free := b.free(i)
	for _, d := range r.Perm(b.size) {
		if free>>(d+1)&1 == 1 {
			b.put(i, d+1)
			if b.fill(r) {
				return true
			}
			b.clear(i)
		}
	}
	return false
}

// draw fills a grid and empties cells in random order, each only if the solution stays the only one.
func (s *sudoku) draw(r *task.Rand) (Sudoku, bool) {
	b := newBoard(s.size)
	b.fill(r)
	want := r.Between(s.empty[0], s.empty[1])
	for _, i := range r.Perm(len(b.cell)) {
		if want == 0 {
			break
		}
		d := b.cell[i]
		b.clear(i)
		if b.unique() {
			want--
		} else {
			b.put(i, d)
		}
	}
	return Sudoku{s.size, b.text()}, want == 0
}

// key is the grid with its digits renamed in order of appearance: renaming digits makes no new problem.
func (*sudoku) key(p Sudoku) string {
	var name [256]byte
	next := byte('1')
	out := []byte(p.Grid)
	for i, c := range out {
		if c == '.' {
			continue
		}
		if name[c] == 0 {
			name[c] = next
			next++
		}
		out[i] = name[c]
	}
	return fmt.Sprintf("sudoku %d %s", p.Size, out)
}

// difficulty counts the digits that the demonstrated search writes, those taken back included.
func (*sudoku) difficulty(p Sudoku) float64 {
	b, ok := p.load()
	n := 0
	if ok {
		b.search(func(_, _ int, _ uint) { n++ }, func(int) {})
	}
	return float64(n)
}

func rows(grid string, size int) string {
	var b strings.Builder
	for i := 0; i < len(grid); i += size {
		b.WriteString(strings.Join(strings.Split(grid[i:i+size], ""), " ") + "\n")
	}
	return b.String()
}

func (*sudoku) prompt(p Sudoku) string {
	b := newBoard(p.Size)
	return fmt.Sprintf("Fill in this sudoku: each row, each column and each box of %d rows and %d columns holds the digits 1 to %d once. A dot is an empty cell.\n\n%s\n"+
		"Think step by step, then give all rows inside <answer> </answer>.", b.boxRows, b.boxCols, p.Size, rows(p.Grid, p.Size))
}

func (*sudoku) answer(p Sudoku) string {
	b, ok := p.load()
	if !ok || !b.search(func(_, _ int, _ uint) {}, func(int) {}) {
		return ""
	}
	return strings.TrimSpace(rows(b.text(), p.Size))
}

func (*sudoku) grade(p Sudoku, text string) task.Verdict {
	got := answer.Final(text)
	var cells []byte
	for i := range len(got) {
		if c := got[i]; c >= '0' && c <= '9' {
			cells = append(cells, c)
		}
	}
	switch {
	case len(cells) == 0:
		return wrong(got, "no answer", "the text ends without an answer")
	case len(cells) != len(p.Grid):
		return wrong(got, "items", "%d digits, not %d", len(cells), len(p.Grid))
	}
	b := newBoard(p.Size)
	for i, c := range cells {
		r, col := i/p.Size+1, i%p.Size+1
		if p.Grid[i] != '.' && p.Grid[i] != c {
			return wrong(got, "givens", "row %d, column %d is given as %c, not %c", r, col, p.Grid[i], c)
		}
		if b.free(i)>>(c-'0')&1 == 0 {
			return wrong(got, "value", "%c in row %d, column %d stands there already or does not belong", c, r, col)
		}
		b.put(i, int(c-'0'))
	}
	return right(got, "each digit once in every row, column and box")
}

// search solves the grid by the tightest cell, telling each digit tried (with the digits that fitted) and each cell taken back.
func (b *board) search(try func(cell, digit int, fits uint), back func(cell int)) bool {
	i := b.tightest()
	if i < 0 {
		return true
	}
	fits := b.free(i)
	for free := fits; free != 0; free &= free - 1 {
		d := bits.TrailingZeros(free)
		try(i, d, fits)
		b.put(i, d)
		if b.search(try, back) {
			return true
		}
		b.clear(i)
	}
	back(i)
	return false
}

func (*sudoku) trace(p Sudoku, _ *task.Rand) string {
	var s strings.Builder
	s.WriteString("<think>\n")
	b, ok := p.load()
	at := func(i int) string { return fmt.Sprintf("row %d, column %d", i/p.Size+1, i%p.Size+1) }
	ok = ok && b.search(func(i, d int, fits uint) {
		if fits&(fits-1) == 0 {
			fmt.Fprintf(&s, "In %s only %d fits.\n", at(i), d)
			return
		}
		var can []string
		for f := fits; f != 0; f &= f - 1 {
			can = append(can, fmt.Sprint(bits.TrailingZeros(f)))
		}
		fmt.Fprintf(&s, "In %s one of %s fits; try %d.\n", at(i), strings.Join(can, ", "), d)
	}, func(i int) { fmt.Fprintf(&s, "Nothing works in %s, so I go back.\n", at(i)) })
	if !ok {
		return s.String() + "There is no solution.\n</think>\n"
	}
	return s.String() + "The grid is full.\n</think>\n<answer>\n" + rows(b.text(), p.Size) + "</answer>"
}
