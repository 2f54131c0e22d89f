package mathgrade

import (
	"math/big"
	"strings"
)

// measure is a unit: what it measures and how many of the base unit it is.
type measure struct {
	kind string
	size *big.Rat
}

func rat(a, b int64) *big.Rat { return big.NewRat(a, b) }

var measures = map[string]measure{
	"mm": {"length", rat(1, 1000)}, "cm": {"length", rat(1, 100)}, "dm": {"length", rat(1, 10)}, "m": {"length", rat(1, 1)}, "km": {"length", rat(1000, 1)},
	"inch": {"length", rat(254, 10000)}, "foot": {"length", rat(3048, 10000)}, "yard": {"length", rat(9144, 10000)}, "mile": {"length", rat(1609344, 1000)},
	"s": {"time", rat(1, 1)}, "minute": {"time", rat(60, 1)}, "hour": {"time", rat(3600, 1)}, "day": {"time", rat(86400, 1)}, "week": {"time", rat(604800, 1)},
	"mg": {"mass", rat(1, 1000)}, "g": {"mass", rat(1, 1)}, "kg": {"mass", rat(1000, 1)}, "ton": {"mass", rat(1000000, 1)},
	"ml": {"volume", rat(1, 1000)}, "l": {"volume", rat(1, 1)},
	"cent": {"money", rat(1, 100)}, "dollar": {"money", rat(1, 1)},
}

var unitNames = map[string]string{
	"millimeter": "mm", "centimeter": "cm", "decimeter": "dm", "meter": "m", "metre": "m", "centimetre": "cm", "millimetre": "mm", "kilometer": "km", "kilometre": "km",
	"inches": "inch", "in": "inch", "feet": "foot", "ft": "foot", "yd": "yard", "mi": "mile", "sec": "s", "second": "s", "min": "minute", "hr": "hour", "h": "hour",
	"milligram": "mg", "gram": "g", "kilogram": "kg", "milliliter": "ml", "mL": "ml", "liter": "l", "litre": "l", "L": "l", "usd": "dollar",
}

// unitOf finds the measure of a unit text, with its power: "square cm", "cm^2", "miles".
func unitOf(s string) (measure, int, bool) {
	w := strings.ToLower(strings.Trim(strings.TrimSpace(s), ".,"))
	power := 1
	for prefix, k := range map[string]int{"square ": 2, "sq ": 2, "sq. ": 2, "cubic ": 3, "cu ": 3} {
		if rest, ok := strings.CutPrefix(w, prefix); ok {
			w, power = rest, k
			break
		}
	}
	if base, e, ok := strings.Cut(w, "^"); ok {
		switch strings.Trim(e, "{}") {
		case "2":
			w, power = base, 2
		case "3":
			w, power = base, 3
		default:
			return measure{}, 0, false
		}
	}
	w = strings.TrimSpace(w)
	for _, try := range []string{w, strings.TrimSuffix(w, "s")} {
		if to, ok := unitNames[try]; ok {
			try = to
		}
		if m, ok := measures[try]; ok {
			return m, power, true
		}
	}
	return measure{}, 0, false
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
	a, i, ok1 := unitOf(p)
	b, j, ok2 := unitOf(g)
	if !ok1 || !ok2 {
		return nil, false, false
	}
	if a.kind != b.kind || i != j {
		return nil, true, false
	}
	f := big.NewRat(1, 1)
	for range i {
		f.Mul(f, new(big.Rat).Quo(a.size, b.size))
	}
	return f, true, f.Cmp(big.NewRat(1, 1)) == 0
}
