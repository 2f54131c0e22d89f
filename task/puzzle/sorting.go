package puzzle

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/answer"
)

// Sorting asks for a list in order.
type Sorting struct {
	Items []string `json:"items"`
	Down  bool     `json:"down,omitempty"`
}

type sorting struct {
	count, numbers [2]int
	words          bool
	order          string
}

// NewSorting makes the sorting task.
func NewSorting(o *task.Options) (task.Task, error) {
	s := &sorting{count: o.Range("count", [2]int{4, 8}, 2, 40), numbers: o.Range("numbers", [2]int{0, 999}, 0, 999999),
		words: o.Choice("kind", "numbers", "words") == "words", order: o.Choice("order", "up", "down", "any")}
	return generated[Sorting]{"sorting", s}, o.Done()
}

func (s *sorting) valid(p Sorting) error {
	if len(p.Items) < 2 || len(p.Items) > 40 {
		return fmt.Errorf("%d items: want 2 to 40", len(p.Items))
	}
	for _, x := range p.Items {
		if _, err := strconv.Atoi(x); err != nil && !s.words || x == "" || len(x) > 40 {
			return fmt.Errorf("item %q", clip(x))
		}
	}
	return nil
}

func (s *sorting) draw(r *task.Rand) (Sorting, bool) {
	p := Sorting{Items: make([]string, r.Between(s.count[0], s.count[1])), Down: s.order == "down"}
	if s.order == "any" {
		p.Down = r.IntN(2) == 1
	}
	for i := range p.Items {
		if s.words {
			p.Items[i] = word(r)
		} else {
			p.Items[i] = strconv.Itoa(r.Between(s.numbers[0], s.numbers[1]))
		}
	}
	return p, true
}

// word is a pronounceable word of two or three syllables.
func word(r *task.Rand) string {
	const heads, vowels, tails = "bdfgklmnprstvz", "aeiou", "lmnrst"
	var b strings.Builder
	for range r.Between(2, 3) {
		b.WriteByte(heads[r.IntN(len(heads))])
		b.WriteByte(vowels[r.IntN(len(vowels))])
	}
	if r.IntN(2) == 0 {
		b.WriteByte(tails[r.IntN(len(tails))])
	}
	return b.String()
}

func (s *sorting) compare(p Sorting) func(a, b string) int {
	return func(a, b string) int {
		c := strings.Compare(a, b)
		if !s.words {
			x, _ := strconv.Atoi(a)
			y, _ := strconv.Atoi(b)
			c = cmp.Compare(x, y)
		}
		if p.Down {
			return -c
		}
		return c
	}
}

func (s *sorting) sorted(p Sorting) []string {
	out := slices.Clone(p.Items)
	slices.SortStableFunc(out, s.compare(p))
	return out
}

// key is the list in sorted order with its direction: another order of the same items is the same problem.
func (s *sorting) key(p Sorting) string {
	return fmt.Sprintf("sorting %s %v", strings.Join(s.sorted(Sorting{Items: p.Items}), " "), p.Down)
}

// difficulty counts the pairs in the wrong order.
func (s *sorting) difficulty(p Sorting) float64 {
	n, before := 0, s.compare(p)
	for i := range p.Items {
		for j := range i {
			if before(p.Items[j], p.Items[i]) > 0 {
				n++
			}
		}
	}
	return float64(n)
}

func (s *sorting) prompt(p Sorting) string {
	what, how := "numbers", "from smallest to largest"
	if s.words {
		what, how = "words", "alphabetically"
	}
	switch {
	case p.Down && s.words:
		how = "in reverse alphabetical order"
	case p.Down:
		how = "from largest to smallest"
	}
	return fmt.Sprintf("Sort these %s %s: %s\nThink step by step, then give the sorted list, separated by commas, inside <answer> </answer>.",
		what, how, strings.Join(p.Items, ", "))
}

func (s *sorting) answer(p Sorting) string { return strings.Join(s.sorted(p), ", ") }

func (s *sorting) grade(p Sorting, text string) task.Verdict {
	got := answer.Final(text)
	items := strings.FieldsFunc(got, func(r rune) bool { return strings.ContainsRune(" ,;[]{}()\t\n\"'", r) })
	want := s.sorted(p)
	switch {
	case len(items) == 0:
		return wrong(got, "no answer", "the text ends without an answer")
	case len(items) != len(want):
		return wrong(got, "items", "%d items, not %d", len(items), len(want))
	}
	items[len(items)-1] = strings.TrimSuffix(items[len(items)-1], ".")
	for i := range items {
		if items[i] != want[i] {
			return wrong(got, "value", "item %d is %s, it should be %s", i+1, clip(items[i]), want[i])
		}
	}
	return right(got, "all items in order")
}

// trace sorts by insertion: each item is compared from the end until its place is found.
func (s *sorting) trace(p Sorting, _ *task.Rand) string {
	var b strings.Builder
	before := s.compare(p)
	b.WriteString("<think>\n")
	done := []string{p.Items[0]}
	fmt.Fprintf(&b, "Start with %s.\n", p.Items[0])
	for _, x := range p.Items[1:] {
		fmt.Fprintf(&b, "Insert %s:", x)
		i := len(done)
		for ; i > 0 && before(done[i-1], x) > 0; i-- {
			fmt.Fprintf(&b, " not after %s,", done[i-1])
		}
		if i > 0 {
			fmt.Fprintf(&b, " after %s:", done[i-1])
		} else {
			b.WriteString(" first:")
		}
		done = slices.Insert(done, i, x)
		fmt.Fprintf(&b, " %s\n", strings.Join(done, ", "))
	}
	return b.String() + "</think>\n<answer>" + strings.Join(done, ", ") + "</answer>"
}
