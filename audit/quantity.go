package audit

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Field is something a claim states: its name as the user wrote it, and the unit that a bare number has. PerDevice fields hold a rate, power
// or price of one accelerator, and the unit may leave "per GPU" out.
type Field struct {
	Name, Unit string
	PerDevice  bool
	Fraction   bool // a share: 40% or 0.4, never 40
}

// Quantity is what was read: a range in base units, with the accelerator that a device-time names.
type Quantity struct {
	Range
	Dim    Dim
	Device string
}

var scales = []struct {
	name  string
	scale float64
}{{"thousand", 1e3}, {"million", 1e6}, {"billion", 1e9}, {"trillion", 1e12}, {"quadrillion", 1e15}, {"hundred", 1e2},
	{"mio", 1e6}, {"mln", 1e6}, {"mn", 1e6}, {"bn", 1e9}, {"tn", 1e12}, {"trn", 1e12}, {"k", 1e3}, {"m", 1e6}, {"b", 1e9}, {"t", 1e12}}

var (
	numberText = regexp.MustCompile(`^(?:\d{1,3}(?:[,_]\d{3})+|\d+)?(?:\.\d+)?(?:e[+-]?\d{1,3})?`)
	dollarSign = regexp.MustCompile(`^(us)?[$€]\s*`)
)

// maxMagnitude bounds every figure, far above any real one, so that products of a few stay finite.
const maxMagnitude = 1e45

// Parse reads a quantity as people write them: 671b, 14.8 trillion, $5.576M, "2.664m GPU-hours", 3640 petaflop/s-days, 1.5..2.5, "~54 days".
// A unit of another dimension is an error that names the field.
func (f Field) Parse(text string) (Quantity, error) {
	if len(text) > 200 {
		return Quantity{}, fmt.Errorf("%s: %d bytes are no number", f.Name, len(text))
	}
	s := strings.TrimSpace(strings.ToLower(text))
	s = strings.TrimSpace(strings.TrimLeft(s, "~≈"))
	if first, rest, ok := strings.Cut(s, " "); ok && slices.Contains([]string{"about", "around", "roughly", "approximately", "circa", "some", "ca."}, strings.ToLower(first)) {
		s = strings.TrimSpace(rest)
	}
	lo, hi, isRange := strings.Cut(s, "..")
	if !isRange {
		lo, hi, isRange = strings.Cut(s, " to ")
	}
	if !isRange {
		q, err := f.one(s)
		if err != nil {
			return Quantity{}, f.wrap(text, err)
		}
		return q, nil
	}
	b, err := f.one(strings.TrimSpace(hi))
	if err != nil {
		return Quantity{}, f.wrap(text, err)
	}
	if n := numberText.FindString(strings.TrimSpace(hi)); n != "" && numberText.FindString(strings.TrimSpace(lo)) == strings.TrimSpace(lo) {
		lo += strings.TrimSpace(hi)[len(n):] // "1.5..2.5m": the unit is said once
	}
	a, err := f.one(strings.TrimSpace(lo))
	if err != nil {
		return Quantity{}, f.wrap(text, err)
	}
	if a.Low > b.High {
		return Quantity{}, f.wrap(text, fmt.Errorf("the range runs backwards"))
	}
	return Quantity{Range{a.Low, (a.Low + b.High) / 2, b.High}, b.Dim, b.Device}, nil
}

func (f Field) wrap(text string, err error) error { return fmt.Errorf("%s: %q: %w", f.Name, text, err) }

// one reads a number and its unit.
func (f Field) one(s string) (Quantity, error) {
	sign := dollarSign.FindString(s)
	s = s[len(sign):]
	value, rest, err := leadingNumber(s)
	if err != nil {
		return Quantity{}, err
	}
	if strings.Contains(sign, "€") {
		rest = moveSign(rest, "€")
	} else if sign != "" {
		rest = moveSign(rest, "$")
	}
	u, err := f.unit(rest)
	if err != nil {
		return Quantity{}, err
	}
	if f.Fraction && rest == "" && value > 1 {
		return Quantity{}, fmt.Errorf("a share is written 0.4 or 40%%")
	}
	v := value * u.Scale
	if !(v > 0) {
		return Quantity{}, fmt.Errorf("want a number above zero")
	}
	if !finite(v) || v > maxMagnitude {
		return Quantity{}, fmt.Errorf("the number is too large to mean anything")
	}
	return Quantity{Sharp(v), u.Dim, u.Device}, nil
}

