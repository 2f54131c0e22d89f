package puzzle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/answer"
)

// Ordering asks for the order of things in a row, first to last, that fits every clue.
type Ordering struct {
	Names []string `json:"names"`
	Clues []Clue   `json:"clues"`
}

// Clue is one fact about places (0 is the leftmost). Kinds: "left" (A somewhere left of B), "next" (side by side), "before" (A directly left
// of B), "at" (A in place N), "notat", "apart" (N things between A and B).
type Clue struct {
	Kind string `json:"kind"`
	A    int    `json:"a"`
	B    int    `json:"b,omitempty"`
	N    int    `json:"n,omitempty"`
}

type ordering struct{ count [2]int }

// NewOrdering makes the task of orderings.
func NewOrdering(o *task.Options) (task.Task, error) {
	s := &ordering{count: o.Range("count", [2]int{3, 5}, 3, 7)}
	return generated[Ordering]{"ordering", s}, o.Done()
}

func (*ordering) valid(p Ordering) error {
	n := len(p.Names)
	if n < 2 || n > 7 || len(p.Clues) > 100 {
		return fmt.Errorf("%d names, %d clues: want 2 to 7 names, at most 100 clues", n, len(p.Clues))
	}
	for _, c := range p.Clues {
		if c.A < 0 || c.A >= n || c.B < 0 || c.B >= n || !slices.Contains([]string{"left", "next", "before", "at", "notat", "apart"}, c.Kind) {
			return fmt.Errorf("clue %+v", c)
		}
	}
	return nil
}

var fruits = []string{"apple", "banana", "cherry", "date", "fig", "grape", "kiwi", "lemon", "mango", "orange", "peach", "quince"}

// holds3 says whether a clue holds where place[i] is -1 for things not placed yet: 1 yes, 0 no, -1 open.
func (c Clue) holds3(place []int) int {
	a, b := place[c.A], place[c.B]
	if a < 0 || b < 0 && c.Kind != "at" && c.Kind != "notat" {
		return -1
	}
	ok := false
	switch c.Kind {
	case "left":
		ok = a < b
	case "next":
		ok = a-b == 1 || b-a == 1
	case "before":
		ok = b-a == 1
	case "at":
		ok = a == c.N
	case "notat":
		ok = a != c.N
	case "apart":
		ok = a-b == c.N+1 || b-a == c.N+1
	}
	if ok {
		return 1
	}
	return 0
}

