package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Standing says how far a figure can be trusted.
type Standing string

// The standings: said by the maker, worked out by somebody else, said by the press, computed here, or supposed.
const (
	Published   Standing = "published"
	Independent Standing = "independent estimate"
	Press       Standing = "press"
	Derived     Standing = "derived"
	Assumed     Standing = "assumed"
	Given       Standing = "given" // by the user, on the command line
)

var standings = []Standing{Published, Independent, Press, Derived, Assumed, Given}

// Figure is one number of an audit: a range with its unit, where it comes from, and the formula if it was computed.
type Figure struct {
	ID, Title string
	Value
	Unit     string // for display; Range is in base units
	Standing Standing
	Source   string // keys into the sources, or who gave it
	Note     string
	Formula  string // with names
	Filled   string // with numbers

	rule *expr
}

// In converts the range to the display unit.
func (f *Figure) In() Range { return f.Range.Scale(1 / f.displayUnit().Scale) }

// displayUnit is the reading of the unit's name that has the figure's dimension.
func (f *Figure) displayUnit() Unit {
	type key struct {
		name string
		dim  Dim
	}
	k := key{f.Unit, f.Dim}
	if u, ok := displayUnits.Load(k); ok {
		return u.(Unit)
	}
	found := Unit{Dim: f.Dim, Scale: 1}
	for _, u := range parseUnit(f.Unit) {
		if u.Dim == f.Dim {
			found = u
			break
		}
	}
	displayUnits.Store(k, found)
	return found
}

var displayUnits sync.Map // a few dozen units, read over and over

// String is the figure as people read it.
func (f *Figure) String() string { return f.format(f.Range) }

// Rule computes one figure. Of several formulas the first whose names are all known is used. Note goes with the figure.
type Rule struct {
	ID, Title, Unit string
	Formulas        []string
	Note            string
}

// Sheet is a set of figures that compute each other. The zero Sheet is empty and ready to use.
type Sheet struct {
	figures map[string]*Figure
	order   []string
	other   func(claim string) (*Sheet, error) // finds the sheets of {claim:figure}
}

// Get finds a figure, or nil.
func (s *Sheet) Get(id string) *Figure { return s.figures[id] }

// Has reports that all the figures are known.
func (s *Sheet) Has(ids ...string) bool {
	return !slices.ContainsFunc(ids, func(id string) bool { return s.figures[id] == nil })
}

// Figures lists all figures in the order they came to be known.
func (s *Sheet) Figures() []*Figure {
	out := make([]*Figure, 0, len(s.order))
	for _, id := range s.order {
		out = append(out, s.figures[id])
	}
	return out
}

// Put adds or replaces a figure.
func (s *Sheet) Put(f *Figure) {
	if s.figures == nil {
		s.figures = map[string]*Figure{}
	}
	if s.figures[f.ID] == nil {
		s.order = append(s.order, f.ID)
	}
	s.figures[f.ID] = f
}

func (s *Sheet) value(name string) (Value, error) {
	if claim, figure, ok := strings.Cut(name, ":"); ok {
		if s.other == nil {
			return Value{}, fmt.Errorf("no claims to look %s up in", name)
		}
		o, err := s.other(claim)
		if err != nil {
			return Value{}, err
		}
		return o.value(figure)
	}
	f := s.figures[name]
	if f == nil {
		return Value{}, fmt.Errorf("no figure %q", name)
	}
	return f.Value, nil
}

// Apply runs rules in order. A figure that is already there is left alone; a rule whose names are not all known is skipped; what goes wrong
// in a formula that could be computed is an error.
func (s *Sheet) Apply(rules []Rule) error {
	for _, r := range rules {
		if s.Has(r.ID) {
			continue
		}
		for _, text := range r.Formulas {
			e, err := parseExpr(text)
			if err != nil {
				return err
			}
			if !s.knows(e) {
				continue
			}
			if err := s.compute(r, e); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

func (s *Sheet) knows(e *expr) bool {
	return !slices.ContainsFunc(e.names(), func(n string) bool { _, err := s.value(n); return err != nil })
}

func (s *Sheet) compute(r Rule, e *expr) error {
	v, err := e.eval(s.value)
	if err != nil {
		return fmt.Errorf("%s: %w", r.ID, err)
	}
	f := &Figure{ID: r.ID, Title: r.Title, Value: v, Unit: r.Unit, Standing: Derived, Note: r.Note, Formula: e.String(), rule: e}
	if f.displayUnit().Dim != mustDim(r.Unit, v.Dim) {
		return fmt.Errorf("%s: the formula %s gives %s, not %s", r.ID, e, v.Dim, r.Unit)
	}
	f.Filled = e.fill(func(name string) string { return s.show(name) })
	if claim, figure, ok := strings.Cut(e.text, ":"); ok && e.op == 'v' {
		f.Filled = figure + " of " + claim
	}
	s.Put(f)
	return nil
}

// mustDim is the dimension of the unit's reading that fits, or of its first reading.
func mustDim(unit string, want Dim) Dim {
	us := parseUnit(unit)
	for _, u := range us {
		if u.Dim == want {
			return want
		}
	}
	if len(us) == 0 {
		return Dim{}
	}
	return us[0].Dim
}

func (s *Sheet) show(name string) string {
	v, err := s.value(name)
	if err != nil {
		return name
	}
	f := s.lookup(name)
	return f.format(Range(Sharp(v.Central)))
}

func (s *Sheet) lookup(name string) *Figure {
	if claim, figure, ok := strings.Cut(name, ":"); ok {
		if o, err := s.other(claim); err == nil {
			return o.figures[figure]
		}
	}
	return s.figures[name]
}

// With is a copy of the sheet in which given figures have other values and everything computed from them is computed anew.
func (s *Sheet) With(change map[string]Range) (*Sheet, error) {
	out := &Sheet{other: s.other, order: s.order, figures: maps.Clone(s.figures)}
	moved := map[string]bool{}
	for _, id := range s.order {
		old := s.figures[id]
		r, set := change[id]
		if !set && (old.rule == nil || !slices.ContainsFunc(old.rule.names(), func(n string) bool { return moved[n] })) {
			continue
		}
		f := *old
		if set {
			f.Range = r
		} else {
			v, err := f.rule.eval(out.value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", id, err)
			}
			f.Value = v
		}
		out.figures[id], moved[id] = &f, true
	}
	return out, nil
}

// Leaves are the figures that id is computed from and that are themselves not computed.
func (s *Sheet) Leaves(id string) []string {
	var out []string
	var walk func(string)
	seen := map[string]bool{}
	walk = func(id string) {
		f := s.figures[id]
		if f == nil || seen[id] {
			return
		}
		seen[id] = true
		if f.rule == nil {
			out = append(out, id)
			return
		}
		for _, n := range f.rule.names() {
			walk(n)
		}
	}
	walk(id)
	return out
}
