package puzzle

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/answer"
)

// Knights is a puzzle of knights, who tell the truth, and knaves, who lie. Person i says Says[i].
type Knights struct {
	Names []string    `json:"names"`
	Says  []Statement `json:"says"`
}

// Statement is a claim about who is what. Kind: "is" (A is a knight, or with Not a knave), "same" (A and B are of one kind, or not), "or"
// and "and" (of two claims), "if" (the first claim implies the second), "count" (exactly N are knights).
type Statement struct {
	Kind string      `json:"kind"`
	A    int         `json:"a,omitempty"`
	B    int         `json:"b,omitempty"`
	N    int         `json:"n,omitempty"`
	Not  bool        `json:"not,omitempty"`
	Of   []Statement `json:"of,omitempty"`
}

type knights struct{ people [2]int }

// NewKnights makes the task of knights and knaves.
func NewKnights(o *task.Options) (task.Task, error) {
	k := &knights{people: o.Range("people", [2]int{2, 5}, 2, 10)}
	return generated[Knights]{"knights", k}, o.Done()
}

func (*knights) valid(p Knights) error {
	n := len(p.Names)
	if n < 2 || n > 10 || len(p.Says) != n {
		return fmt.Errorf("%d names, %d statements: want 2 to 10, as many of each", n, len(p.Says))
	}
	for _, s := range p.Says {
		if err := s.valid(n, true); err != nil {
			return err
		}
	}
	return nil
}

func (s Statement) valid(n int, top bool) error {
	if s.A < 0 || s.A >= n || s.B < 0 || s.B >= n {
		return errors.New("a statement about nobody")
	}
	switch s.Kind {
	case "is", "same", "count":
		return nil
	case "or", "and", "if":
		if !top || len(s.Of) != 2 {
			return fmt.Errorf("statement %q: want two plain ones in it", s.Kind)
		}
		if err := s.Of[0].valid(n, false); err != nil {
			return err
		}
		return s.Of[1].valid(n, false)
	}
	return fmt.Errorf("statement %q", s.Kind)
}

// people are names that differ in their first letter.
var people = []string{"Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana", "Ivo", "June", "Kai", "Lena", "Max", "Nora", "Omar", "Pia"}

func (k *knights) draw(r *task.Rand) (Knights, bool) {
	n := r.Between(k.people[0], k.people[1])
	p := Knights{Says: make([]Statement, n)}
	for _, i := range r.Perm(len(people))[:n] {
		p.Names = append(p.Names, people[i])
	}
	for i := range p.Says {
		p.Says[i] = statement(r, n, i)
	}
	return p, len(p.solutions()) == 1
}

func statement(r *task.Rand, n, speaker int) Statement {
	plain := func() Statement { return Statement{Kind: "is", A: other(r, n, speaker), Not: r.IntN(2) == 0} }
	switch r.IntN(7) {
	case 0:
		return Statement{Kind: "count", N: r.IntN(n)}
	case 1:
		return Statement{Kind: "same", A: speaker, B: other(r, n, speaker), Not: r.IntN(2) == 0}
	case 2, 3, 4:
		s := Statement{Kind: []string{"or", "and", "if"}[r.IntN(3)], Of: []Statement{plain(), plain()}}
		if s.Of[0].A == s.Of[1].A {
			s.Of[1].A = speaker
		}
		return s
	}
	return plain()
}

func other(r *task.Rand, n, i int) int {
	j := r.IntN(n - 1)
	if j >= i {
		j++
	}
	return j
}

// true3 evaluates a statement where some kinds are still open: 1 true, 0 false, -1 open. kinds[i] is 1 for a knight, 0 a knave, -1 open.
func (s Statement) true3(kinds []int) int {
	var v int
	switch s.Kind {
	case "is":
		v = kinds[s.A]
	case "same":
		if v = -1; s.A == s.B {
			v = 1
		} else if kinds[s.A] >= 0 && kinds[s.B] >= 0 {
			v = 1 - kinds[s.A] ^ kinds[s.B]
		}
	case "count":
		sure, open := 0, 0
		for _, k := range kinds {
			sure += max(k, 0)
			open += min(k, 0)
		}
		if v = -1; s.N < sure || s.N > sure-open {
			v = 0
		} else if open == 0 {
			v = 1
		}
	case "and":
		v = min3(s.Of[0].true3(kinds), s.Of[1].true3(kinds))
	case "or":
		v = not3(min3(not3(s.Of[0].true3(kinds)), not3(s.Of[1].true3(kinds))))
	case "if":
		v = not3(min3(s.Of[0].true3(kinds), not3(s.Of[1].true3(kinds))))
	}
	if s.Not {
		return not3(v)
	}
	return v
}

func not3(v int) int {
	if v < 0 {
		return v
	}
	return 1 - v
}

func min3(a, b int) int {
	switch {
	case a == 0 || b == 0:
		return 0
	case a < 0 || b < 0:
		return -1
	}
	return 1
}

// solutions lists every consistent assignment, by trying them all.
func (p Knights) solutions() [][]int {
	n := len(p.Names)
	var out [][]int
	kinds := make([]int, n)
	for m := range 1 << n {
		for i := range kinds {
			kinds[i] = m >> i & 1
		}
		if p.clash(kinds) < 0 {
			out = append(out, append([]int(nil), kinds...))
		}
	}
	return out
}

// clash is the first person whose statement contradicts what they are, or -1.
func (p Knights) clash(kinds []int) int {
	for i, s := range p.Says {
		if v := s.true3(kinds); v >= 0 && kinds[i] >= 0 && v != kinds[i] {
			return i
		}
	}
	return -1
}

