package audit

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// All audits every claim and every statement.
func (d *Data) All(set Settings) (claims []*Report, statements []*StatementReport, err error) {
	for _, c := range d.Claims {
		r, err := d.Audit(c, set)
		if err != nil {
			return nil, nil, err
		}
		claims = append(claims, r)
	}
	for _, s := range d.Statements {
		r, err := d.AuditStatement(s, Settings{})
		if err != nil {
			return nil, nil, err
		}
		statements = append(statements, r)
	}
	return claims, statements, nil
}

// comparison is what a table of claims shows, one row a figure.
var comparison = []struct{ label, id string }{
	{"parameters", "params"}, {"active", "active"}, {"tokens", "tokens"}, {"compute", "flop"}, {"GPU-hours", "hours"}, {"achieved", "rate"}, {"of bf16 peak", "mfu_bf16"},
	{"of fp8 peak", "mfu_fp8"}, {"days", "run_days"}, {"dollars claimed", "dollars"}, {"$ a GPU-hour", "price"}, {"rented", "rented"}, {"owned", "owned"},
	{"at 40 %, $2", "reference"}, {"with development", "development"}, {"energy", "energy"}, {"energy, model", "energy_model"}, {"CO2", "co2"}, {"CO2, model", "co2_model"},
}

// Compare writes claims side by side.
func Compare(w io.Writer, reports []*Report) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(label string, cell func(*Report) string) {
		fmt.Fprint(tw, label)
		for _, r := range reports {
			fmt.Fprint(tw, "\t", cell(r))
		}
		fmt.Fprintln(tw)
	}
	line("", func(r *Report) string { return r.Claim.ID })
	line("hardware", func(r *Report) string {
		if r.Part == nil {
			return "–"
		}
		return r.Part.ID
	})
	for _, c := range comparison {
		any := false
		for _, r := range reports {
			any = any || r.Sheet.Has(c.id)
		}
		if any {
			line(c.label, func(r *Report) string {
				if f := r.Sheet.Get(c.id); f != nil {
					return f.String()
				}
				return "–"
			})
		}
	}
	line("verdict", func(r *Report) string { return string(r.Verdict) })
	return tw.Flush()
}

