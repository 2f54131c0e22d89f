package mathgrade

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/pennyml/penny/task/mathgrade/expr"
	"github.com/pennyml/penny/task/mathgrade/value"
)

// dimension holds the powers of what a unit measures: length, mass, time, current, temperature, amount, money, months, and scales that convert
// into nothing else.
type dimension [9]int8

// measure is a unit: what it measures and how many of the base unit it is.
type measure struct {
	of   dimension
	size *big.Rat
}

const other = 8 // the last

// baseUnits are the units of size 1, in the order of dimensions.
var baseUnits = []string{"m meter metre", "g gram gramme", "s sec second", "A ampere amp", "K kelvin", "mol mole", "dollar usd", "month"}

// unitTable lists the other names, their size as a quotient of whole numbers, and the unit that it is given in. Names are tried as written, then in
// small letters, then without a plural s.
const unitTable = `
km kilometer kilometre = 1000 m ; dm decimeter decimetre = 1/10 m ; cm centimeter centimetre = 1/100 m ; mm millimeter millimetre = 1/1000 m
nm nanometer nanometre = 1/1000000000 m ; inch inches in = 254/10000 m ; foot feet ft = 3048/10000 m ; yard yd = 9144/10000 m ; mile mi = 1609344/1000 m
kg kilogram kilogramme kilo = 1000 g ; mg milligram = 1/1000 g ; t ton tonne = 1000000 g ; lb pound = 45359237/100000 g ; oz ounce = 45359237/1600000 g
ms millisecond = 1/1000 s ; minute min = 60 s ; hour hr h = 3600 s ; day = 86400 s ; week wk = 604800 s ; year yr = 12 month ; decade = 120 month ; century = 1200 month
l L liter litre = 1/1000 m^3 ; ml mL milliliter millilitre cc = 1/1000000 m^3 ; gallon gal = 3785411784/1000000000000 m^3
ha hectare = 10000 m^2 ; acre = 40468564224/10000000 m^2
cent = 1/100 dollar ; mph = 1609344/3600000 m/s ; kph kmh = 1000/3600 m/s
Hz hertz = 1 s^-1 ; kHz = 1000 s^-1 ; MHz = 1000000 s^-1 ; C coulomb = 1 A*s
N newton = 1000 g*m/s^2 ; J joule = 1000 g*m^2/s^2 ; kJ kilojoule = 1000000 g*m^2/s^2 ; W watt = 1000 g*m^2/s^3 ; kW kilowatt = 1000000 g*m^2/s^3
kWh = 3600000000 g*m^2/s^2 ; Pa pascal = 1000 g/m/s^2 ; kPa kilopascal = 1000000 g/m/s^2 ; V volt = 1000 g*m^2/s^3/A ; ohm Ω = 1000 g*m^2/s^3/A^2`

// scales are units that convert into no other.
var scales = []string{"celsius", "fahrenheit", "euro", "sterling", "yen"}

// measures is the table by name.
var measures = sync.OnceValue(func() map[string]measure {
	m := map[string]measure{}
	for k, names := range baseUnits {
		for _, n := range strings.Fields(names) {
			u := measure{size: big.NewRat(1, 1)}
			u.of[k] = 1
			m[n] = u
		}
	}
	for i, n := range scales {
		u := measure{size: big.NewRat(1, 1)}
		u.of[other] = int8(i + 1)
		m[n] = u
	}
	for line := range strings.FieldsFuncSeq(unitTable, func(r rune) bool { return r == ';' || r == '\n' }) {
		names, def, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		size, in, _ := strings.Cut(strings.TrimSpace(def), " ")
		factor, ok1 := new(big.Rat).SetString(size)
		u, ok2 := product(in, m)
		if !ok1 || !ok2 {
			panic("mathgrade: units: " + line)
		}
		u.size = factor.Mul(factor, u.size)
		for _, n := range strings.Fields(names) {
			m[n] = u
		}
	}
	return m
})

