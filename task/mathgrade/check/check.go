// Package check is a second judge of mathematical answers. It shares no code with the grader: it rewrites both answers into plain
// arithmetic by text, evaluates them with hardware complex numbers at fixed points, and compares. It knows less, says so when it cannot
// tell, and is there to count how often the two disagree.
package check

import (
	"math"
	"math/cmplx"
	"sort"
	"strings"
)

// Opinion is what the checker thinks of a pair.
type Opinion int

// The three opinions.
const (
	Unknown Opinion = iota
	Equal
	Different
)

func (o Opinion) String() string { return [...]string{"unknown", "equal", "different"}[o] }

// Compare judges an answer that is already extracted against the expected one.
func Compare(pred, gold string) Opinion {
	if len(pred) > 4000 || len(gold) > 4000 {
		return Unknown
	}
	p, g := rewrite(pred), rewrite(gold)
	if p == "" || g == "" {
		return Unknown
	}
	if p == g {
		return Equal
	}
	return structure(p, g, 0)
}

// structure compares bracketed lists part by part and everything else by value.
func structure(p, g string, depth int) Opinion {
	if depth > 4 {
		return Unknown
	}
	p, g = rightSide(p), rightSide(g)
	if strings.ContainsAny(p+g, "<>U=") {
		return Unknown
	}
	ps, pb := parts(p)
	gs, gb := parts(g)
	if len(ps) != len(gs) {
		return Different
	}
	if len(ps) == 1 {
		return scalar(ps[0], gs[0])
	}
	if pb != gb {
		if len(pb) == len(gb) && len(ps) == 2 && strings.ContainsAny(pb+gb, "[") && !strings.ContainsAny(pb+gb, "{") {
			return Different
		}
		return Unknown
	}
	if pb == "" || pb == "{}" {
		return unordered(ps, gs, depth)
	}
	out := Equal
	for i := range ps {
		switch structure(ps[i], gs[i], depth+1) {
		case Different:
			return Different
		case Unknown:
			out = Unknown
		}
	}
	return out
}

func unordered(ps, gs []string, depth int) Opinion {
	if len(ps) > 24 {
		return Unknown
	}
	used := make([]bool, len(gs))
	for _, p := range ps {
		found, unknown := false, false
		for j, g := range gs {
			if used[j] {
				continue
			}
			switch structure(p, g, depth+1) {
			case Equal:
				used[j], found = true, true
			case Unknown:
				unknown = true
			}
			if found {
				break
			}
		}
		if !found {
			if unknown {
				return Unknown
			}
			return Different
		}
	}
	return Equal
}

// rightSide drops a short name before an equals sign.
func rightSide(s string) string {
	i := strings.LastIndexByte(s, '=')
	if i < 0 || strings.Contains(s, ",") || i > 12 || strings.ContainsAny(s[:i], "+-*/^0123456789<>") {
		return s
	}
	return s[i+1:]
}

// parts splits a list at its top-level commas and gives the brackets round it.
func parts(s string) (items []string, brackets string) {
	if len(s) > 1 && strings.IndexByte("([{", s[0]) >= 0 && strings.IndexByte(")]}", s[len(s)-1]) >= 0 && matching(s) == len(s)-1 && hasComma(s[1:len(s)-1]) {
		return split(s[1 : len(s)-1]), s[:1] + s[len(s)-1:]
	}
	return split(s), ""
}

func matching(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func hasComma(s string) bool { return len(split(s)) > 1 }

func split(s string) []string {
	var out []string
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, s[start:i])
				start = i + 1
			}
		}
	}
	return append(out, s[start:])
}

// tolerance is far above the rounding of hardware arithmetic and far below the distance of different answers of usual size.
const tolerance = 1e-9

// scalar compares two values at several points; a percent sign may be a hundredth or nothing.
func scalar(p, g string) Opinion {
	a, err := parse(p)
	if err != nil {
		return Unknown
	}
	b, err := parse(g)
	if err != nil {
		return Unknown
	}
	best := numbers(a, b)
	if best == Different && strings.Contains(p, "%") != strings.Contains(g, "%") {
		a, errA := parse(strings.ReplaceAll(p, "%", ""))
		b, errB := parse(strings.ReplaceAll(g, "%", ""))
		if errA == nil && errB == nil {
			return numbers(a, b)
		}
	}
	return best
}

func numbers(a, b *tree) Opinion {
	names := map[string]bool{}
	a.names(names)
	n := len(names)
	b.names(names)
	if len(names) > n {
		return Different
	}
	list := make([]string, 0, len(names))
	for v := range names {
		list = append(list, v)
	}
	sort.Strings(list)
	agree, tried := 0, 0
	for k := range 6 {
		at := map[string]complex128{}
		for i, v := range list {
			at[v] = complex(0.3+math.Mod(0.618034*float64(k*7+i*3+1), 1)*1.9, 0)
		}
		x, y := a.eval(at), b.eval(at)
		if cmplx.IsNaN(x) || cmplx.IsNaN(y) || cmplx.IsInf(x) || cmplx.IsInf(y) {
			continue
		}
		tried++
		if cmplx.Abs(x-y) <= tolerance*math.Max(1e-3, math.Max(cmplx.Abs(x), cmplx.Abs(y))) {
			agree++
		}
	}
	switch {
	case tried == 0:
		return Unknown
	case agree == tried:
		return Equal
	case agree == 0 || len(list) == 0:
		return Different
	}
	return Unknown
}
