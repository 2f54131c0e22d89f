package audit

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// row is one line of the page: a label, a figure, and where it comes from.
func row(w io.Writer, label, value, origin string) {
	if pad := 27 - len([]rune(value)); pad > 0 {
		value += strings.Repeat(" ", pad)
	}
	lines := wrap(origin, pageWidth-44)
	fmt.Fprintf(w, "  %-13s %s %s\n", label, value, lines[0])
	for _, l := range lines[1:] {
		fmt.Fprintf(w, "%42s%s\n", "", l)
	}
}

// pageWidth is the columns that lines are broken at.
const pageWidth = 112

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

// Text writes the audit, one screen high.
func (r *Report) Text(w io.Writer) {
	s := r.Sheet
	verdict := strings.ToUpper(string(r.Verdict))
	if r.Qualifier != "" {
		verdict += " (" + r.Qualifier + ")"
	}
	for _, line := range wrap(r.heading()+": "+verdict, pageWidth-4) {
		fmt.Fprintln(w, line)
	}
	for _, line := range []struct{ label, id string }{{"compute", "flop"}, {"hours", "hours"}, {"achieved", "rate"}} {
		if f := s.Get(line.id); f != nil {
			row(w, line.label, f.String(), f.origin())
		}
	}
	r.textUtilisation(w)
	for _, line := range []struct{ label, id string }{{"run", "run_days"}, {"all stages", "bill_days"}, {"price", "price"}} {
		if f := s.Get(line.id); f != nil {
			row(w, line.label, f.String(), f.origin())
		}
	}
	if m := r.market(); m != "" && s.Has("price") {
		fmt.Fprintf(w, "  %-13s %s\n", "an hour", m)
	}
	for _, line := range []struct{ label, id string }{{"rented", "rented"}, {"owned", "owned"}, {"energy", "energy"}, {"energy", "energy_model"}, {"CO2", "co2"}, {"CO2", "co2_model"},
		{"at 40 %, $2", "reference"}, {"base model", "base_bill"}} {
		if f := s.Get(line.id); f != nil && !(strings.HasSuffix(line.id, "_model") && s.Has(strings.TrimSuffix(line.id, "_model"))) {
			row(w, line.label, f.String(), f.origin())
		}
	}
	r.textBoundary(w)
	r.textTests(w)
	if hint := r.Hint; hint != "" {
		for _, line := range wrap(hint, pageWidth-4) {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	if len(r.Changes) > 0 {
		for _, line := range wrap("to change it: "+r.nearest(2), pageWidth-4) {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	fmt.Fprintf(w, "  [sources] and formulas: penny audit --explain FIGURE; all figures: --json; the page: --html FILE\n")
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

func (r *Report) textUtilisation(w io.Writer) {
	var values, origins []string
	var source string
	for _, prec := range []string{"bf16", "fp8"} {
		m, p := r.Sheet.Get("mfu_"+prec), r.Sheet.Get("peak_"+prec)
		if m == nil {
			continue
		}
		values = append(values, m.String()+" "+prec)
		origins = append(origins, "÷ "+short(p.In().Central))
		source = p.Source
	}
	if len(values) > 0 {
		row(w, "of dense peak", strings.Join(values, ", "), short(r.in("rate").Central)+" "+strings.Join(origins, ", ")+" TFLOP/s/GPU ["+source+"]")
	} else if m := r.Sheet.Get("mfu"); m != nil {
		row(w, "of dense peak", m.String(), m.Filled)
	}
	if m := r.Sheet.Get("mfu_exact"); m != nil {
		row(w, "exactly", m.String()+" "+r.Precision, r.Sheet.Get("flop_token").String()+", from the architecture at "+grouped(float64(r.exact.Context))+" tokens")
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

func (r *Report) textBoundary(w io.Writer) {
	if r.Claim.LeavesOut != "" {
		for i, line := range wrap("leaves out: "+r.Claim.LeavesOut+" ["+strings.Join(r.Claim.Sources, ", ")+"]", pageWidth-4) {
			if i < 3 {
				fmt.Fprintf(w, "  %s\n", line)
			}
		}
	}
	var steps []string
	for _, st := range r.Ladder {
		steps = append(steps, st.Boundary+" "+st.Figure.String())
	}
	if len(steps) > 1 {
		for _, line := range wrap("ladder: "+strings.Join(steps, " → ")+" [rnd, hidden, cottier, epochdb]", pageWidth-4) {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
}

func (r *Report) textTests(w io.Writer) {
	passed := 0
	for _, t := range r.Tests {
		if t.Passed {
			passed++
		}
	}
	failed := r.Failed()
	fmt.Fprintf(w, "  tests: %d of %d passed\n", passed, len(r.Tests))
	for _, t := range failed {
		for _, line := range wrap("✗ "+t.Name+": "+t.Detail, pageWidth-4) {
			fmt.Fprintf(w, "  %s\n", line)
		}
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
	for _, word := range strings.Fields(text) {
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
func (r *Report) Explain(w io.Writer, d *Data, id string) error {
	if !r.Sheet.Has(id) {
		var ids []string
		for _, f := range r.Sheet.Figures() {
			ids = append(ids, f.ID)
		}
		return fmt.Errorf("no figure %q in this audit; it has %s", id, strings.Join(ids, ", "))
	}
	r.explain(w, d, id, "", map[string]bool{})
	return nil
}

func (r *Report) explain(w io.Writer, d *Data, id, indent string, seen map[string]bool) {
	f := r.Sheet.Get(id)
	fmt.Fprintf(w, "%s%s = %s   %s, %s\n", indent, f.ID, f, f.Title, f.Standing)
	if seen[id] {
		return
	}
	seen[id] = true
	if f.Note != "" {
		fmt.Fprintf(w, "%s    %s\n", indent, f.Note)
	}
	if f.rule == nil {
		for _, key := range strings.Split(f.Source, ", ") {
			fmt.Fprintf(w, "%s    [%s] %s\n", indent, key, d.cite(key))
		}
		return
	}
	fmt.Fprintf(w, "%s    = %s\n%s    = %s\n", indent, f.Formula, indent, f.Filled)
	names := f.rule.names()
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		if r.Sheet.Has(n) {
			r.explain(w, d, n, indent+"  ", seen)
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