// draw hides an order and gives true clues until only that order fits; then it leaves out each clue that is not needed.
func (s *ordering) draw(r *task.Rand) (Ordering, bool) {
	n := r.Between(s.count[0], s.count[1])
	var p Ordering
	for _, i := range r.Perm(len(fruits))[:n] {
		p.Names = append(p.Names, fruits[i])
	}
	hidden := r.Perm(n)
	pool := trueClues(hidden)
	r.Shuffle(len(pool), func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
	for i := 0; i < len(pool) && (i == 0 || p.count(2) > 1); i++ {
		p.Clues = append(p.Clues, pool[i])
	}
	for i := len(p.Clues) - 1; i >= 0; i-- {
		fewer := Ordering{p.Names, slices.Delete(slices.Clone(p.Clues), i, i+1)}
		if fewer.count(2) == 1 {
			p = fewer
		}
	}
	return p, p.count(2) == 1
}

// trueClues lists what is true of an order; clues that give a place away come in small number.
func trueClues(place []int) []Clue {
	var out []Clue
	for a := range place {
		for b := range place {
			switch d := place[b] - place[a]; {
			case a == b:
				continue
			case d == 1:
				out = append(out, Clue{Kind: "left", A: a, B: b}, Clue{Kind: "before", A: a, B: b}, Clue{Kind: "next", A: a, B: b})
			case d > 1:
				out = append(out, Clue{Kind: "left", A: a, B: b}, Clue{Kind: "apart", A: a, B: b, N: d - 1})
			}
		}
		out = append(out, Clue{Kind: "notat", A: a, N: (place[a] + 1 + a) % len(place)})
	}
	out = append(out, Clue{Kind: "at", A: 0, N: place[0]})
	return slices.DeleteFunc(out, func(c Clue) bool { return c.holds3(place) != 1 })
}

// each calls f with every order that fits all clues, until f says false. A clue is looked at as soon as its things have a place, and nothing
// else is left out.
func (p Ordering) each(f func(place []int) bool) {
	place := make([]int, len(p.Names))
	for i := range place {
		place[i] = -1
	}
	var grow func(i, used int) bool
	grow = func(i, used int) bool {
		if i == len(place) {
			return f(place)
		}
		for at := range place {
			if used>>at&1 == 1 {
				continue
			}
			place[i] = at
			if p.broken(place) < 0 && !grow(i+1, used|1<<at) {
				return false
			}
		}
		place[i] = -1
		return true
	}
	grow(0, 0)
}

// count counts the orders that fit, up to a limit.
func (p Ordering) count(limit int) int {
	n := 0
	p.each(func([]int) bool { n++; return n < limit })
	return n
}

// broken is the first clue that does not hold, or -1.
func (p Ordering) broken(place []int) int {
	return slices.IndexFunc(p.Clues, func(c Clue) bool { return c.holds3(place) == 0 })
}

// key is the clues without the names, in order of their text.
func (*ordering) key(p Ordering) string {
	codes := make([]string, len(p.Clues))
	for i, c := range p.Clues {
		codes[i] = fmt.Sprintf("%s(%d,%d,%d)", c.Kind, c.A, c.B, c.N)
	}
	slices.Sort(codes)
	return fmt.Sprintf("ordering %d %s", len(p.Names), strings.Join(codes, " "))
}

// difficulty counts the placements that the demonstrated search tries.
func (s *ordering) difficulty(p Ordering) float64 {
	n := 0
	p.search(nil, func(string) { n++ })
	return float64(n)
}

var ordinals = []string{"first", "second", "third", "fourth", "fifth", "sixth", "seventh"}

func (c Clue) text(names []string) string {
	a, b := "the "+names[c.A], "the "+names[c.B]
	switch c.Kind {
	case "left":
		return a + " is somewhere to the left of " + b
	case "next":
		return a + " is next to " + b
	case "before":
		return a + " is directly to the left of " + b
	case "at":
		return a + " is the " + ordinals[c.N%7] + " from the left"
	case "notat":
		return a + " is not the " + ordinals[c.N%7] + " from the left"
	}
	if c.N == 1 {
		return "exactly one thing lies between " + a + " and " + b
	}
	return fmt.Sprintf("exactly %d things lie between %s and %s", c.N, a, b)
}

func (*ordering) prompt(p Ordering) string {
	var b strings.Builder
	sorted := slices.Sorted(slices.Values(p.Names))
	fmt.Fprintf(&b, "These things lie in a row: %s.\n", list(sorted))
	for _, c := range p.Clues {
		t := c.text(p.Names)
		fmt.Fprintf(&b, "%s%s.\n", strings.ToUpper(t[:1]), t[1:])
	}
	fmt.Fprintf(&b, "In which order do they lie? Think step by step, then list them from left to right, separated by commas, inside <answer> </answer>.")
	return b.String()
}

func (*ordering) answer(p Ordering) string {
	answer := ""
	p.each(func(place []int) bool { answer = p.tell(place); return false })
	return answer
}

func (p Ordering) tell(place []int) string {
	row := make([]string, len(place))
	for i, at := range place {
		row[at] = p.Names[i]
	}
	return strings.Join(row, ", ")
}

func (*ordering) grade(p Ordering, text string) task.Verdict {
	got := answer.Final(text)
	items := strings.FieldsFunc(strings.ToLower(got), func(r rune) bool { return strings.ContainsRune(" ,;.<>-[]()*\n\t", r) })
	items = slices.DeleteFunc(items, func(s string) bool { return s == "the" || s == "and" })
	place := make([]int, len(p.Names))
	for i := range place {
		place[i] = -1
	}
	if len(items) == 0 {
		return wrong(got, "no answer", "the text ends without an answer")
	}
	for at, x := range items {
		i := slices.Index(p.Names, x)
		if i < 0 || place[i] >= 0 || at >= len(place) {
			return wrong(got, "items", "%q: each of %s is wanted once", clip(x), list(p.Names))
		}
		place[i] = at
	}
	if len(items) < len(place) {
		return wrong(got, "items", "%d things, not %d", len(items), len(place))
	}
	if i := p.broken(place); i >= 0 {
		return wrong(got, "value", "it is not so that %s", p.Clues[i].text(p.Names))
	}
	return right(got, "every clue holds")
}

// search fills the row from the left and takes back what breaks a clue.
func (p Ordering) search(row []int, tell func(string)) []int {
	n := len(p.Names)
	place := make([]int, n)
	for i := range place {
		place[i] = -1
	}
	for at, i := range row {
		place[i] = at
	}
	if len(row) == n {
		return place
	}
	for i := range n {
		if place[i] >= 0 {
			continue
		}
		place[i] = len(row)
		if j := p.dead(place); j >= 0 {
			tell(fmt.Sprintf("Try the %s %s: but %s. No.", p.Names[i], ordinals[len(row)], p.Clues[j].text(p.Names)))
		} else {
			tell(fmt.Sprintf("Try the %s %s.", p.Names[i], ordinals[len(row)]))
			if s := p.search(append(slices.Clone(row), i), tell); s != nil {
				return s
			}
		}
		place[i] = -1
	}
	if len(row) > 0 {
		tell(fmt.Sprintf("Nothing fits after the %s, so I go back.", p.Names[row[len(row)-1]]))
	}
	return nil
}

// dead is the first clue that fails already, or must fail because B has its place while A, which belongs to its left, is still open; -1 when
// there is none.
func (p Ordering) dead(place []int) int {
	return slices.IndexFunc(p.Clues, func(c Clue) bool {
		late := (c.Kind == "left" || c.Kind == "before") && place[c.B] >= 0 && place[c.A] < 0
		return late || c.holds3(place) == 0
	})
}

func (s *ordering) trace(p Ordering, _ *task.Rand) string {
	var b strings.Builder
	b.WriteString("<think>\n")
	place := p.search(nil, func(step string) { b.WriteString(step + "\n") })
	if place == nil {
		return b.String() + "There is no solution.\n</think>\n"
	}
	return b.String() + "Every clue holds.\n</think>\n<answer>" + p.tell(place) + "</answer>"
}
