package puzzle

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/answer"
)

// Arithmetic is one operation on two whole numbers; a division leaves no remainder.
type Arithmetic struct {
	A  uint64 `json:"a"`
	B  uint64 `json:"b"`
	Op string `json:"op"`
}

type arithmetic struct {
	digits  [2]int
	ops     string
	compact bool
}

// NewArithmetic makes the arithmetic task.
func NewArithmetic(o *task.Options) (task.Task, error) {
	a := &arithmetic{digits: o.Range("digits", [2]int{2, 4}, 1, 9), ops: o.Letters("ops", "+-*", "+-*/"), compact: o.Choice("style", "words", "compact") == "compact"}
	return generated[Arithmetic]{"arithmetic", a}, o.Done()
}

func (*arithmetic) valid(p Arithmetic) error {
	switch {
	case len(p.Op) != 1 || !strings.Contains("+-*/", p.Op):
		return fmt.Errorf("operation %q: want one of + - * /", p.Op)
	case p.A > 1e18 || p.B > 1e9:
		return errors.New("number too large")
	case p.Op == "/" && (p.B == 0 || p.A%p.B != 0):
		return errors.New("the division leaves a remainder")
	}
	return nil
}

func (c *arithmetic) draw(r *task.Rand) (Arithmetic, bool) {
	number := func() uint64 {
		n := r.Between(c.digits[0], c.digits[1])
		lo := 1
		for range n - 1 {
			lo *= 10
		}
		return uint64(r.Between(lo, 10*lo-1))
	}
	p := Arithmetic{A: number(), B: number(), Op: string(c.ops[r.IntN(len(c.ops))])}
	if p.Op == "/" {
		p.A *= p.B
	}
	return p, true
}

func (p Arithmetic) value() *big.Int {
	a, b := new(big.Int).SetUint64(p.A), new(big.Int).SetUint64(p.B)
	switch p.Op {
	case "+":
		return a.Add(a, b)
	case "-":
		return a.Sub(a, b)
	case "*":
		return a.Mul(a, b)
	}
	return a.Quo(a, b)
}

func (*arithmetic) key(p Arithmetic) string {
	a, b := p.A, p.B
	if a > b && (p.Op == "+" || p.Op == "*") {
		a, b = b, a
	}
	return fmt.Sprintf("arithmetic %d %s %d", a, p.Op, b)
}

// difficulty counts the steps on single digits that the written method takes.
func (*arithmetic) difficulty(p Arithmetic) float64 {
	n, m := len(strconv.FormatUint(p.A, 10)), len(strconv.FormatUint(p.B, 10))
	switch p.Op {
	case "*":
		return float64(n * m)
	case "/":
		return float64((n - m + 1) * m)
	}
	return float64(max(n, m))
}

func (c *arithmetic) prompt(p Arithmetic) string {
	if c.compact {
		return fmt.Sprintf("%d%s%d=", p.A, p.Op, p.B)
	}
	return fmt.Sprintf("What is %d %s %d? Work it out step by step, then give the number inside <answer> </answer>.", p.A, p.Op, p.B)
}

func (*arithmetic) answer(p Arithmetic) string { return p.value().String() }

func (c *arithmetic) grade(p Arithmetic, text string) task.Verdict {
	got := answer.Final(text)
	if c.compact {
		got, _, _ = strings.Cut(text[:min(len(text), answer.MaxText)], "\n")
		got = got[strings.LastIndexByte(got, '=')+1:]
	} else if i := strings.LastIndexByte(got, '='); i >= 0 {
		got = got[i+1:]
	}
	got = strings.Trim(got, " .$\t")
	plain := strings.NewReplacer(",", "", " ", "", "−", "-", `\,`, "", "{", "", "}", "").Replace(got)
	const mostDigits = 40
	if plain == "" {
		return wrong(got, "no answer", "the text ends without an answer")
	}
	n, ok := new(big.Int), false
	if len(plain) <= mostDigits {
		n, ok = n.SetString(plain, 10)
	}
	switch want := p.value(); {
	case !ok:
		return wrong(got, "syntax", "not a whole number")
	case n.Cmp(want) != 0:
		return wrong(got, "value", "%d %s %d is %v, not %v", p.A, p.Op, p.B, want, n)
	}
	return right(got, "equal whole numbers")
}

