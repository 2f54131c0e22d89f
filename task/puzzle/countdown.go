package puzzle

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/answer"
)

// Countdown asks for an expression over given numbers, each used once, that has a given value.
type Countdown struct {
	Numbers []int `json:"numbers"`
	Target  int   `json:"target"`
}

// countdown holds the options of a countdown task.
type countdown struct {
	operands, numbers, target [2]int
	ops                       string
	chain                     bool // worked from left to right: ((a op b) op c) op d
	fixed                     bool // numbers in the given order
	compact                   bool
	compares                  bool    // demonstrations say after each step how the total compares with the target
	limit                     int     // no value on the way above this
	silence                   float64 // reward for claiming nothing, so that a false claim costs something
	tries                     int     // so many tries at most; 0 for no limit
	checked                   bool    // an answer with a false statement on the way is wrong
}

// NewCountdown makes the countdown task; see the help of its options in package builtin.
func NewCountdown(o *task.Options) (task.Task, error) {
	c := &countdown{
		operands: o.Range("operands", [2]int{3, 4}, 2, 6), numbers: o.Range("numbers", [2]int{1, 99}, 1, 999),
		target: o.Range("target", [2]int{1, 99}, 1, 9999), ops: o.Letters("ops", "+-*/", "+-*/"),
		chain: o.Choice("form", "tree", "chain") == "chain", fixed: o.Choice("order", "any", "fixed") == "fixed",
		compact: o.Choice("style", "words", "compact") == "compact", compares: o.Choice("notes", "none", "compare") == "compare",
		limit: o.Int("limit", 1_000_000, 1, 1_000_000), tries: o.Int("tries", 0, 0, 100), silence: o.Float("silence", 0, 0, 0.9),
		checked: o.Choice("working", "free", "checked") == "checked",
	}
	return c.task("countdown", o)
}

// NewSigns makes the signs task: countdown with plus and minus between numbers in the given order, in few characters and two tries.
func NewSigns(o *task.Options) (task.Task, error) {
	c := &countdown{
		operands: o.Range("operands", [2]int{4, 4}, 2, 6), numbers: o.Range("numbers", [2]int{1, 12}, 1, 999),
		target: o.Range("target", [2]int{1, 99}, 1, 9999), ops: "+-", chain: true, fixed: true,
		compact: o.Choice("style", "compact", "words") == "compact", compares: o.Choice("notes", "none", "compare") == "compare",
		limit: o.Int("limit", 99, 1, 1_000_000), tries: o.Int("tries", 2, 0, 100), silence: o.Float("silence", 0, 0, 0.9),
		checked: o.Choice("working", "free", "checked") == "checked",
	}
	return c.task("signs", o)
}

func (c *countdown) task(name string, o *task.Options) (task.Task, error) {
	if err := o.Done(); err != nil {
		return nil, err
	}
	if c.silence > 0 && !c.compact {
		return nil, fmt.Errorf("task %s: silence needs style=compact", name)
	}
	if c.compares && !c.compact {
		return nil, fmt.Errorf("task %s: notes=compare needs style=compact", name)
	}
	if c.checked && !c.compares {
		return nil, fmt.Errorf("task %s: working=checked needs notes=compare", name)
	}
	if (c.compact || c.fixed) && !c.chain {
		return nil, fmt.Errorf("task %s: style=compact and order=fixed need form=chain", name)
	}
	return generated[Countdown]{name, c}, nil
}

func (c *countdown) valid(p Countdown) error {
	if len(p.Numbers) < 2 || len(p.Numbers) > 6 {
		return fmt.Errorf("%d numbers: want 2 to 6", len(p.Numbers))
	}
	for _, n := range append([]int{p.Target}, p.Numbers...) {
		if n < 0 || n > 9999 {
			return fmt.Errorf("number %d: want 0 to 9999", n)
		}
	}
	return nil
}

