package audit

import (
	"encoding/json"
	"io"
	"strings"
)

type jsonTest struct {
	Name   string  `json:"name"`
	Passed bool    `json:"passed"`
	Value  float64 `json:"value"`
	Limit  float64 `json:"limit"`
	Unit   string  `json:"unit,omitempty"`
	Means  Verdict `json:"means"` // what failing it means
	Detail string  `json:"detail"`
}

type jsonFigure struct {
	Name     string   `json:"name"`
	Title    string   `json:"title"`
	Low      float64  `json:"low"`
	Value    float64  `json:"value"`
	High     float64  `json:"high"`
	Unit     string   `json:"unit"`
	Standing Standing `json:"standing"`
	Source   string   `json:"source"`
	Formula  string   `json:"formula"`
	Filled   string   `json:"filled,omitempty"`
	Note     string   `json:"note,omitempty"`
}

type jsonOmission struct {
	What   string      `json:"what"`
	Stated bool        `json:"stated"`
	How    string      `json:"how"`
	Price  *jsonFigure `json:"price,omitempty"`
}

type jsonChange struct {
	Figure  string  `json:"figure"`
	Factor  float64 `json:"factor"`
	Verdict Verdict `json:"verdict"`
}

type jsonReport struct {
	Claim       string            `json:"claim"`
	Name        string            `json:"name"`
	Verdict     Verdict           `json:"verdict"`
	Qualifier   string            `json:"qualifier,omitempty"`
	Hint        string            `json:"hint,omitempty"`
	Lacks       string            `json:"lacks,omitempty"`
	Tests       []jsonTest        `json:"tests"`
	Figures     []jsonFigure      `json:"figures"`
	LeavesOut   []jsonOmission    `json:"leaves_out"`
	Assumptions []jsonFigure      `json:"assumptions"`
	Changes     []jsonChange      `json:"changes"`
	Note        string            `json:"note,omitempty"`
	Sources     map[string]Source `json:"sources"`
}

func (f *Figure) json() jsonFigure {
	v := f.In()
	return jsonFigure{f.ID, f.Title, v.Low, v.Central, v.High, f.Unit, f.Standing, f.Source, f.Formula, f.Filled, f.Note}
}

// supposed reports that a figure is neither the claim's nor computed: an assumption, or a property of the hardware or the grid.
func (r *Report) supposed(f *Figure) bool {
	if f.rule != nil {
		return false
	}
	_, claimed := r.Claim.Figures[f.ID]
	return !claimed && f.ID != "words"
}

// Assumptions are the supposed figures that something rests on.
func (r *Report) Assumptions() (out []*Figure) {
	used := map[string]bool{}
	for _, f := range r.Sheet.Figures() {
		if f.rule != nil {
			for _, n := range f.rule.names() {
				used[n] = true
			}
		}
	}
	for _, f := range r.Sheet.Figures() {
		if r.supposed(f) && (used[f.ID] || strings.HasPrefix(f.ID, "limit_")) {
			out = append(out, f)
		}
	}
	return out
}

// report gathers what the JSON shows.
func (r *Report) report(d *Data) jsonReport {
	out := jsonReport{Claim: r.Claim.ID, Name: r.Claim.Name, Verdict: r.Verdict, Qualifier: r.Qualifier, Lacks: r.Lacks(), Hint: r.Hint, Note: r.Claim.Note,
		Tests: []jsonTest{}, Figures: []jsonFigure{}, LeavesOut: []jsonOmission{}, Assumptions: []jsonFigure{}, Changes: []jsonChange{}, Sources: map[string]Source{}}
	for _, t := range r.Tests {
		out.Tests = append(out.Tests, jsonTest{t.Name, t.Passed, t.Value, t.Limit, t.Unit, t.Worst, t.Detail})
	}
	for _, f := range r.Sheet.Figures() {
		if !r.supposed(f) {
			out.Figures = append(out.Figures, f.json())
		}
	}
	for _, o := range r.LeavesOut {
		j := jsonOmission{What: o.What, Stated: o.Stated, How: o.How}
		if o.Price != nil {
			p := o.Price.json()
			j.Price = &p
		}
		out.LeavesOut = append(out.LeavesOut, j)
	}
	for _, f := range r.Assumptions() {
		out.Assumptions = append(out.Assumptions, f.json())
	}
	for _, c := range r.Changes {
		out.Changes = append(out.Changes, jsonChange{c.Figure.ID, c.Factor, c.Verdict})
	}
	d.citeAll(out)
	return out
}

// citeAll adds the sources that the report's figures name.
func (d *Data) citeAll(out jsonReport) {
	for _, list := range [][]jsonFigure{out.Figures, out.Assumptions} {
		for _, f := range list {
			for _, key := range strings.Split(f.Source, ", ") {
				if s, ok := d.Sources[key]; ok {
					out.Sources[key] = s
				}
			}
		}
	}
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// JSON writes the audit as one object.
func (r *Report) JSON(w io.Writer, d *Data) error { return writeJSON(w, r.report(d)) }
