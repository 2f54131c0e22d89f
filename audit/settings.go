package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// partSettings are the names that take a part: price.h800, peak.h800.fp8.
var partSettings = map[string]string{"price": "rental", "rental": "rental", "peak": "peak", "tdp": "tdp", "power": "tdp", "purchase": "purchase"}

// apply puts the settings in the place of what claim and assumptions say.
func (set Settings) apply(d *Data, r *Report) error {
	for _, key := range slices.Sorted(maps.Keys(set.Set)) {
		if err := set.applyOne(d, r, key, set.Set[key]); err != nil {
			return fmt.Errorf("--set %w", err)
		}
	}
	return nil
}

// applyStatement puts the settings in the place of a statement's figures and of assumptions.
func (set Settings) applyStatement(r *StatementReport) error {
	if set.Grid != "" {
		return fmt.Errorf("--grid: a statement has no grid of its own; see --set")
	}
	for _, key := range slices.Sorted(maps.Keys(set.Set)) {
		f := r.Sheet.Get(key)
		if f == nil {
			var known []string
			for _, f := range r.Sheet.Figures() {
				known = append(known, f.ID)
			}
			return fmt.Errorf("--set %s: no such figure of this statement; known: %s", key, strings.Join(known, ", "))
		}
		q, err := Field{Name: key, Unit: f.Unit, PerDevice: strings.Contains(f.Unit, "/GPU"), Fraction: f.Unit == "%"}.Parse(set.Set[key])
		if err != nil {
			return fmt.Errorf("--set %w", err)
		}
		r.Sheet.Put(&Figure{ID: key, Title: f.Title, Value: Value{q.Range, q.Dim}, Unit: f.Unit, Standing: Given, Source: "--set " + key})
	}
	return nil
}

func (set Settings) applyOne(d *Data, r *Report, key, text string) error {
	kind, part, _ := strings.Cut(key, ".")
	part, prec, _ := strings.Cut(part, ".")
	id := kind
	if mapped, ok := partSettings[kind]; ok {
		id = mapped
		if part != "" {
			p, err := d.Part(part)
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			if p != r.Part {
				return fmt.Errorf("%s: this claim does not run on %s", key, p.Name)
			}
		}
		if id == "peak" {
			return r.setPeak(d, key, prec, text)
		}
	} else if part != "" {
		return fmt.Errorf("%s: only price, peak, tdp and purchase take a part", key)
	}
	field, title, ok := settable(d, r, id)
	if !ok {
		return fmt.Errorf("%s: no such assumption; known: %s", key, strings.Join(d.settings(), ", "))
	}
	field.Name = key
	q, err := field.Parse(text)
	if err != nil {
		return err
	}
	r.Sheet.Put(&Figure{ID: id, Title: title, Value: Value{q.Range, q.Dim}, Unit: field.Unit, Standing: Given, Source: "--set " + key})
	return nil
}

// settable finds the field behind a name.
func settable(d *Data, r *Report, id string) (Field, string, bool) {
	if f, title, ok := claimField(id); ok {
		return f, title, true
	}
	if f, ok := partFields[id]; ok && r.Part != nil {
		return f, id + " of " + r.Part.Name, true
	}
	if id == "grid" {
		return Field{Unit: "g/kWh"}, "carbon intensity", true
	}
	for _, a := range d.Assumptions {
		if a.ID == id {
			return Field{Unit: a.Unit, PerDevice: strings.Contains(a.Unit, "/GPU"), Fraction: a.Unit == "%"}, a.Title, true
		}
	}
	return Field{}, "", false
}

// settings lists the names that --set takes.
func (d *Data) settings() []string {
	out := []string{"price.PART", "peak.PART.PRECISION", "tdp.PART", "purchase.PART", "grid"}
	for _, a := range d.Assumptions {
		out = append(out, a.ID)
	}
	for _, c := range claimFields {
		out = append(out, c.id)
	}
	return out
}

func (r *Report) setPeak(d *Data, key, prec, text string) error {
	f := peakField
	f.Name = key
	q, err := f.Parse(text)
	if err != nil {
		return err
	}
	if r.Part == nil {
		return fmt.Errorf("%s: the claim names no accelerator", key)
	}
	stated := r.Precision
	if stated == "" || stated == "fp16" {
		stated = "bf16"
	}
	if prec == "" {
		prec = stated
	}
	if err := d.sparse(r.Part, prec, q.High); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	put := func(id string) {
		r.Sheet.Put(&Figure{ID: id, Title: "dense " + prec + " peak", Value: Value{q.Range, q.Dim}, Unit: f.Unit, Standing: Given, Source: "--set " + key})
	}
	put("peak_" + prec)
	if prec == stated {
		put("peak")
	}
	return nil
}
