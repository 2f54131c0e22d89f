package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// check refuses data that an audit could not stand on: unknown units, figures without a source, peaks that are sparse, ids twice.
func (d *Data) check() error {
	var errs []error
	fail := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	for id, s := range d.Sources {
		if s.Title == "" || s.Address == "" {
			fail(fmt.Errorf("source %s: wants a title and an address", id))
		}
	}
	for _, p := range d.Hardware {
		fail(d.checkPart(p))
	}
	for _, a := range d.Assumptions {
		_, err := a.figure()
		fail(err)
		fail(d.checkOrigin("assumption "+a.ID, a.Standing, a.Sources))
	}
	for _, c := range d.Claims {
		fail(d.checkClaim(c))
	}
	for _, g := range d.Grids {
		_, err := g.figure()
		fail(err)
		fail(d.checkOrigin("grid "+g.ID, g.Standing, g.Sources))
	}
	for _, p := range d.Prices {
		if parseUnit(p.Unit) == nil {
			fail(fmt.Errorf("price of %s: unknown unit %q", p.Item, p.Unit))
		}
		if !(p.Value > 0) {
			fail(fmt.Errorf("price of %s: want a number above zero", p.Item))
		}
		fail(d.checkOrigin("price of "+p.Item, p.Standing, p.Sources))
	}
	for _, a := range d.Architectures {
		_, _, err := d.architecture(&Claim{arch: a})
		fail(err)
		fail(d.checkOrigin("architecture "+a.ID, a.Standing, a.Sources))
	}
	for _, s := range d.Statements {
		fail(d.checkStatement(s))
	}
	return errors.Join(errs...)
}

// checkOrigin wants a standing and known sources.
func (d *Data) checkOrigin(where string, st Standing, sources []string) error {
	if !slices.Contains(standings, st) {
		return fmt.Errorf("%s: standing %q, want one of %v", where, st, standings)
	}
	if len(sources) == 0 {
		return fmt.Errorf("%s: has no source", where)
	}
	for _, key := range sources {
		if _, ok := d.Sources[key]; !ok {
			return fmt.Errorf("%s: source %q is not listed under sources", where, key)
		}
	}
	return nil
}

// origin is an entry's standing and sources, or those of what it belongs to.
func (e Entry) origin(st Standing, sources []string) (Standing, []string) {
	if e.Standing != "" {
		st = e.Standing
	}
	if len(e.Sources) > 0 {
		sources = e.Sources
	}
	return st, sources
}

func (d *Data) checkClaim(c *Claim) error {
	if c.ID == "" || c.Name == "" {
		return fmt.Errorf("a claim wants an id and a name")
	}
	for id, e := range c.Figures {
		where := fmt.Sprintf("claim %s: %s", c.ID, id)
		f, _, ok := claimField(id)
		if !ok {
			return fmt.Errorf("%s: no such figure", where)
		}
		if _, err := f.quantity(where, e); err != nil {
			return err
		}
		st, sources := e.origin(c.Standing, c.Sources)
		if err := d.checkOrigin(where, st, sources); err != nil {
			return err
		}
	}
	if c.Hardware != "" {
		if _, err := d.Part(c.Hardware); err != nil {
			return fmt.Errorf("claim %s: %w", c.ID, err)
		}
	}
	if _, err := d.Grid(c.Grid); err != nil {
		return fmt.Errorf("claim %s: %w", c.ID, err)
	}
	return nil
}

func (d *Data) checkPart(p *Part) error {
	if p.ID == "" || p.Name == "" {
		return fmt.Errorf("a part wants an id and a name")
	}
	for prec, e := range p.Peaks {
		where := fmt.Sprintf("hardware %s: %s peak", p.ID, prec)
		q, err := peakField.quantity(where, e)
		if err != nil {
			return err
		}
		if e.Sparsity != "" && e.Sparsity != "dense" {
			return fmt.Errorf("%s: is %s; a dense peak is meant, usually half of it", where, e.Sparsity)
		}
		if err := d.sparse(p, prec, q.Central); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		st, sources := e.origin(p.Standing, p.Sources)
		if err := d.checkOrigin(where, st, sources); err != nil {
			return err
		}
	}
	for id, e := range p.Figures {
		where := fmt.Sprintf("hardware %s: %s", p.ID, id)
		f, ok := partFields[id]
		if !ok {
			return fmt.Errorf("%s: no such figure", where)
		}
		if _, err := f.quantity(where, e); err != nil {
			return err
		}
		st, sources := e.origin(p.Standing, p.Sources)
		if err := d.checkOrigin(where, st, sources); err != nil {
			return err
		}
	}
	return nil
}

// sparse tells when a peak (FLOP/s) must be the one with structured sparsity: twice what is known of this part or of its family, or four
// times the next wider type where twice is the rule.
func (d *Data) sparse(p *Part, prec string, peak float64) error {
	twice := func(ratio float64) bool { return ratio > 1.95 && ratio < 2.05 }
	for _, k := range builtinParts() {
		if k.ID == p.ID || sameFamily(k, p) {
			if dense, ok := k.peak(prec); ok && twice(peak/dense) {
				return fmt.Errorf("%s TFLOP/s is twice the dense %s of %s: that is the sparse figure", short(peak/1e12), short(dense/1e12), k.Name)
			}
		}
	}
	if wide, ok := p.peak("bf16"); ok && prec == "fp8" && peak/wide > 3.8 && peak/wide < 4.2 {
		return fmt.Errorf("%s TFLOP/s is four times the bf16 peak: that is the sparse figure", short(peak/1e12))
	}
	return nil
}

func sameFamily(a, b *Part) bool {
	return len(normal(b.ID)) >= 4 && strings.HasPrefix(normal(a.ID), normal(b.ID)) || slices.Contains(a.Aliases, b.ID)
}
