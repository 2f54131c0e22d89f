package audit

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// origin is a figure's formula with numbers, or its sources.
func (f *Figure) origin() string {
	if f.Filled != "" {
		return f.Filled
	}
	if f.Standing == Given {
		return "given"
	}
	return string(f.Standing) + " [" + f.Source + "]"
}

// Text writes the audit, one screen high: what matters least goes first where the screen is small.
func (r *Report) Text(w io.Writer, screen Screen) error {
	p := &textPage{Screen: screen.Fit()}
	verdict := strings.ToUpper(string(r.Verdict))
	if r.Qualifier != "" {
		verdict += " (" + r.Qualifier + ")"
	}
	p.add(0, wrap(r.heading()+": "+verdict, p.Width)...)
	r.textFigures(p, 0, []label{{"compute", "flop"}, {"hours", "hours"}, {"achieved", "rate"}})
	r.textUtilisation(p)
	r.textFigures(p, 0, []label{{"run", "run_days"}, {"all stages", "bill_days"}, {"price", "price"}})
	if m := r.market(); m != "" && r.Sheet.Has("price") {
		p.row(9, "an hour", "", m)
	}
	r.textFigures(p, 0, []label{{"rented", "rented"}})
	r.textFigures(p, 5, []label{{"owned", "owned"}})
	r.textFigures(p, 2, []label{{"energy", "energy"}, {"energy", "energy_model"}})
	r.textFigures(p, 1, []label{{"CO2", "co2"}, {"CO2", "co2_model"}})
	r.textFigures(p, 7, []label{{"at 40 %, $2", "reference"}})
	r.textFigures(p, 0, []label{{"base model", "base_bill"}})
	r.textBoundary(p)
	r.textTests(p)
	if hint := r.Hint; hint != "" {
		p.text(0, 0, hint)
	}
	if len(r.Changes) > 0 {
		p.text(3, 0, "to change it: "+r.nearest(2))
	}
	p.text(4, 0, "sources and formulas: --explain FIGURE; everything: --json or --html FILE")
	return p.write(w)
}

// label names a line of the page by the figure that it shows.
type label struct{ label, id string }

// textFigures adds lines for the figures that the sheet has; a model's figure only where nobody states one.
func (r *Report) textFigures(p *textPage, rank int, labels []label) {
	for _, l := range labels {
		if f := r.Sheet.Get(l.id); f != nil && !(strings.HasSuffix(l.id, "_model") && r.Sheet.Has(strings.TrimSuffix(l.id, "_model"))) {
			p.row(rank, l.label, f.String(), f.origin())
		}
	}
}

func (r *Report) heading() string {
	parts := []string{r.Claim.Name}
	for _, p := range []string{r.Claim.Maker, r.Claim.Date, r.Claim.Precision} {
		if p != "" && !(p == r.Claim.Precision && p == "undisclosed") {
			parts = append(parts, p)
		}
	}
	if r.Part != nil {
		parts[len(parts)-1] += " on " + r.Part.Name
		if r.AssumedPart {
			parts[len(parts)-1] += " (supposed)"
		}
	}
	return strings.Join(parts, ", ")
}

func (r *Report) textUtilisation(p *textPage) {
	var values, origins []string
	var source string
	for _, prec := range []string{"bf16", "fp8"} {
		m, peak := r.Sheet.Get("mfu_"+prec), r.Sheet.Get("peak_"+prec)
		if m == nil {
			continue
		}
		values = append(values, m.String()+" "+prec)
		origins = append(origins, "÷ "+short(peak.In().Central))
		source = peak.Source
	}
	if len(values) > 0 {
		p.row(0, "of dense peak", strings.Join(values, ", "), short(r.in("rate").Central)+" "+strings.Join(origins, ", ")+" TFLOP/s/GPU ["+source+"]")
	} else if m := r.Sheet.Get("mfu"); m != nil {
		p.row(0, "of dense peak", m.String(), m.Filled)
	}
	if m := r.Sheet.Get("mfu_exact"); m != nil {
		p.row(6, "exactly", m.String()+" "+r.Precision, r.Sheet.Get("flop_token").String()+", from the architecture at "+grouped(float64(r.exact.Context))+" tokens")
	}
}