func (*knights) key(p Knights) string {
	var b strings.Builder
	b.WriteString("knights")
	for i, s := range p.Says {
		fmt.Fprintf(&b, " %d:%s", i, s.code())
	}
	return b.String()
}

func (s Statement) code() string {
	c := fmt.Sprintf("%s%d,%d,%d,%v", s.Kind, s.A, s.B, s.N, s.Not)
	for _, t := range s.Of {
		c += "(" + t.code() + ")"
	}
	return c
}

// difficulty counts the suppositions that the demonstrated search makes.
func (k *knights) difficulty(p Knights) float64 {
	steps := 0
	p.search(make([]int, 0, len(p.Names)), func(string) { steps++ })
	return float64(steps)
}

var kindNames = [2]string{"knave", "knight"}

// text says a statement in words.
func (s Statement) text(names []string) string {
	switch s.Kind {
	case "is":
		return names[s.A] + " is a " + kindNames[map[bool]int{true: 0, false: 1}[s.Not]]
	case "same":
		if s.Not {
			return names[s.A] + " and " + names[s.B] + " are of different kinds"
		}
		return names[s.A] + " and " + names[s.B] + " are of the same kind"
	case "count":
		if s.N == 1 {
			return "exactly one of us is a knight"
		}
		return fmt.Sprintf("exactly %d of us are knights", s.N)
	case "if":
		return "if " + s.Of[0].text(names) + ", then " + s.Of[1].text(names)
	}
	return s.Of[0].text(names) + " " + s.Kind + " " + s.Of[1].text(names)
}

func (*knights) prompt(p Knights) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Knights always tell the truth, knaves always lie. %s are each a knight or a knave.\n", list(p.Names))
	for i, s := range p.Says {
		fmt.Fprintf(&b, "%s says: \"%s.\"\n", p.Names[i], s.text(p.Names))
	}
	fmt.Fprintf(&b, "Who is what? Think step by step, then answer inside <answer> </answer>, as in <answer>%s: knight, %s: knave</answer>.", p.Names[0], p.Names[1])
	return b.String()
}

// list joins names as "A, B and C".
func list(names []string) string {
	n := len(names) - 1
	return strings.Join(names[:n], ", ") + " and " + names[n]
}

func (k *knights) answer(p Knights) string {
	if s := p.solutions(); len(s) > 0 {
		return p.tell(s[0])
	}
	return ""
}

func (p Knights) tell(kinds []int) string {
	parts := make([]string, len(kinds))
	for i, k := range kinds {
		parts[i] = p.Names[i] + ": " + kindNames[k]
	}
	return strings.Join(parts, ", ")
}

var kindOf = regexp.MustCompile(`(?i)\b([\pL]+)\b[\s:=*]*(?:is|=|->)?[\s:*]*(?:an?\s)?[\s*]*(knight|knave)\b`)

func (*knights) grade(p Knights, text string) task.Verdict {
	got := answer.Final(text)
	kinds := make([]int, len(p.Names))
	for i := range kinds {
		kinds[i] = -1
	}
	for _, m := range kindOf.FindAllStringSubmatch(got, -1) {
		for i, name := range p.Names {
			if !strings.EqualFold(m[1], name) {
				continue
			}
			k := 0
			if strings.EqualFold(m[2], "knight") {
				k = 1
			}
			if kinds[i] >= 0 && kinds[i] != k {
				return wrong(got, "syntax", "%s is called both a knight and a knave", name)
			}
			kinds[i] = k
		}
	}
	for i, k := range kinds {
		if k < 0 {
			return wrong(got, "no answer", "nothing is said of %s", p.Names[i])
		}
	}
	if i := p.clash(kinds); i >= 0 {
		return wrong(got, "value", "%s would be a %s, but what %s says would be %v", p.Names[i], kindNames[kinds[i]], p.Names[i], kinds[i] == 0)
	}
	return right(got, "no statement contradicts it")
}

// search supposes kinds person by person, tells each step, and takes back what leads to a contradiction. It returns the solution.
func (p Knights) search(fixed []int, tell func(string)) []int {
	i := len(fixed)
	if i == len(p.Names) {
		return fixed
	}
	for _, k := range []int{1, 0} {
		kinds := append(append(make([]int, 0, len(p.Names)), fixed...), k)
		open := append([]int(nil), kinds...)
		for len(open) < len(p.Names) {
			open = append(open, -1)
		}
		supposed := fmt.Sprintf("Suppose %s is a %s.", p.Names[i], kindNames[k])
		if j := p.clash(open); j >= 0 {
			truth := [2]string{"true, but a knave lies", "false, but a knight tells the truth"}[open[j]]
			tell(fmt.Sprintf("%s Then what %s says, \"%s\", is %s. Contradiction.", supposed, p.Names[j], p.Says[j].text(p.Names), truth))
			continue
		}
		tell(supposed)
		if s := p.search(kinds, tell); s != nil {
			return s
		}
	}
	if i > 0 {
		tell(fmt.Sprintf("Neither works for %s, so I go back.", p.Names[i]))
	}
	return nil
}

func (k *knights) trace(p Knights, _ *task.Rand) string {
	var b strings.Builder
	b.WriteString("<think>\n")
	s := p.search(make([]int, 0, len(p.Names)), func(step string) { b.WriteString(step + "\n") })
	if s == nil {
		return b.String() + "There is no solution.\n</think>\n"
	}
	return b.String() + "Nothing is contradicted.\n</think>\n<answer>" + p.tell(s) + "</answer>"
}
