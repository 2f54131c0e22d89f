package tokenizer

import (
	"slices"
	"sort"
	"sync"
	"unicode"
)

// runeSet is a set of code points as sorted ranges that neither overlap nor touch.
type runeSet []runeRange

type runeRange struct{ lo, hi rune }

func runeSetOf(r ...rune) runeSet {
	s := make(runeSet, len(r))
	for i, c := range r {
		s[i] = runeRange{c, c}
	}
	return s.tidy()
}

func tableSet(tables ...*unicode.RangeTable) runeSet {
	var s runeSet
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			s = append(s, runeRange{lo, hi})
			return
		}
		for c := lo; c <= hi; c += stride {
			s = append(s, runeRange{c, c})
		}
	}
	for _, t := range tables {
		for _, r := range t.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	return s.tidy()
}

// tidy sorts and joins the ranges.
func (s runeSet) tidy() runeSet {
	slices.SortFunc(s, func(a, b runeRange) int { return int(a.lo - b.lo) })
	out := s[:0]
	for _, r := range s {
		if n := len(out); n > 0 && r.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, r.hi)
		} else {
			out = append(out, r)
		}
	}
	return out
}

func (s runeSet) union(o runeSet) runeSet { return append(slices.Clone(s), o...).tidy() }

func (s runeSet) negate() runeSet {
	var out runeSet
	next := rune(0)
	for _, r := range s {
		if r.lo > next {
			out = append(out, runeRange{next, r.lo - 1})
		}
		next = r.hi + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, runeRange{next, unicode.MaxRune})
	}
	return out
}

func (s runeSet) intersect(o runeSet) runeSet { return s.negate().union(o.negate()).negate() }

// fold adds what differs only in case, by Unicode's simple folding.
func (s runeSet) fold() runeSet {
	out := slices.Clone(s)
	for _, r := range s {
		for c := r.lo; c <= r.hi; c++ {
			for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
				out = append(out, runeRange{f, f})
			}
		}
	}
	return out.tidy()
}

func (s runeSet) size() (n int) {
	for _, r := range s {
		n += int(r.hi-r.lo) + 1
	}
	return n
}

func (s runeSet) has(r rune) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].hi >= r })
	return i < len(s) && s[i].lo <= r
}

// end returns the length of the run of characters of the set that text begins with.
func (s runeSet) end(text string) int {
	for i, r := range text {
		if !s.has(r) {
			return i
		}
	}
	return len(text)
}

// The sets behind \s, \d and \w, as Oniguruma has them.
var (
	spaceSet = sync.OnceValue(func() runeSet { return tableSet(unicode.White_Space) })
	digitSet = sync.OnceValue(func() runeSet { return propertySet("Nd") })
	hanSet   = sync.OnceValue(func() runeSet { return propertySet("Han") })
	wordSet  = sync.OnceValue(func() runeSet {
		s := tableSet(unicode.Nl, unicode.Other_Alphabetic, unicode.Pc)
		for _, name := range []string{"L", "M", "Nd"} {
			s = append(s, propertySet(name)...)
		}
		return append(s, runeSetOf('²', '³', '¹', '¼', '½', '¾')...).tidy()
	})
)