// Summary writes one line a claim and a statement, with what failed: beside the verdict where there is room, else below.
func Summary(w io.Writer, claims []*Report, statements []*StatementReport, screen Screen) error {
	width := screen.Fit().Width
	var out strings.Builder
	line := func(head, verdict, why string) {
		if why != "" && utf8.RuneCountInString(head+verdict+": "+why) <= width {
			verdict, why = verdict+": "+why, ""
		}
		fmt.Fprintln(&out, strings.TrimRight(head+verdict, " "))
		if why != "" {
			for _, l := range wrap(why, width-8) {
				fmt.Fprintf(&out, "        %s\n", l)
			}
		}
	}
	line(fmt.Sprintf("%-26s %-8s %-9s %-6s %-9s ", "claim", "FLOP", "GPU-hours", "bf16", "$/hour"), "verdict", "")
	cell := func(r *Report, id, unit string) string {
		if f := r.Sheet.Get(id); f != nil {
			return strings.TrimSpace(strings.TrimSuffix(f.String(), unit))
		}
		return "–"
	}
	for _, r := range claims {
		why := ""
		if f := r.Failed(); len(f) > 0 && f[0].Worst != Plausible {
			why = f[0].Name
		} else if r.Qualifier != "" {
			why = r.Qualifier
		}
		line(fmt.Sprintf("%-26s %-8s %-9s %-6s %-9s ", r.Claim.ID, cell(r, "flop", "FLOP"), cell(r, "hours", "GPU-hours"), cell(r, "mfu_bf16", ""), cell(r, "price", "/GPU-hour")), string(r.Verdict), why)
	}
	if len(statements) > 0 {
		fmt.Fprintln(&out)
		line(fmt.Sprintf("%-16s %-30s ", "statement", "by"), "verdict", "")
	}
	for _, r := range statements {
		var why []string
		for _, res := range r.Results {
			if !res.Agrees {
				why = append(why, fmt.Sprintf("%s %s, said %s", res.Check.What, res.Figure, res.Stated))
			}
		}
		who := []rune(r.Statement.Who)
		if len(who) > 30 {
			who = append(who[:28], ' ', '…')
		}
		line(fmt.Sprintf("%-16s %-30s ", r.Statement.ID, string(who)), string(r.Verdict), strings.Join(why, "; "))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// AllJSON writes audits as one array.
func AllJSON(w io.Writer, d *Data, claims []*Report, statements []*StatementReport) error {
	out := []jsonReport{}
	for _, r := range claims {
		out = append(out, r.report(d))
	}
	for _, r := range statements {
		out = append(out, r.report(d))
	}
	return writeJSON(w, out)
}

// epochColumns are the columns of Epoch AI's models table that an audit can fill, with the figures that fill them.
var epochColumns = []struct {
	name string
	cell func(*Report) string
}{
	{"Model", func(r *Report) string { return r.Claim.Name }},
	{"Organization", func(r *Report) string { return r.Claim.Maker }},
	{"Publication date", func(r *Report) string { return r.Claim.Date }},
	{"Domain", func(*Report) string { return "Language" }},
	{"Parameters", figureCell("params", 1)},
	{"Training compute (FLOP)", figureCell("flop", 1)},
	{"Training compute notes", func(r *Report) string { return originCell(r, "flop") }},
	{"Training dataset size (total)", figureCell("tokens", 1)},
	{"Training time (hours)", wallHours},
	{"Training chip-hours", figureCell("hours", 1)},
	{"Training hardware", func(r *Report) string {
		if r.Part == nil || r.AssumedPart {
			return ""
		}
		return r.Part.Name
	}},
	{"Hardware quantity", figureCell("gpus", 1)},
	{"Hardware utilization (MFU)", figureCell("mfu_bf16", 0.01)},
	{"Numerical format", func(r *Report) string { return strings.ToUpper(r.Precision) }},
	{"Training compute cost (cloud)", figureCell("rented", 1)},
	{"Training compute cost (upfront)", figureCell("fleet", 1)},
	{"Compute cost notes", func(r *Report) string { return originCell(r, "rented") }},
	{"Training power draw (W)", func(r *Report) string {
		if !r.Sheet.Has("watts", "gpus") {
			return ""
		}
		return number(r.Sheet.Get("watts").Central * r.Sheet.Get("gpus").Central)
	}},
	{"Confidence", func(r *Report) string { return string(r.Claim.Standing) }},
	{"Link", func(r *Report) string { return "" }},
	{"Audit verdict", func(r *Report) string { return string(r.Verdict) }},
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

func figureCell(id string, scale float64) func(*Report) string {
	return func(r *Report) string {
		if f := r.Sheet.Get(id); f != nil {
			return number(f.In().Central * scale)
		}
		return ""
	}
}

func originCell(r *Report, id string) string {
	if f := r.Sheet.Get(id); f != nil {
		return f.origin()
	}
	return ""
}

// wallHours is the run's time on the clock.
func wallHours(r *Report) string {
	for _, id := range []string{"days", "run_days"} {
		if f := r.Sheet.Get(id); f != nil {
			return number(f.Central / 3600)
		}
	}
	return ""
}

// CSV writes claims under the names of Epoch AI's columns; Link is the first source's address.
func CSV(w io.Writer, d *Data, reports []*Report) error {
	cw := csv.NewWriter(w)
	var row []string
	for _, c := range epochColumns {
		row = append(row, c.name)
	}
	if err := cw.Write(row); err != nil {
		return err
	}
	for _, r := range reports {
		row = row[:0]
		for _, c := range epochColumns {
			cell := c.cell(r)
			if c.name == "Link" && len(r.Claim.Sources) > 0 {
				cell = d.Sources[r.Claim.Sources[0]].Address
			}
			row = append(row, cell)
		}
		if err := cw.Write(row); err != nil {
			return err
		}
	}
	cw.Flush()
	return cw.Error()
}