// market is what an hour costs elsewhere.
func (r *Report) market() string {
	var out []string
	for _, other := range []struct{ label, id string }{{"rent", "rental"}, {"owner", "owned_line"}, {"electricity", "power_hour"}} {
		if f := r.Sheet.Get(other.id); f != nil {
			text := other.label + " " + strings.ReplaceAll(f.String(), "/GPU-hour", "")
			if f.Source != "" {
				text += " [" + f.Source + "]"
			}
			out = append(out, text)
		}
	}
	return strings.Join(out, "; ")
}

func (r *Report) textBoundary(p *textPage) {
	if r.Claim.LeavesOut != "" {
		p.text(0, 2, fewerSources("leaves out: "+r.Claim.LeavesOut+" ["+strings.Join(r.Claim.Sources, ", ")+"]"))
	}
	var steps []string
	for _, st := range r.Ladder {
		steps = append(steps, st.Boundary+" "+st.Figure.String())
	}
	if len(steps) > 1 {
		p.text(0, 0, "ladder: "+strings.Join(steps, " → ")+" [rnd, hidden, cottier, epochdb]")
	}
}

func (r *Report) textTests(p *textPage) {
	passed := 0
	for _, t := range r.Tests {
		if t.Passed {
			passed++
		}
	}
	p.text(0, 0, fmt.Sprintf("tests: %d of %d passed", passed, len(r.Tests)))
	for _, t := range r.Failed() {
		p.text(0, 0, "✗ "+t.Name+": "+t.Detail)
	}
}

// nearest words the closest changes of verdict.
func (r *Report) nearest(n int) string {
	var out []string
	for _, c := range r.Changes[:min(n, len(r.Changes))] {
		out = append(out, c.String())
	}
	return strings.Join(out, "; ")
}

// wrap breaks text between words; lines after the first are indented.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(strings.ReplaceAll(text, " %", "\x00%")) {
		word = strings.ReplaceAll(word, "\x00", " ")
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines, line = append(lines, line), "   "
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// Explain writes a figure with all that it rests on, down to the sources.
func (r *Report) Explain(w io.Writer, d *Data, id string, screen Screen) error {
	return explain(w, d, r.Sheet, id, screen.Fit().Width)
}

func explain(w io.Writer, d *Data, s *Sheet, id string, width int) error {
	if !s.Has(id) {
		var ids []string
		for _, f := range s.Figures() {
			ids = append(ids, f.ID)
		}
		return fmt.Errorf("no figure %q in this audit; it has %s", id, strings.Join(ids, ", "))
	}
	e := explainer{w, d, s, width, map[string]bool{}}
	e.figure(id, 0)
	return nil
}

type explainer struct {
	w     io.Writer
	d     *Data
	sheet *Sheet
	width int
	seen  map[string]bool
}

// line writes a text so far in; what it is broken into stands further in.
func (e *explainer) line(indent int, text string) {
	for _, l := range wrap(text, max(e.width-indent, 30)) {
		fmt.Fprintf(e.w, "%*s%s\n", indent, "", l)
	}
}

func (e *explainer) figure(id string, indent int) {
	f := e.sheet.Get(id)
	e.line(indent, fmt.Sprintf("%s = %s: %s, %s", f.ID, f, f.Title, f.Standing))
	if e.seen[id] {
		return
	}
	e.seen[id] = true
	if f.Note != "" {
		e.line(indent+4, f.Note)
	}
	if f.rule == nil {
		for _, key := range strings.Split(f.Source, ", ") {
			e.line(indent+4, "["+key+"] "+e.d.cite(key))
		}
		return
	}
	e.line(indent+4, "= "+f.Formula)
	e.line(indent+4, "= "+f.Filled)
	names := f.rule.names()
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		if e.sheet.Has(n) {
			e.figure(n, indent+2)
		}
	}
}

// cite writes a source out.
func (d *Data) cite(key string) string {
	s, ok := d.Sources[key]
	if !ok {
		return key
	}
	out := s.Title
	if s.Publisher != "" {
		out += ", " + s.Publisher
	}
	return out + ", " + s.Date + ", " + s.Address
}