// draw picks numbers, then a target uniformly among the distinct values that can be reached and are none of the numbers.
func (c *countdown) draw(r *task.Rand) (Countdown, bool) {
	p := Countdown{Numbers: make([]int, r.Between(c.operands[0], c.operands[1]))}
	for i := range p.Numbers {
		p.Numbers[i] = r.Between(c.numbers[0], c.numbers[1])
	}
	reached := make([]bool, c.target[1]+1)
	c.each(p.Numbers, func(v int) {
		if v >= c.target[0] && v <= c.target[1] {
			reached[v] = true
		}
	})
	var targets []int
	for v, ok := range reached {
		if ok && !slices.Contains(p.Numbers, v) {
			targets = append(targets, v)
		}
	}
	if len(targets) == 0 {
		return p, false
	}
	p.Target = targets[r.IntN(len(targets))]
	return p, true
}

// each calls f with the value of every way to work the numbers out.
func (c *countdown) each(numbers []int, f func(int)) {
	v := make([]int, len(numbers))
	copy(v, numbers)
	if !c.chain {
		c.eachTree(v, f)
		return
	}
	for i := range v {
		if c.fixed && i > 0 {
			return
		}
		v[0], v[i] = v[i], v[0]
		c.eachChain(v[0], v[1:], f)
		v[0], v[i] = v[i], v[0]
	}
}

func (c *countdown) eachChain(total int, rest []int, f func(int)) {
	if len(rest) == 0 {
		f(total)
		return
	}
	for i := range rest {
		if c.fixed && i > 0 {
			return
		}
		rest[0], rest[i] = rest[i], rest[0]
		for j := range len(c.ops) {
			if t, ok := c.apply(c.ops[j], total, rest[0]); ok {
				c.eachChain(t, rest[1:], f)
			}
		}
		rest[0], rest[i] = rest[i], rest[0]
	}
}

// eachTree joins each pair and goes on; v is left as it was.
func (c *countdown) eachTree(v []int, f func(int)) {
	n := len(v)
	if n == 1 {
		f(v[0])
		return
	}
	for i := range n {
		for j := i + 1; j < n; j++ {
			a, b := max(v[i], v[j]), min(v[i], v[j])
			vi, vj := v[i], v[j]
			v[j] = v[n-1]
			for k := range len(c.ops) {
				if t, ok := c.apply(c.ops[k], a, b); ok {
					v[i] = t
					c.eachTree(v[:n-1], f)
				}
			}
			v[i], v[j] = vi, vj
		}
	}
}

// apply works one operation; false where the result is negative, broken or above the limit.
func (c *countdown) apply(op byte, a, b int) (int, bool) {
	switch op {
	case '+':
		a += b
	case '-':
		a -= b
	case '*':
		a *= b
	default:
		if b == 0 || a%b != 0 {
			return 0, false
		}
		a /= b
	}
	return a, a >= 0 && a <= c.limit
}

func (c *countdown) key(p Countdown) string {
	n := slices.Clone(p.Numbers)
	kind := "countdown"
	if c.fixed {
		kind = "signs"
	} else {
		slices.Sort(n)
	}
	return fmt.Sprintf("%s %v = %d", kind, n, p.Target)
}

// difficulty is the binary logarithm of how many ways there are for each that hits: 3 means that one try in eight would do.
func (c *countdown) difficulty(p Countdown) float64 {
	ways, hits := 0, 0
	c.each(p.Numbers, func(v int) {
		ways++
		if v == p.Target {
			hits++
		}
	})
	if hits == 0 {
		return 99
	}
	return math.Round(100*math.Log2(float64(ways)/float64(hits))) / 100
}

func (c *countdown) prompt(p Countdown) string {
	if c.compact {
		return strings.Join(texts(p.Numbers), ",") + "=" + strconv.Itoa(p.Target) + ":"
	}
	order := ""
	if c.fixed {
		order = " in the given order"
	}
	return fmt.Sprintf("Using the numbers [%s]%s, write an expression that equals %d. Use each number exactly once and no operations but %s (and parentheses). "+
		"Think step by step, then give the expression inside <answer> </answer>, as in <answer>%s</answer>.",
		strings.Join(texts(p.Numbers), ", "), order, p.Target, strings.Join(strings.Split(c.ops, ""), " "), map[bool]string{true: "(1 + 2) - 3", false: "(1 + 2) * 3"}[!strings.Contains(c.ops, "*")])
}