var unitFactor = regexp.MustCompile(`^([\p{L}]+)(?:\^?\{?(-?\d)\}?)?$`)

// product reads "km", "m/s^2" or "g*m^2/s^2".
func product(s string, table map[string]measure) (measure, bool) {
	out := measure{size: big.NewRat(1, 1)}
	sign := 1
	for len(s) > 0 {
		end := strings.IndexAny(s, "*/")
		part, next := s, ""
		if end >= 0 {
			part, next = s[:end], s[end+1:]
		}
		m := unitFactor.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return measure{}, false
		}
		u, ok := named(m[1], table)
		if !ok {
			return measure{}, false
		}
		power := 1
		if m[2] != "" {
			power, _ = strconv.Atoi(m[2])
		}
		power *= sign
		for i := range out.of {
			out.of[i] += int8(power) * u.of[i]
		}
		for range max(power, -power) {
			if power > 0 {
				out.size.Mul(out.size, u.size)
			} else {
				out.size.Quo(out.size, u.size)
			}
		}
		if end >= 0 && s[end] == '/' {
			sign = -1
		} else {
			sign = 1
		}
		s = next
	}
	return out, true
}

func named(name string, table map[string]measure) (measure, bool) {
	low := strings.ToLower(name)
	for _, try := range []string{name, low, strings.TrimSuffix(low, "s")} {
		if u, ok := table[try]; ok {
			return u, true
		}
	}
	return measure{}, false
}

var (
	perWord   = regexp.MustCompile(`\s+per\s+`)
	sqWord    = regexp.MustCompile(`^(?:square|sq\.?)\s+([\p{L}]+)`)
	cuWord    = regexp.MustCompile(`^(?:cubic|cu\.?)\s+([\p{L}]+)`)
	raised    = strings.NewReplacer("²", "^2", "³", "^3", "·", "*", "⋅", "*", `\cdot`, "*", "×", "*")
	unitSpace = regexp.MustCompile(`\s*([*/^])\s*`)
)

// unitOf finds the measure of a unit text: "square cm", "cm^2", "miles per hour", "kg*m/s^2".
func unitOf(s string) (measure, bool) {
	w := strings.TrimRight(strings.TrimSpace(raised.Replace(s)), ".,")
	w = perWord.ReplaceAllString(w, "/")
	w = sqWord.ReplaceAllString(w, "$1^2")
	w = cuWord.ReplaceAllString(w, "$1^3")
	w = unitSpace.ReplaceAllString(w, "$1")
	if w == "" || len(w) > 60 {
		return measure{}, false
	}
	return product(strings.TrimSpace(w), measures())
}

// quantifier reads "million people" as 1000000 and "people".
func quantifier(unit string) (size int64, rest string) {
	first, rest, _ := strings.Cut(strings.TrimSpace(unit), " ")
	switch strings.ToLower(first) {
	case "dozen":
		return 12, rest
	case "hundred":
		return 100, rest
	case "thousand":
		return 1000, rest
	case "million":
		return 1_000_000, rest
	case "billion":
		return 1_000_000_000, rest
	case "trillion":
		return 1_000_000_000_000, rest
	}
	return 1, unit
}

// halfDays reports a.m. against p.m.
func halfDays(p, g string) bool {
	half := func(s string) string { return strings.ReplaceAll(words(s), " ", "") }
	a, b := half(p), half(g)
	return a == "am" && b == "pm" || a == "pm" && b == "am"
}

// convert gives the factor from unit p to unit g. known says that both are measures in the table (factor nil when they measure different
// things), same that the texts mean one unit.
func convert(p, g string) (factor *big.Rat, known, same bool) {
	if words(p) == words(g) || p != "" && strings.TrimSuffix(words(p), "s") == strings.TrimSuffix(words(g), "s") {
		return nil, false, true
	}
	a, ok1 := unitOf(p)
	b, ok2 := unitOf(g)
	if !ok1 || !ok2 {
		return nil, false, false
	}
	if a.of != b.of {
		return nil, true, false
	}
	f := new(big.Rat).Quo(a.size, b.size)
	return f, true, f.Cmp(big.NewRat(1, 1)) == 0
}