func (c *arithmetic) trace(p Arithmetic, _ *task.Rand) string {
	if c.compact {
		return p.value().String() + "\n"
	}
	var b strings.Builder
	b.WriteString("<think>\n")
	switch p.Op {
	case "+":
		addColumns(&b, p.A, p.B)
	case "-":
		subtractColumns(&b, p.A, p.B)
	case "*":
		multiplyRows(&b, p.A, p.B)
	default:
		divideDigits(&b, p.A, p.B)
	}
	fmt.Fprintf(&b, "</think>\n<answer>%v</answer>", p.value())
	return b.String()
}

// addColumns adds digit by digit from the right.
func addColumns(b *strings.Builder, x, y uint64) {
	carry, sum := uint64(0), ""
	for a, c := x, y; a > 0 || c > 0; a, c = a/10, c/10 {
		s := a%10 + c%10 + carry
		fmt.Fprintf(b, "%d + %d", a%10, c%10)
		if carry > 0 {
			fmt.Fprintf(b, " + %d", carry)
		}
		fmt.Fprintf(b, " = %d: write %d, carry %d.\n", s, s%10, s/10)
		sum, carry = strconv.FormatUint(s%10, 10)+sum, s/10
	}
	if carry > 0 {
		fmt.Fprintf(b, "Write the carried %d.\n", carry)
	}
	fmt.Fprintf(b, "%d + %d = %d\n", x, y, x+y)
}

// subtractColumns takes the smaller number from the larger, digit by digit.
func subtractColumns(b *strings.Builder, x, y uint64) {
	large, small := max(x, y), min(x, y)
	if x < y {
		fmt.Fprintf(b, "%d is less than %d, so the result is -(%d - %d).\n", x, y, y, x)
	}
	borrow := uint64(0)
	for a, c := large, small; a > 0; a, c = a/10, c/10 {
		take := c%10 + borrow
		if a%10 >= take {
			fmt.Fprintf(b, "%d - %d = %d: write %d.\n", a%10, take, a%10-take, a%10-take)
			borrow = 0
		} else {
			fmt.Fprintf(b, "%d - %d needs a borrowed ten: %d - %d = %d: write %d.\n", a%10, take, a%10+10, take, a%10+10-take, a%10+10-take)
			borrow = 1
		}
	}
	fmt.Fprintf(b, "%d - %d = %d\n", large, small, large-small)
	if x < y {
		fmt.Fprintf(b, "%d - %d = -%d\n", x, y, y-x)
	}
}

// multiplyRows adds up one row a digit of y.
func multiplyRows(b *strings.Builder, x, y uint64) {
	total, place := new(big.Int), big.NewInt(1)
	for c := y; c > 0; c /= 10 {
		row := new(big.Int).Mul(new(big.Int).SetUint64(x*(c%10)), place)
		fmt.Fprintf(b, "%d * %d = %v", x, new(big.Int).Mul(new(big.Int).SetUint64(c%10), place), row)
		if total.Sign() > 0 {
			fmt.Fprintf(b, "; %v + %v = %v", total, row, new(big.Int).Add(total, row))
		}
		b.WriteString(".\n")
		total.Add(total, row)
		place.Mul(place, big.NewInt(10))
	}
	fmt.Fprintf(b, "%d * %d = %v\n", x, y, total)
}

// divideDigits finds each digit of the quotient by trying multiples until one is too large.
func divideDigits(b *strings.Builder, x, y uint64) {
	rest := uint64(0)
	for _, d := range strconv.FormatUint(x, 10) {
		rest = rest*10 + uint64(d-'0')
		if rest < y {
			fmt.Fprintf(b, "%d is less than %d: write 0.\n", rest, y)
			continue
		}
		q := uint64(1)
		for ; (q+1)*y <= rest; q++ {
			fmt.Fprintf(b, "%d * %d = %d fits into %d, try more. ", y, q, y*q, rest)
		}
		fmt.Fprintf(b, "%d * %d = %d fits, %d is too large: write %d, %d - %d = %d is left.\n", y, q, y*q, y*(q+1), q, rest, y*q, rest-y*q)
		rest -= q * y
	}
	fmt.Fprintf(b, "%d / %d = %d, nothing is left.\n", x, y, x/y)
}
