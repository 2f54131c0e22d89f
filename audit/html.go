package audit

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// pageFigure is a figure as the page shows it.
type pageFigure struct{ ID, Title, Value, Origin, Note string }

// pageBar is a bar from X to X+W with a mark at C, all in hundredths of the width.
type pageBar struct {
	Title, Value, Origin string
	X, W, C              float64
}

type pageTest struct {
	Test
	Numbers string
}

type pageOmission struct {
	Omission
	Price string
}

type pageSource struct {
	Key string
	Source
}

type pageTornado struct {
	Title, Value, Central string
	Bars                  []pageBar
}

type pageData struct {
	ID, Name, Heading, Scope, Class, Hint, Note string
	Quote, Finding                              string // of a statement
	Verdict                                     Verdict
	Qualifier, LeavesOut, ClaimSources          string
	LadderFrom, LadderTo                        string
	Cards, Figures, Assumptions                 []pageFigure
	Tests                                       []pageTest
	Changes                                     []string
	Ladder                                      []pageBar
	Tornados                                    []pageTornado
	Omissions                                   []pageOmission
	Sources                                     []pageSource
}

// HTML writes the audit as one page that needs nothing else.
func (r *Report) HTML(w io.Writer, d *Data) error {
	c := r.Claim
	p := pageData{ID: c.ID, Name: c.Name, Heading: strings.TrimPrefix(strings.TrimPrefix(r.heading(), c.Name), ", "), Scope: c.Scope, Class: classOf(r.Verdict),
		Verdict: r.Verdict, Qualifier: r.Qualifier, LeavesOut: c.LeavesOut, ClaimSources: strings.Join(c.Sources, ", "), Hint: r.Hint, Note: c.Note}
	for _, id := range []string{"flop", "rate", "mfu_bf16", "mfu_fp8", "mfu_exact", "hours", "run_days", "price", "rented", "owned", "energy", "energy_model", "co2", "co2_model"} {
		if f := r.Sheet.Get(id); f != nil {
			p.Cards = append(p.Cards, f.page())
		}
	}
	for _, t := range r.Tests {
		f := &Figure{Unit: t.Unit}
		numbers := ""
		if t.Unit != "" {
			numbers = f.number(t.Value) + ", limit " + f.number(t.Limit)
		}
		p.Tests = append(p.Tests, pageTest{t, numbers})
	}
	for _, ch := range r.Changes {
		p.Changes = append(p.Changes, ch.String())
	}
	for _, o := range r.LeavesOut {
		price := ""
		if o.Price != nil {
			price = o.Price.String()
		}
		p.Omissions = append(p.Omissions, pageOmission{o, price})
	}
	r.pageLadder(&p)
	for _, id := range []string{"with_staff", "owned", "energy_model"} {
		if t, ok := r.pageTornado(id); ok {
			p.Tornados = append(p.Tornados, t)
		}
	}
	r.pageFigures(&p, d)
	return page.ExecuteTemplate(w, "page", p)
}

func (f *Figure) page() pageFigure {
	return pageFigure{f.ID, f.Title, f.String(), f.origin(), f.Note}
}

// pageFigures lists every figure, every assumption and the sources that they name.
func (r *Report) pageFigures(p *pageData, d *Data) {
	for _, f := range r.Sheet.Figures() {
		if !r.supposed(f) {
			p.Figures = append(p.Figures, f.page())
		}
	}
	for _, f := range r.Assumptions() {
		p.Assumptions = append(p.Assumptions, f.page())
	}
	p.Sources = d.listSources(r.report(d).Sources, r.Claim.Sources)
}

// listSources puts sources in order, those of these keys too.
func (d *Data) listSources(named map[string]Source, keys []string) (out []pageSource) {
	sources := map[string]Source{}
	maps.Copy(sources, named)
	for _, key := range keys {
		if s, ok := d.Sources[key]; ok {
			sources[key] = s
		}
	}
	for _, key := range slices.Sorted(maps.Keys(sources)) {
		out = append(out, pageSource{key, sources[key]})
	}
	return out
}

// pageLadder draws the ladder on a logarithmic scale.
func (r *Report) pageLadder(p *pageData) {
	if len(r.Ladder) < 2 {
		return
	}
	lo, hi := math.Inf(1), 0.0
	for _, st := range r.Ladder {
		lo, hi = min(lo, st.Figure.Low), max(hi, st.Figure.High)
	}
	lo, hi = math.Pow(10, math.Floor(math.Log10(lo))), math.Pow(10, math.Ceil(math.Log10(hi)))
	p.LadderFrom, p.LadderTo = dollars(lo), dollars(hi)
	at := func(v float64) float64 { return 100 * math.Log(v/lo) / math.Log(hi/lo) }
	for _, st := range r.Ladder {
		f := st.Figure
		p.Ladder = append(p.Ladder, bar(st.Boundary, f.String(), f.origin(), at(f.Low), at(f.High), at(f.Central)))
	}
}

// bar rounds the positions; a range without width is drawn as a thin bar.
func bar(title, value, origin string, low, high, mark float64) pageBar {
	round := func(v float64) float64 { return math.Round(v*100) / 100 }
	return pageBar{title, value, origin, round(low), max(0.6, round(high-low)), round(mark)}
}

func (r *Report) pageTornado(id string) (pageTornado, bool) {
	f := r.Sheet.Get(id)
	swings := r.Tornado(id)
	if f == nil || len(swings) == 0 {
		return pageTornado{}, false
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, s := range swings {
		lo, hi = min(lo, s.Low, s.High), max(hi, s.Low, s.High)
	}
	mark := f.In().Central
	lo, hi = min(lo, mark), max(hi, mark)
	if !(hi > lo) {
		return pageTornado{}, false
	}
	at := func(v float64) float64 { return 100 * (v - lo) / (hi - lo) }
	out := pageTornado{Title: f.Title, Value: f.String(), Central: f.number(mark)}
	for _, s := range swings {
		out.Bars = append(out.Bars, bar(s.Figure.Title, fmt.Sprintf("%s to %s", f.number(min(s.Low, s.High)), f.number(max(s.Low, s.High))),
			fmt.Sprintf("%s, %s [%s]", s.Figure, s.Figure.Standing, s.Figure.Source), at(min(s.Low, s.High)), at(max(s.Low, s.High)), at(mark)))
	}
	return out, true
}
