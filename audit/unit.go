package audit

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// The base dimensions. Values are kept in FLOP, parameters, tokens, words, devices, seconds, dollars, euros, joules, grams and bytes.
const (
	dimFLOP = iota
	dimParam
	dimToken
	dimWord
	dimDevice
	dimTime
	dimDollar
	dimEuro
	dimEnergy
	dimMass
	dimByte
	dims
)

// Dim is a product of powers of the base dimensions: FLOP/s is {FLOP: 1, time: -1}. The zero Dim is a plain number.
type Dim [dims]int8

func (d Dim) plus(e Dim) Dim {
	for i := range d {
		d[i] += e[i]
	}
	return d
}

func (d Dim) minus(e Dim) Dim {
	for i := range d {
		d[i] -= e[i]
	}
	return d
}

func base(i int) (d Dim) {
	d[i] = 1
	return d
}

// String names the dimension for messages.
func (d Dim) String() string {
	names := [dims]string{"FLOP", "parameters", "tokens", "words", "device", "time", "dollars", "euros", "energy", "mass", "bytes"}
	var over, under []string
	for i, p := range d {
		n := names[i]
		if p > 1 || p < -1 {
			n += fmt.Sprint("^", max(p, -p))
		}
		switch {
		case p > 0:
			over = append(over, n)
		case p < 0:
			under = append(under, n)
		}
	}
	switch {
	case len(over)+len(under) == 0:
		return "a plain number"
	case len(under) == 0:
		return strings.Join(over, "·")
	case len(over) == 0:
		over = []string{"1"}
	}
	return strings.Join(over, "·") + "/" + strings.Join(under, "/")
}

// Unit is a measure: so many base units of a dimension. Device is the part that a device-time names ("h800" in H800-hours), or empty.
type Unit struct {
	Dim    Dim
	Scale  float64
	Device string
}

var plainUnits = map[string]Unit{
	"%": {Scale: 0.01}, "percent": {Scale: 0.01}, "x": {Scale: 1}, "times": {Scale: 1},
	"param": {base(dimParam), 1, ""}, "parameter": {base(dimParam), 1, ""}, "weight": {base(dimParam), 1, ""},
	"token": {base(dimToken), 1, ""}, "tok": {base(dimToken), 1, ""}, "mtoken": {base(dimToken), 1e6, ""}, "word": {base(dimWord), 1, ""},
	"gpu": {base(dimDevice), 1, ""}, "tpu": {base(dimDevice), 1, ""}, "npu": {base(dimDevice), 1, ""}, "chip": {base(dimDevice), 1, ""},
	"cpu": {base(dimDevice), 1, ""}, "card": {base(dimDevice), 1, ""}, "device": {base(dimDevice), 1, ""}, "accelerator": {base(dimDevice), 1, ""},
	"s": {base(dimTime), 1, ""}, "sec": {base(dimTime), 1, ""}, "second": {base(dimTime), 1, ""}, "min": {base(dimTime), 60, ""},
	"minute": {base(dimTime), 60, ""}, "h": {base(dimTime), 3600, ""}, "hr": {base(dimTime), 3600, ""}, "hour": {base(dimTime), 3600, ""},
	"d": {base(dimTime), 86400, ""}, "day": {base(dimTime), 86400, ""}, "week": {base(dimTime), 7 * 86400, ""},
	"month": {base(dimTime), 365.25 / 12 * 86400, ""}, "yr": {base(dimTime), 365.25 * 86400, ""}, "year": {base(dimTime), 365.25 * 86400, ""},
	"$": {base(dimDollar), 1, ""}, "usd": {base(dimDollar), 1, ""}, "dollar": {base(dimDollar), 1, ""}, "us$": {base(dimDollar), 1, ""},
	"cent": {base(dimDollar), 0.01, ""}, "eur": {base(dimEuro), 1, ""}, "euro": {base(dimEuro), 1, ""}, "€": {base(dimEuro), 1, ""},
	"tonne": {base(dimMass), 1e6, ""}, "t": {base(dimMass), 1e6, ""},
}

