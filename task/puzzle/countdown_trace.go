package puzzle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pennyml/penny/task"
)

// attempt is one way to work the numbers out: "9-4=5", "5+7=12", with the expression and its value.
type attempt struct {
	steps []string
	expr  string
	value int
}

// term is a value on the way, with how to write it.
type term struct {
	value int
	expr  string
	rank  int // 1 a sum, 2 a product, 3 a number or parentheses
}

// moves lists what can be joined next, as (i, j, op).
func (c *countdown) moves(terms []term, first bool) [][3]int {
	var out [][3]int
	for i := range terms {
		for j := range terms {
			switch {
			case i == j, c.chain && !first && i != 0, c.fixed && (i != 0 || j != 1):
				continue
			}
			for k := range len(c.ops) {
				if _, ok := c.apply(c.ops[k], terms[i].value, terms[j].value); ok && (c.chain || i < j || strings.IndexByte("-/", c.ops[k]) >= 0) {
					out = append(out, [3]int{i, j, k})
				}
			}
		}
	}
	return out
}

// joined works one move; the result stands first and is not written out yet.
func (c *countdown) joined(terms []term, m [3]int) []term {
	op := c.ops[m[2]]
	v, _ := c.apply(op, terms[m[0]].value, terms[m[1]].value)
	out := make([]term, 1, len(terms))
	out[0] = term{value: v, rank: rank(op)}
	for i, x := range terms {
		if i != m[0] && i != m[1] {
			out = append(out, x)
		}
	}
	return out
}

func rank(op byte) int {
	if op == '*' || op == '/' {
		return 2
	}
	return 1
}

func (c *countdown) write(a, b term, op byte) string {
	if c.compact {
		return a.expr + string(op) + b.expr
	}
	left, right := a.expr, b.expr
	if a.rank < rank(op) {
		left = "(" + left + ")"
	}
	if b.rank < rank(op) || b.rank == rank(op) && (op == '-' || op == '/') {
		right = "(" + right + ")"
	}
	return left + " " + string(op) + " " + right
}

func (c *countdown) terms(p Countdown) []term {
	t := make([]term, len(p.Numbers))
	for i, n := range p.Numbers {
		t[i] = term{n, strconv.Itoa(n), 3}
	}
	return t
}

// random works the numbers out at random; false at a dead end.
func (c *countdown) random(p Countdown, r *task.Rand) (attempt, bool) {
	var path [][3]int
	for terms := c.terms(p); len(terms) > 1; {
		m := c.moves(terms, len(path) == 0)
		if len(m) == 0 {
			return attempt{}, false
		}
		move := m[r.IntN(len(m))]
		path, terms = append(path, move), c.joined(terms, move)
	}
	return c.replay(p, path), true
}

// solve finds a hit by trying everything in random order; a problem without one gives the empty attempt.
func (c *countdown) solve(p Countdown, r *task.Rand) attempt {
	path := make([][3]int, 0, len(p.Numbers))
	var search func(terms []term, first bool) bool
	search = func(terms []term, first bool) bool {
		if len(terms) == 1 {
			return terms[0].value == p.Target
		}
		m := c.moves(terms, first)
		r.Shuffle(len(m), func(i, j int) { m[i], m[j] = m[j], m[i] })
		for _, move := range m {
			path = append(path, move)
			if search(c.joined(terms, move), false) {
				return true
			}
			path = path[:len(path)-1]
		}
		return false
	}
	if !search(c.terms(p), true) {
		return attempt{}
	}
	return c.replay(p, path)
}

// replay writes out the steps of a path of moves.
func (c *countdown) replay(p Countdown, path [][3]int) attempt {
	var a attempt
	terms := c.terms(p)
	for _, m := range path {
		x, y := terms[m[0]], terms[m[1]]
		next := c.joined(terms, m)
		step := fmt.Sprintf("%d %c %d = %d", x.value, c.ops[m[2]], y.value, next[0].value)
		if c.compact {
			step = strings.ReplaceAll(step, " ", "")
		}
		next[0].expr = c.write(x, y, c.ops[m[2]])
		a.steps, terms = append(a.steps, step), next
	}
	a.expr, a.value = terms[0].expr, terms[0].value
	return a
}

// shownTries is how many tries at random a demonstration makes before it shows a solution, where the task sets no limit.
const shownTries = 12

// trace tries at random, never the same twice, and goes on after each miss. With a limit on tries it may end without a hit, and then claims
// nothing; without one, the last try hits.
func (c *countdown) trace(p Countdown, r *task.Rand) string {
	most := c.tries
	if most == 0 {
		most = shownTries
	}
	var shown []attempt
	for draws := 0; len(shown) < most && draws < 20*most; draws++ {
		a, ok := c.random(p, r)
		if !ok || slices.ContainsFunc(shown, func(b attempt) bool { return a.expr == b.expr }) {
			continue
		}
		shown = append(shown, a)
		if a.value == p.Target {
			return c.tell(p, shown)
		}
	}
	if c.tries > 0 {
		return c.tell(p, shown)
	}
	return c.tell(p, append(shown, c.solve(p, r)))
}

func (c *countdown) tell(p Countdown, shown []attempt) string {
	var b strings.Builder
	hit := len(shown) > 0 && shown[len(shown)-1].value == p.Target
	if c.compact {
		for i, a := range shown {
			if i > 0 {
				b.WriteByte(';')
			}
			if c.compares {
				b.WriteString(compared(a.steps, p.Target))
			} else {
				fmt.Fprintf(&b, "%s?%d", chained(a.steps), p.Target)
			}
		}
		if hit {
			b.WriteString(":" + shown[len(shown)-1].expr)
		}
		return b.String() + "\n"
	}
	b.WriteString("<think>\n")
	for _, a := range shown {
		fmt.Fprintf(&b, "Try %s. ", strings.Join(a.steps, ", "))
		switch {
		case a.value == p.Target:
			fmt.Fprintf(&b, "That is %d, the target.\n", a.value)
		case a.value < p.Target:
			fmt.Fprintf(&b, "%d is too small, I want %d.\n", a.value, p.Target)
		default:
			fmt.Fprintf(&b, "%d is too large, I want %d.\n", a.value, p.Target)
		}
	}
	b.WriteString("</think>\n")
	if !hit {
		return b.String() + "I did not find it.\n"
	}
	return b.String() + "<answer>" + shown[len(shown)-1].expr + "</answer>"
}

// chained writes "9-4=5", "5+7=12" as 9-4=5+7=12: each result starts the next step.
func chained(steps []string) string {
	s := steps[0]
	for _, t := range steps[1:] {
		s += strings.TrimLeft(t, "0123456789")
	}
	return s
}

// compared is chained with a look at the target, 12, after each total: 9<12-4=5<12+7=12=12.
func compared(steps []string, target int) string {
	var b strings.Builder
	for i, s := range steps {
		work, result, _ := strings.Cut(s, "=")
		if i == 0 {
			first := s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
			work = strings.TrimPrefix(work, first)
			b.WriteString(beside(first, target))
		} else {
			work = strings.TrimLeft(work, "0123456789")
		}
		b.WriteString(work + "=" + beside(result, target))
	}
	return b.String()
}

// beside writes a total and the target with the sign between them.
func beside(total string, target int) string {
	n, _ := strconv.Atoi(total)
	sign := '='
	if n < target {
		sign = '<'
	} else if n > target {
		sign = '>'
	}
	return fmt.Sprintf("%s%c%d", total, sign, target)
}
