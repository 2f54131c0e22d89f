package audit

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

var peakField = Field{Unit: "TFLOP/s/GPU", PerDevice: true}

// builtinParts are the parts that come with the program, whatever a user's file puts in their place.
var builtinParts = sync.OnceValue(func() []*Part {
	d := &Data{Sources: map[string]Source{}}
	text, err := embedded.ReadFile("data/hardware.json")
	if err == nil {
		err = d.decode(text)
	}
	if err != nil {
		panic("audit: built-in hardware: " + err.Error())
	}
	return d.Hardware
})

// normal strips a name down to its letters and digits.
func normal(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, s)
}

// Part finds an accelerator by id, alias or an unambiguous piece of its name.
func (d *Data) Part(name string) (*Part, error) {
	n := strings.TrimPrefix(normal(name), "nvidia")
	if n == "" {
		return nil, fmt.Errorf("no accelerator named")
	}
	var loose []*Part
	for _, p := range d.Hardware {
		if normal(p.ID) == n || normal(p.Name) == n || slices.ContainsFunc(p.Aliases, func(a string) bool { return normal(a) == n }) {
			return p, nil
		}
		if strings.Contains(normal(p.ID), n) || strings.Contains(normal(p.Name), n) {
			loose = append(loose, p)
		}
	}
	switch len(loose) {
	case 1:
		return loose[0], nil
	case 0:
		var ids []string
		for _, p := range d.Hardware {
			ids = append(ids, p.ID)
		}
		return nil, fmt.Errorf("no accelerator %q; known: %s", name, strings.Join(ids, ", "))
	}
	var ids []string
	for _, p := range loose {
		ids = append(ids, p.ID)
	}
	return nil, fmt.Errorf("accelerator %q may be %s", name, strings.Join(ids, " or "))
}

// peak is the dense peak in FLOP/s for a precision; fp16 is as fast as bf16.
func (p *Part) peak(prec string) (float64, bool) {
	f := p.peakFigure(prec)
	if f == nil {
		return 0, false
	}
	return f.Central, true
}

func (p *Part) peakFigure(prec string) *Figure {
	if prec == "fp16" {
		prec = "bf16"
	}
	e, ok := p.Peaks[prec]
	if !ok {
		return nil
	}
	q, err := peakField.quantity(p.ID, e)
	if err != nil {
		return nil
	}
	st, sources := e.origin(p.Standing, p.Sources)
	return &Figure{ID: "peak_" + prec, Title: fmt.Sprintf("dense %s peak of %s", prec, p.Name), Value: Value{q.Range, q.Dim}, Unit: "TFLOP/s/GPU", Standing: st, Source: strings.Join(sources, ", ")}
}

// figure is one of the part's other figures, or nil.
func (p *Part) figure(id, title string) *Figure {
	e, ok := p.Figures[id]
	if !ok {
		return nil
	}
	f := partFields[id]
	q, err := f.quantity(p.ID, e)
	if err != nil {
		return nil
	}
	st, sources := e.origin(p.Standing, p.Sources)
	return &Figure{ID: id, Title: title, Value: Value{q.Range, q.Dim}, Unit: f.Unit, Standing: st, Source: strings.Join(sources, ", "), Note: e.Note}
}

// Grid finds a grid by code or region; empty is the world.
func (d *Data) Grid(name string) (*Grid, error) {
	if name == "" {
		name = "WLD"
	}
	var codes []string
	for _, g := range d.Grids {
		if strings.EqualFold(g.ID, name) || strings.EqualFold(g.Region, name) || normal(g.ID) == normal(name) {
			return g, nil
		}
		codes = append(codes, g.ID)
	}
	return nil, fmt.Errorf("no grid %q; known: %s", name, strings.Join(codes, ", "))
}

func (g *Grid) figure() (*Figure, error) {
	where := "grid " + g.ID
	e := Entry{Value: g.Value, Unit: g.Unit}
	if g.Later > 0 {
		e.Low, e.High = min(g.Value, g.Later), max(g.Value, g.Later)
	}
	q, err := Field{Unit: "g/kWh"}.quantity(where, e)
	if err != nil {
		return nil, err
	}
	return &Figure{ID: "grid", Title: fmt.Sprintf("carbon intensity of %s, %d", g.Region, g.Year), Value: Value{q.Range, q.Dim}, Unit: "g/kWh", Standing: g.Standing,
		Source: strings.Join(g.Sources, ", "), Note: g.Kind}, nil
}

func (a *Assumption) figure() (*Figure, error) {
	us := parseUnit(a.Unit)
	if len(us) == 0 {
		return nil, fmt.Errorf("assumption %s: unknown unit %q", a.ID, a.Unit)
	}
	q, err := Field{Unit: a.Unit}.quantity("assumption "+a.ID, Entry{Value: a.Value, Low: a.Low, High: a.High, Unit: a.Unit})
	if err != nil {
		return nil, err
	}
	return &Figure{ID: a.ID, Title: a.Title, Value: Value{q.Range, q.Dim}, Unit: a.Unit, Standing: a.Standing, Source: strings.Join(a.Sources, ", "), Note: a.Note}, nil
}