// moveSign puts a currency sign that stood before the number behind its scale: $5m/day is 5 m $/day.
func moveSign(rest, sign string) string {
	for _, s := range scales {
		if after, ok := cutScale(rest, s.name); ok && (after == "" || after[0] == '/') {
			return s.name + " " + sign + after
		}
	}
	if rest == "" || rest[0] == '/' {
		return sign + rest
	}
	return sign + "-" + rest // $5 kWh: two units, refused later
}

// unit finds the reading of what follows the number that has the field's dimension.
func (f Field) unit(rest string) (Unit, error) {
	want := mustUnit(f.Unit)
	if f.Fraction && rest == "" {
		return Unit{Scale: 1}, nil
	}
	if rest == "" {
		return want, nil
	}
	var seen []Unit
	try := func(text string, scale float64) (Unit, bool) {
		if text == "" {
			return Unit{want.Dim, want.Scale * scale, ""}, true
		}
		for _, u := range parseUnit(text) {
			u.Scale *= scale
			seen = append(seen, u)
			if u.Dim == want.Dim {
				return u, true
			}
			if f.PerDevice && u.Dim.minus(base(dimDevice)) == want.Dim {
				return Unit{want.Dim, u.Scale, u.Device}, true
			}
			if f.Name != "" && want.Dim == base(dimToken) && u.Dim == base(dimWord) {
				return u, true // the caller turns words into tokens, and says so
			}
		}
		return Unit{}, false
	}
	if u, ok := try(rest, 1); ok {
		return u, nil
	}
	for _, s := range scales {
		after, ok := cutScale(rest, s.name)
		if !ok || want.Dim == base(dimTime) && len(s.name) == 1 { // is 5m five minutes or five million?
			continue
		}
		for _, second := range scales[:6] { // "14.8 thousand billion"
			if more, ok := cutScale(after, second.name); ok {
				if u, ok := try(more, s.scale*second.scale); ok {
					return u, nil
				}
			}
		}
		if u, ok := try(after, s.scale); ok {
			return u, nil
		}
	}
	if len(seen) > 0 {
		return Unit{}, fmt.Errorf("this is %s, want %s (such as %s)", seen[0].Dim, want.Dim, f.Unit)
	}
	return Unit{}, fmt.Errorf("unknown unit %q, want %s (such as %s)", rest, want.Dim, f.Unit)
}

// cutScale takes a multiplier off the front. Letters must not run on into the unit, except before a currency sign.
func cutScale(s, scale string) (string, bool) {
	rest, ok := strings.CutPrefix(s, scale)
	if !ok {
		return "", false
	}
	if rest == "" {
		return "", true
	}
	switch rest[0] {
	case ' ', '-', '/':
		return strings.TrimLeft(rest, " -"), true
	case '$':
		return rest, true
	}
	if strings.HasPrefix(rest, "s ") && len(scale) > 4 { // "8 millions tokens"
		return rest[2:], true
	}
	return "", false
}

// digitMarks part the digits of long numbers.
var digitMarks = strings.NewReplacer(",", "", "_", "")

// leadingNumber reads digits (1,234.5e6) or words (fourteen point eight) and returns the rest.
func leadingNumber(s string) (float64, string, error) {
	if n := numberText.FindString(s); n != "" && n[0] != 'e' {
		v, err := strconv.ParseFloat(digitMarks.Replace(n), 64)
		if err != nil {
			return 0, "", fmt.Errorf("not a number")
		}
		rest := s[len(n):]
		if rest != "" && (rest[0] == ',' || rest[0] == '.' || rest[0] >= '0' && rest[0] <= '9') {
			return 0, "", fmt.Errorf("not a number: a comma only parts thousands, in threes")
		}
		return v, strings.TrimLeft(rest, " -_"), nil
	}
	return spelledNumber(s)
}

var numerals = map[string]float64{"zero": 0, "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
	"ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
	"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "half": 0.5}

// spelledNumber reads English numerals below a thousand; multipliers such as million follow as units do.
func spelledNumber(s string) (float64, string, error) {
	words := strings.Fields(strings.ReplaceAll(s, "-", " "))
	value, used, digit := 0.0, 0, 0.0
	for _, w := range words {
		n, ok := numerals[w]
		switch {
		case digit > 0 && ok && n < 10:
			value, digit = value+n*digit, digit/10
		case digit > 0:
			ok = false
		case used > 0 && w == "hundred":
			value, ok = value*100, true
		case used > 0 && w == "and":
			ok = true
		case used > 0 && w == "point":
			digit, ok = 0.1, true
		case ok:
			value += n
		}
		if !ok {
			break
		}
		used++
	}
	if used == 0 {
		return 0, "", fmt.Errorf("want a number")
	}
	return value, strings.Join(words[used:], " "), nil
}