const (
	numberPart = `[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:\s*(?:\\times|\\cdot|×|\*|x)\s*10\s*\^\s*\{?-?\d+\}?)?|.*[\d})\]!]`
	unitPart   = `(?:\\(?:text|mathrm|textrm|rm)\s*\{[^{}]*\}|\\Omega|[\p{L}']+|°\s*[CF])(?:\s*\^\s*\{?-?\d\}?|[²³])?`
)

var (
	bareUnit  = regexp.MustCompile(`^(` + numberPart + `?)(\s|\\[,; !]|~)*(` + unitPart + `(?:\s*(?:/|\*|·|⋅|\\cdot|\s|per)\s*` + unitPart + `)*)\.?$`)
	unitStyle = regexp.MustCompile(`\\(?:text|mathrm|textrm|rm)\s*\{([^{}]*)\}`)
	mixedUnit = regexp.MustCompile(`(\d+(?:\.\d+)?(?:/\d+)?|\d+ \d+/\d+)\s*([\p{L}]+)\.?(?:\s*,?\s*(?:and)?\s*|$)`)
	feet      = regexp.MustCompile(`(\d)\s*(?:'|′|’)\s*(\d+(?:\.\d+)?)\s*(?:"|″|”|''|’’)?$`)
)

// withUnit reads "500 cm", "36 km/h" or "5 m" as a value with a known unit, where the parser sees a product of variables. A unit of one letter needs
// blank space or styling before it.
func withUnit(s string) (*expr.Node, bool) {
	if n, ok := severalUnits(s); ok {
		return n, true
	}
	m := bareUnit.FindStringSubmatch(s)
	if m == nil {
		return nil, false
	}
	u := strings.TrimSpace(unitStyle.ReplaceAllString(strings.ReplaceAll(m[3], `\Omega`, "ohm"), "$1"))
	if len(u) == 1 && m[2] == "" && !strings.HasPrefix(m[3], `\`) {
		return nil, false
	}
	if _, ok := unitOf(u); !ok {
		return nil, false
	}
	n, err := expr.Parse(strings.TrimRight(m[1], `\, `))
	if err != nil || len(n.Vars()) > 0 || n.Kind == expr.Text || n.Kind == expr.Rel || many(n) {
		return nil, false
	}
	return expr.Apply("unit", n, &expr.Node{Kind: expr.Text, Name: u}), true
}

// severalUnits reads "2 ft 6 in", 5'6" and "3 hours and 20 minutes": the sum, in the first unit.
func severalUnits(s string) (*expr.Node, bool) {
	s = unitStyle.ReplaceAllString(feet.ReplaceAllString(s, "$1 ft $2 in"), " $1 ")
	s = strings.TrimSpace(strings.NewReplacer(`\,`, " ", `\ `, " ", "~", " ").Replace(s))
	parts := mixedUnit.FindAllStringSubmatchIndex(s, 5)
	if len(parts) < 2 || parts[0][0] != 0 || parts[len(parts)-1][1] != len(s) {
		return nil, false
	}
	total, first := new(big.Rat), measure{}
	for i, m := range parts {
		if i > 0 && m[0] != parts[i-1][1] {
			return nil, false
		}
		u, ok := unitOf(s[m[4]:m[5]])
		n, err := expr.Parse(s[m[2]:m[3]])
		if !ok || err != nil {
			return nil, false
		}
		v := value.Exact(n)
		if i == 0 {
			first = u
		}
		if v == nil || u.of != first.of {
			return nil, false
		}
		total.Add(total, v.Mul(v, new(big.Rat).Quo(u.size, first.size)))
	}
	return expr.Apply("unit", expr.Rat(total), &expr.Node{Kind: expr.Text, Name: s[parts[0][4]:parts[0][5]]}), true
}