// prefixed units take k, M, G, T, P, E, Z, Y and the words behind them. Case is not looked at: nobody trains with milliwatts.
var prefixed = map[string]Unit{
	"flop": {base(dimFLOP), 1, ""}, "flops": {base(dimFLOP).minus(base(dimTime)), 1, ""}, "b": {base(dimByte), 1, ""}, "byte": {base(dimByte), 1, ""},
	"j": {base(dimEnergy), 1, ""}, "joule": {base(dimEnergy), 1, ""}, "wh": {base(dimEnergy), 3600, ""}, "watt-hour": {base(dimEnergy), 3600, ""},
	"w": {base(dimEnergy).minus(base(dimTime)), 1, ""}, "watt": {base(dimEnergy).minus(base(dimTime)), 1, ""},
	"g": {base(dimMass), 1, ""}, "gram": {base(dimMass), 1, ""}, "t": {base(dimMass), 1e6, ""}, "tonne": {base(dimMass), 1e6, ""},
}

var siPrefixes = []struct {
	short, long string
	scale       float64
}{{"", "", 1}, {"k", "kilo", 1e3}, {"m", "mega", 1e6}, {"g", "giga", 1e9}, {"t", "tera", 1e12}, {"p", "peta", 1e15}, {"e", "exa", 1e18},
	{"z", "zetta", 1e21}, {"y", "yotta", 1e24}}

// part is how accelerators are called: h800, gb200, mi300x, 910b.
var part = regexp.MustCompile(`^(?:[a-z]{1,6}\d{1,4}[a-z]{0,2}|\d{3}[a-z])$`)

// word finds the readings of one unit name, without products or quotients.
func word(s string) (units []Unit) {
	add := func(u Unit) {
		if !slices.Contains(units, u) {
			units = append(units, u)
		}
	}
	for _, name := range []string{s, strings.TrimSuffix(s, "s")} {
		if u, ok := plainUnits[name]; ok {
			add(u)
		}
		for _, p := range siPrefixes {
			for _, prefix := range []string{p.short, p.long} {
				if rest, ok := strings.CutPrefix(name, prefix); ok {
					if u, ok := prefixed[rest]; ok {
						add(Unit{u.Dim, u.Scale * p.scale, ""})
					}
				}
			}
		}
	}
	if rate := strings.TrimSuffix(s, "s"); len(rate) == 2 && rate[1] == 'f' { // PF-days, PFs-days
		for _, p := range siPrefixes[1:] {
			if p.short == rate[:1] {
				add(Unit{prefixed["flops"].Dim, p.scale, ""})
			}
		}
	}
	if len(units) == 0 && part.MatchString(strings.TrimSuffix(s, "s")) {
		add(Unit{base(dimDevice), 1, strings.TrimSuffix(s, "s")})
	}
	return units
}

var unitSpelling = strings.NewReplacer("−", "-", "–", "-", "·", "-", "*", "-", " per ", "/", "co2eq", "", "co2e", "", "co2-eq", "", "co2", "", "₂", "",
	"gpuh", "gpu-h", "kilowatt-hour", "kwh", "kilowatt hour", "kwh", "megawatt-hour", "mwh", "megawatt hour", "mwh", "gigawatt hour", "gwh", "gigawatt-hour", "gwh",
	"watt hour", "wh", "tonnes of", "tonnes", "metric tons", "tonnes", "metric ton", "tonne", "flop/s-d", "flops-d", "flops/s-d", "flops-d")

// parseUnit finds every reading of a unit's name: factors joined by - or a blank, divided by /. "flops" is a rate or a count.
func parseUnit(s string) []Unit {
	s = strings.TrimSpace(unitSpelling.Replace(strings.ToLower(s)))
	out := []Unit{{Scale: 1}}
	if s == "" || len(s) > 60 { // every factor may have several readings
		return nil
	}
	factors := 0
	for i, group := range strings.Split(s, "/") {
		for _, factor := range strings.FieldsFunc(group, func(r rune) bool { return r == '-' || r == ' ' }) {
			if factors++; factors > 6 {
				return nil
			}
			var next []Unit
			for _, u := range out {
				for _, w := range word(factor) {
					n := Unit{u.Dim.plus(w.Dim), u.Scale * w.Scale, u.Device + w.Device}
					if i > 0 {
						n = Unit{u.Dim.minus(w.Dim), u.Scale / w.Scale, u.Device + w.Device}
					}
					next = append(next, n)
				}
			}
			out = next
		}
		if strings.TrimSpace(group) == "" {
			return nil
		}
	}
	return out
}

// mustUnit reads a unit that stands in this package's own code or tables, in the reading that fits the most plainly: the first.
func mustUnit(s string) Unit {
	if s == "" {
		return Unit{Scale: 1}
	}
	us := parseUnit(s)
	if len(us) == 0 {
		panic("audit: unknown unit " + s)
	}
	return us[0]
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
