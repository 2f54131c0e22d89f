package audit

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
)

// classOf is how the page marks a verdict.
func classOf(v Verdict) string { return strings.Fields(string(v))[0] }

// HTML writes the audit of a statement as one page that needs nothing else.
func (r *StatementReport) HTML(w io.Writer, d *Data) error {
	s := r.Statement
	p := pageData{ID: s.ID, Name: s.Who, Heading: s.Date + ", " + string(s.Standing), Class: classOf(r.Verdict), Verdict: r.Verdict, Quote: "“" + s.Claim + "”",
		ClaimSources: strings.Join(s.Sources, ", "), Finding: s.Finding}
	for _, res := range r.Results {
		p.Cards = append(p.Cards, res.Figure.page())
		if st := res.Stated; st != nil {
			t := Test{Name: res.Check.What, Passed: res.Agrees, Worst: res.Check.Else, Detail: res.Figure.Filled}
			p.Tests = append(p.Tests, pageTest{t, fmt.Sprintf("%s, said %s (within ×%s)", res.Figure, st, digits(res.Check.Within, 3))})
		}
	}
	for _, f := range r.Sheet.Figures() {
		_, stated := s.Figures[f.ID]
		switch {
		case stated || f.rule != nil:
			p.Figures = append(p.Figures, f.page())
		case slices.ContainsFunc(r.Results, func(res Result) bool { return slices.Contains(res.Figure.rule.names(), f.ID) }):
			p.Assumptions = append(p.Assumptions, f.page())
		}
	}
	p.Sources = d.listSources(r.report(d).Sources, s.Sources)
	return page.ExecuteTemplate(w, "page", p)
}

// claimLine and statementLine are the rows of a page of several audits.
type claimLine struct {
	ID, Name, Verdict, Class, Why string
	Cells                         []string
}

type statementLine struct {
	ID, Who, Date, Claim, Verdict, Class string
	Checks                               []string
}

// SeveralHTML writes audits as one page with a line for each.
func SeveralHTML(w io.Writer, d *Data, claims []*Report, statements []*StatementReport) error {
	var p struct {
		Claims     []claimLine
		Statements []statementLine
		Sources    []pageSource
	}
	var keys []string
	for _, r := range claims {
		var cells []string
		for _, c := range []struct{ id, of string }{{"flop", ""}, {"hours", ""}, {"mfu_bf16", " of bf16"}, {"price", ""}} {
			if f := r.Sheet.Get(c.id); f != nil {
				cells = append(cells, f.String()+c.of)
			} else {
				cells = append(cells, "–")
			}
		}
		why := r.Qualifier
		if f := r.Failed(); len(f) > 0 && f[0].Worst != Plausible {
			why = f[0].Name + ": " + f[0].Detail
		}
		p.Claims = append(p.Claims, claimLine{r.Claim.ID, r.Claim.Name, string(r.Verdict), classOf(r.Verdict), why, cells})
		keys = append(keys, r.Claim.Sources...)
	}
	for _, r := range statements {
		s := r.Statement
		line := statementLine{ID: s.ID, Who: s.Who, Date: s.Date, Claim: s.Claim, Verdict: string(r.Verdict), Class: classOf(r.Verdict)}
		for _, res := range r.Results {
			line.Checks = append(line.Checks, res.String())
		}
		p.Statements = append(p.Statements, line)
		keys = append(keys, s.Sources...)
	}
	p.Sources = d.listSources(nil, keys)
	return page.ExecuteTemplate(w, "several", p)
}

// StatementsCSV writes a line for each check of each statement; Epoch's table has no place for them.
func StatementsCSV(w io.Writer, reports []*StatementReport) error {
	cw := csv.NewWriter(w)
	rows := [][]string{{"Statement", "Who", "Date", "Check", "Low", "Central", "High", "Unit", "Said", "Agrees", "Formula", "Verdict"}}
	for _, r := range reports {
		s := r.Statement
		for _, res := range r.Results {
			v, said, agrees := res.Figure.In(), "", ""
			if res.Stated != nil {
				said, agrees = number(res.Stated.In().Central), fmt.Sprint(res.Agrees)
			}
			rows = append(rows, []string{s.ID, s.Who, s.Date, res.Check.What, number(v.Low), number(v.Central), number(v.High), res.Figure.Unit, said, agrees, res.Figure.Filled, string(r.Verdict)})
		}
		if len(r.Results) == 0 {
			rows = append(rows, []string{s.ID, s.Who, s.Date, "", "", "", "", "", "", "", "", string(r.Verdict)})
		}
	}
	return cw.WriteAll(rows)
}
