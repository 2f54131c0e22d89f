package audit

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Statement is a sentence that somebody said about costs, with checks that compute what can be computed of it.
type Statement struct {
	ID       string           `json:"id"`
	Who      string           `json:"who"`
	Date     string           `json:"date"`
	Standing Standing         `json:"standing"`
	Claim    string           `json:"claim"`
	Sources  []string         `json:"sources"`
	Figures  map[string]Entry `json:"figures,omitempty"`
	Checks   []Check          `json:"checks,omitempty"`
	Finding  string           `json:"finding"`
}

// Check computes one figure of a statement. With Against the result is held against a figure that was stated.
type Check struct {
	ID      string  `json:"id"`
	What    string  `json:"what"`
	Formula string  `json:"formula"` // over the statement's figures, checks before this one, assumptions, and {claim:figure}
	Unit    string  `json:"unit"`
	Against string  `json:"against,omitempty"`
	Within  float64 `json:"within,omitempty"` // factor between the two that still counts as agreeing: 1.02
	Else    Verdict `json:"else,omitempty"`   // what it means if they differ
}

func (d *Data) checkStatement(s *Statement) error {
	where := "statement " + s.ID
	if s.ID == "" || s.Claim == "" {
		return fmt.Errorf("a statement wants an id and a claim")
	}
	if err := d.checkOrigin(where, s.Standing, s.Sources); err != nil {
		return err
	}
	for id, e := range s.Figures {
		if _, err := (Field{Unit: e.Unit}).quantity(where+": "+id, e); err != nil {
			return err
		}
	}
	for _, c := range s.Checks {
		if _, err := parseExpr(c.Formula); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		if parseUnit(c.Unit) == nil {
			return fmt.Errorf("%s: %s: unknown unit %q", where, c.ID, c.Unit)
		}
		if c.Against != "" && (c.Within < 1 || c.Else != Impossible && c.Else != Implausible) {
			return fmt.Errorf("%s: %s: a check against a figure wants within (1 or more) and else (impossible or implausible)", where, c.ID)
		}
	}
	return nil
}

// sheetOf finds the figures of a claim, of a part, of measured serving ("serving") or of the data as a whole ("claims"), by exact name.
func (d *Data) sheetOf(id string) (*Sheet, error) {
	if s, ok := d.sheets[id]; ok {
		return s, nil
	}
	s, err := d.newSheetOf(id)
	if err == nil {
		d.sheets[id] = s
	}
	return s, err
}

func (d *Data) newSheetOf(id string) (*Sheet, error) {
	switch id {
	case "claims":
		return d.census()
	case "serving":
		s := &Sheet{}
		for _, m := range d.Serving {
			q, err := Field{Unit: "J/token"}.quantity(m.ID, Entry{Value: m.Low, High: m.High, Unit: m.Unit})
			if err != nil {
				return nil, err
			}
			s.Put(&Figure{ID: m.ID, Title: m.Model + " on " + m.GPUs, Value: Value{q.Range, q.Dim}, Unit: "J/token", Standing: m.Standing, Source: strings.Join(m.Sources, ", ")})
		}
		return s, nil
	}
	for _, c := range d.Claims {
		if c.ID == id {
			r, err := d.sheet(c, Settings{})
			if err != nil {
				return nil, err
			}
			return r.Sheet, nil
		}
	}
	for _, p := range d.Hardware {
		if p.ID == id { // a claim that says nothing but its hardware
			r, err := d.sheet(&Claim{ID: id, Hardware: id}, Settings{})
			if err != nil {
				return nil, err
			}
			return r.Sheet, nil
		}
	}
	return nil, fmt.Errorf("no claim or part %q", id)
}

// census counts the models, and those that cannot be audited because nothing gives their GPU-hours.
func (d *Data) census() (*Sheet, error) {
	models, without := 0, 0
	for _, c := range d.Claims {
		if c.reading() {
			continue
		}
		r, err := d.sheet(c, Settings{})
		if err != nil {
			return nil, err
		}
		models++
		if r.judge(d); r.Lacks() == "hours" {
			without++
		}
	}
	s := &Sheet{}
	for _, f := range []Figure{{ID: "models", Title: "models", Value: Value{Range: Sharp(float64(models))}}, {ID: "without_hours", Title: "without GPU-hours", Value: Value{Range: Sharp(float64(without))}}} {
		f.Unit, f.Standing, f.Source = "x", Derived, "counted over the data"
		s.Put(&f)
	}
	return s, nil
}

// reading reports that the claim is one way to read a published one, not a model of its own.
func (c *Claim) reading() bool { return strings.HasPrefix(c.ID, "reading-") }

// Result is one check, computed.
type Result struct {
	Check  Check
	Figure *Figure
	Stated *Figure // what it was held against, or nil
	Agrees bool
	Ratio  float64 // computed over stated
}

// StatementReport is the audit of a statement.
type StatementReport struct {
	Statement *Statement
	Sheet     *Sheet
	Results   []Result
	Verdict   Verdict
}

