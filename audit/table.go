package audit

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
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
		r, err := d.AuditStatement(s)
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

// Summary writes one line a claim and a statement, with what failed.
func Summary(w io.Writer, claims []*Report, statements []*StatementReport) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "claim\tcompute\tGPU-hours\tof bf16 peak\t$ a GPU-hour\tverdict")
	cell := func(r *Report, id string) string {
		if f := r.Sheet.Get(id); f != nil {
			return f.String()
		}
		return "–"
	}
	for _, r := range claims {
		verdict := string(r.Verdict)
		if f := r.Failed(); len(f) > 0 && f[0].Worst != Plausible {
			verdict += ": " + f[0].Name
		} else if r.Qualifier != "" {
			verdict += ": " + r.Qualifier
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Claim.ID, cell(r, "flop"), cell(r, "hours"), cell(r, "mfu_bf16"), cell(r, "price"), verdict)
	}
	if err := tw.Flush(); err != nil || len(statements) == 0 {
		return err
	}
	fmt.Fprintln(tw, "\nstatement\tby\tverdict")
	for _, r := range statements {
		verdict := string(r.Verdict)
		for _, res := range r.Results {
			if !res.Agrees {
				verdict += fmt.Sprintf(": %s %s, said %s", res.Check.What, res.Figure, res.Stated)
			}
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", r.Statement.ID, r.Statement.Who, verdict)
	}
	return tw.Flush()
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
