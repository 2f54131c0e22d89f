package audit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// format writes a range of this figure's dimension in its unit: one number, or low..high where they differ visibly.
func (f *Figure) format(r Range) string {
	u := f.displayUnit()
	lo, hi := f.number(r.Low/u.Scale), f.number(r.High/u.Scale)
	if lo == hi {
		return lo
	}
	return trimUnit(lo, hi) + "–" + hi
}

// trimUnit drops from the first of two numbers the unit that the second repeats.
func trimUnit(lo, hi string) string {
	i := strings.IndexByte(lo, ' ')
	if i < 0 {
		i = strings.IndexByte(lo, '/')
	}
	if i < 0 || !strings.HasSuffix(hi, lo[i:]) {
		return lo
	}
	return lo[:i]
}

// number writes a value that is already in the display unit.
func (f *Figure) number(v float64) string {
	if small, ok := smaller[f.Unit]; ok && v > 0 && v < 0.1 {
		return short(v*small.times) + " " + small.unit
	}
	switch {
	case f.Unit == "" || f.Unit == "x":
		return short(v)
	case f.Unit == "%":
		return percent(v)
	case f.Unit == "FLOP":
		return exponent(v) + " FLOP"
	case f.Unit == "$":
		return dollars(v)
	case strings.HasPrefix(f.Unit, "$/"):
		if v < 0.1 {
			return fmt.Sprintf("$%.3f/%s", v, f.Unit[2:])
		}
		if v >= 1000 {
			return dollars(v) + f.Unit[1:]
		}
		return fmt.Sprintf("$%.2f/%s", v, f.Unit[2:])
	case f.Unit == "params" || f.Unit == "tokens":
		return short(v) + map[string]string{"params": "", "tokens": " tokens"}[f.Unit]
	case f.Unit == "GPUs":
		return grouped(v) + " GPUs"
	}
	return short(v) + " " + f.Unit
}

// smaller are the units for what would have too many zeros.
var smaller = map[string]struct {
	times float64
	unit  string
}{"MWh": {1000, "kWh"}, "t": {1000, "kg"}, "days": {24, "hours"}}

// exponent writes 3.29e24.
func exponent(v float64) string {
	return strings.Replace(strconv.FormatFloat(v, 'e', 2, 64), "e+", "e", 1)
}

func percent(v float64) string {
	if v >= 1e7 {
		return exponent(v) + " %"
	}
	if v >= 1000 {
		return grouped(v) + " %"
	}
	if v < 0.1 && v > 0 {
		return digits(v, 2) + " %"
	}
	return fmt.Sprintf("%.1f %%", v)
}

// dollars writes $5.576M, $1.6bn, $50, $0.06.
func dollars(v float64) string {
	switch {
	case v >= 999.5e9:
		return "$" + digits(v/1e12, 4) + "tn"
	case v >= 999.5e6:
		return "$" + digits(v/1e9, 4) + "bn"
	case v >= 999.5e3:
		return "$" + digits(v/1e6, 4) + "M"
	case v >= 9999.5:
		return "$" + digits(v/1e3, 4) + "K"
	case v >= 100:
		return "$" + strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 0.01:
		return "$" + strconv.FormatFloat(v, 'f', 2, 64)
	}
	return "$" + strconv.FormatFloat(v, 'g', 2, 64)
}

// short writes four significant digits with K, M, B or T.
func short(v float64) string {
	a := math.Abs(v)
	switch {
	case a >= 1e16 || a < 1e-3 && a > 0:
		return exponent(v)
	case a >= 999.95e9:
		return digits(v/1e12, 4) + "T"
	case a >= 999.95e6:
		return digits(v/1e9, 4) + "B"
	case a >= 999.95e3:
		return digits(v/1e6, 4) + "M"
	case a >= 9999.5:
		return digits(v/1e3, 4) + "K"
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return digits(v, 3)
}

// digits writes n significant digits without trailing zeros.
func digits(v float64, n int) string {
	decimals := max(0, n-1-int(math.Floor(math.Log10(math.Abs(v)+1e-300))))
	s := strconv.FormatFloat(v, 'f', min(decimals, 8), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// grouped writes 16,384.
func grouped(v float64) string {
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