// AuditStatement computes a statement's checks. Settings replace assumptions and figures of the statement by name.
func (d *Data) AuditStatement(st *Statement, set Settings) (*StatementReport, error) {
	r := &StatementReport{Statement: st, Sheet: &Sheet{other: d.sheetOf}, Verdict: NotCheckable}
	for _, a := range d.Assumptions {
		f, err := a.figure()
		if err != nil {
			return nil, err
		}
		r.Sheet.Put(f)
	}
	for _, id := range slices.Sorted(maps.Keys(st.Figures)) {
		e := st.Figures[id]
		q, err := Field{Unit: e.Unit}.quantity("statement "+st.ID+": "+id, e)
		if err != nil {
			return nil, err
		}
		standing, sources := e.origin(st.Standing, st.Sources)
		r.Sheet.Put(&Figure{ID: id, Title: strings.ReplaceAll(id, "_", " ") + ", as said", Value: Value{q.Range, q.Dim}, Unit: e.Unit, Standing: standing, Source: strings.Join(sources, ", ")})
	}
	if err := set.applyStatement(r); err != nil {
		return nil, err
	}
	for _, c := range st.Checks {
		if err := r.check(c); err != nil {
			return nil, fmt.Errorf("statement %s: %w", st.ID, err)
		}
	}
	return r, nil
}

func (r *StatementReport) check(c Check) error {
	e, err := parseExpr(c.Formula)
	if err != nil {
		return err
	}
	if err := r.Sheet.compute(Rule{ID: c.ID, Title: c.What, Unit: c.Unit}, e); err != nil {
		return err
	}
	res := Result{Check: c, Figure: r.Sheet.Get(c.ID), Agrees: true}
	if c.Against != "" {
		res.Stated = r.Sheet.Get(c.Against)
		if res.Stated == nil {
			return fmt.Errorf("%s: no figure %q to hold it against", c.ID, c.Against)
		}
		if res.Stated.Dim != res.Figure.Dim {
			return fmt.Errorf("%s: %s is held against %s", c.ID, res.Figure.Dim, res.Stated.Dim)
		}
		f, s := res.Figure.Range, res.Stated.Range
		res.Ratio = f.Central / s.Central
		res.Agrees = f.Low <= s.High*c.Within && f.High >= s.Low/c.Within
		switch {
		case !res.Agrees && (c.Else == Impossible || r.Verdict != Impossible):
			r.Verdict = c.Else
		case res.Agrees && r.Verdict == NotCheckable:
			r.Verdict = Plausible
		}
	}
	r.Results = append(r.Results, res)
	return nil
}

// JSON writes the audit of a statement as one object, with the keys that claims have.
func (r *StatementReport) JSON(w io.Writer, d *Data) error {
	return writeJSON(w, r.report(d))
}

func (r *StatementReport) report(d *Data) jsonReport {
	s := r.Statement
	out := jsonReport{Claim: s.ID, Name: s.Who + ": " + s.Claim, Verdict: r.Verdict, Note: s.Finding,
		Tests: []jsonTest{}, Figures: []jsonFigure{}, LeavesOut: []jsonOmission{}, Assumptions: []jsonFigure{}, Changes: []jsonChange{}, Sources: map[string]Source{}}
	for _, res := range r.Results {
		if st := res.Stated; st != nil {
			out.Tests = append(out.Tests, jsonTest{res.Check.What, res.Agrees, res.Figure.In().Central, st.In().Central, res.Figure.Unit, res.Check.Else,
				fmt.Sprintf("%s = %s; said: %s", res.Figure, res.Figure.Filled, st)})
		}
	}
	for _, f := range r.Sheet.Figures() {
		_, stated := s.Figures[f.ID]
		switch {
		case stated || f.rule != nil:
			out.Figures = append(out.Figures, f.json())
		case slices.ContainsFunc(r.Results, func(res Result) bool { return slices.Contains(res.Figure.rule.names(), f.ID) }):
			out.Assumptions = append(out.Assumptions, f.json())
		}
	}
	d.citeAll(out)
	return out
}

// Text writes the audit of a statement, one screen high.
func (r *StatementReport) Text(w io.Writer, screen Screen) error {
	p, s := &textPage{Screen: screen.Fit()}, r.Statement
	p.add(0, wrap(s.Who+", "+s.Date+" ("+string(s.Standing)+"): "+strings.ToUpper(string(r.Verdict)), p.Width)...)
	p.text(0, 0, "“"+s.Claim+"” ["+strings.Join(s.Sources, ", ")+"]")
	for _, res := range r.Results {
		p.text(res.rank(), 0, res.String())
	}
	p.text(0, 0, s.Finding)
	return p.write(w)
}

// rank puts what was held against nothing after what was, and what agrees after what does not.
func (res Result) rank() int {
	switch {
	case !res.Agrees:
		return 0
	case res.Stated != nil:
		return 1
	}
	return 2
}

// String is the check in words.
func (res Result) String() string {
	mark, said := "•", ""
	if res.Stated != nil && res.Agrees {
		mark, said = "✓", "; said: "+res.Stated.String()
	} else if res.Stated != nil {
		mark, said = "✗", fmt.Sprintf("; but said: %s (×%s)", res.Stated, digits(res.Ratio, 3))
	}
	return fmt.Sprintf("%s %s: %s = %s%s", mark, res.Check.What, res.Figure, res.Figure.Filled, said)
}

// Explain writes one figure of a statement with all that it rests on.
func (r *StatementReport) Explain(w io.Writer, d *Data, id string, screen Screen) error {
	return explain(w, d, r.Sheet, id, screen.Fit().Width)
}