func (c *countdown) answer(p Countdown) string { return c.solve(p, task.NewRand(0, 0)).expr }

func texts(numbers []int) []string {
	s := make([]string, len(numbers))
	for i, n := range numbers {
		s[i] = strconv.Itoa(n)
	}
	return s
}

func (c *countdown) grade(p Countdown, text string) task.Verdict {
	expr := answer.Final(text)
	if c.compact {
		line, _, _ := strings.Cut(text[:min(len(text), answer.MaxText)], "\n")
		if n := c.triesIn(line); c.tries > 0 && n > c.tries {
			return wrong(line, "tries", "%d tries, %d are allowed", n, c.tries)
		}
		working, _, _ := strings.Cut(line, ":")
		if fault := c.fault(working, p.Target); c.checked && fault != "" {
			return wrong(line, "working", "%s", fault)
		}
		i := strings.LastIndexByte(line, ':')
		if i < 0 {
			v := wrong("", "no answer", "no expression is claimed")
			v.Reward = c.silence
			return v
		}
		expr = strings.TrimSpace(line[i+1:])
	}
	if expr == "" {
		return wrong("", "no answer", "the text ends without an answer")
	}
	e, err := parseExpr(expr, c.compact)
	if err != nil {
		return wrong(expr, "syntax", "not an expression: %v", err)
	}
	if err := c.uses(p, e); err != nil {
		return wrong(expr, "numbers", "%v", err)
	}
	if e.value == nil || !e.value.IsInt() || !e.value.Num().IsInt64() || e.value.Num().Int64() != int64(p.Target) {
		return wrong(expr, "value", "the expression is %s, not %d", e.text(), p.Target)
	}
	return right(expr, fmt.Sprintf("each number once, and the value is %d", p.Target))
}

// triesIn counts the tries of a line in few characters: each ends with a look at the target.
func (c *countdown) triesIn(line string) int {
	if c.compares {
		tried, _, _ := strings.Cut(line, ":")
		return strings.Count(tried, ";") + 1
	}
	return strings.Count(line, "?")
}

// note is a total beside the target, as in 14>9, and unless it is the first of a try, how it came about, as in +5=14>9.
var note = regexp.MustCompile(`^(?:([-+*/])(\d{1,9})=)?(\d{1,9})([<=>])(\d{1,9})`)

// fault says what is not true in the working of tries with notes; "" where all of it is.
func (c *countdown) fault(working string, target int) string {
	for try := range strings.SplitSeq(working, ";") {
		before := -1
		for rest := try; rest != ""; {
			m := note.FindStringSubmatch(rest)
			if m == nil || (m[1] == "") != (before < 0) {
				return fmt.Sprintf("%q cannot be read", rest)
			}
			rest = rest[len(m[0]):]
			n, _ := strconv.Atoi(m[2])
			total, _ := strconv.Atoi(m[3])
			if before >= 0 {
				if v, ok := c.apply(m[1][0], before, n); !ok || v != total {
					return fmt.Sprintf("%d%s%d is not %d", before, m[1], n, total)
				}
			}
			if said := m[3] + m[4] + m[5]; said != beside(m[3], target) {
				return fmt.Sprintf("%s is not so: the target is %d", said, target)
			}
			before = total
		}
	}
	return ""
}

// uses checks which numbers and operations an expression holds.
func (c *countdown) uses(p Countdown, e *expr) error {
	want, got := slices.Clone(p.Numbers), slices.Clone(e.numbers)
	if !c.fixed {
		slices.Sort(want)
		slices.Sort(got)
	}
	if !slices.Equal(want, got) {
		return fmt.Errorf("it uses the numbers %v, not %v", e.numbers, p.Numbers)
	}
	for i := range len(e.ops) {
		if !strings.Contains(c.ops, e.ops[i:i+1]) {
			return fmt.Errorf("it uses %c, which is not among %s", e.ops[i], c.ops)
		}
	}
	if e.unary {
		return errors.New("it uses a sign, which is no operation between two numbers")
	}
	return nil
}
