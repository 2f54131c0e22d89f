package audit

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Plan is the other way round: what money, days, hardware or energy can train.
type Plan struct {
	Part    *Part
	Sheet   *Sheet
	Limit   string // which of the givens binds
	Models  []Planned
	Nearest []*Report // published runs of about that compute
}

// Planned is one model that the compute trains.
type Planned struct {
	Kind                   string
	Ratio                  float64 // tokens a parameter
	Params, Active, Tokens Range
	Memory                 int // accelerators that its training state needs at least
	Serve                  *Report
}

// planFields are what a plan may be given.
var planFields = []struct {
	id, title string
	Field
	hours string // formula of the GPU-hours that it allows
}{
	{"dollars", "money", Field{Unit: "$"}, "dollars/rental"},
	{"hours", "GPU-hours", Field{Unit: "GPU-hours"}, "hours"},
	{"energy", "energy", Field{Unit: "MWh"}, "energy/watts"},
	{"gpus", "accelerators", Field{Unit: "GPUs"}, ""},
	{"days", "wall time", Field{Unit: "days"}, ""},
	{"tokens", "tokens at hand", Field{Unit: "tokens"}, ""},
	{"params", "parameters wanted", Field{Unit: "params"}, ""},
}

var planFlags = map[string]string{"dollars": "--money"}

// trainingBytes is the memory of a parameter in mixed-precision training with Adam: weights, gradient, master copy, two moments.
const trainingBytes = 16

// moeShare is how many times more parameters than active ones a network of DeepSeek-V3's kind has.
const moeShare = 18

// NewPlan works out what the givens (figures as text, by id) train on a part.
func (d *Data) NewPlan(gpu string, givens map[string]string, set Settings) (*Plan, error) {
	part, err := d.Part(gpu)
	if err != nil {
		return nil, fmt.Errorf("--gpu: %w", err)
	}
	r := &Report{Claim: &Claim{ID: "plan", Name: "the plan", Hardware: part.ID, flags: true}, Sheet: &Sheet{}}
	if err := d.fill(r, set); err != nil {
		return nil, err
	}
	if err := set.apply(d, r); err != nil {
		return nil, err
	}
	s := r.Sheet
	if !s.Has("peak") {
		return nil, fmt.Errorf("--gpu: the peak of %s is not known", part.Name)
	}
	for _, f := range planFields {
		text := givens[f.id]
		if text == "" {
			continue
		}
		f.Field.Name = cmp.Or(planFlags[f.id], "--"+f.id)
		q, err := f.Parse(text)
		if err != nil {
			return nil, err
		}
		if q.Dim == base(dimWord) {
			return nil, fmt.Errorf("%s: %q: want tokens, not words", f.Field.Name, text)
		}
		s.Put(&Figure{ID: f.id, Title: f.title, Value: Value{q.Range, q.Dim}, Unit: f.Unit, Standing: Given, Source: f.Field.Name})
	}
	p := &Plan{Part: part, Sheet: s}
	if err := p.budget(); err != nil {
		return nil, err
	}
	p.models(d, r)
	return p, p.nearest(d)
}

// budget finds the GPU-hours: the least that any of the givens allows.
func (p *Plan) budget() error {
	s := p.Sheet
	if err := s.Apply([]Rule{{"watts", "power of one accelerator, its share of server and building", "W/GPU", []string{"tdp*server_power*draw*pue"}, ""}}); err != nil {
		return err
	}
	var limits []string
	best := math.Inf(1)
	for _, l := range []struct{ formula, what string }{{"dollars/rental", "money"}, {"hours", "hours"}, {"gpus*days", "days"}, {"energy/watts", "energy"}} {
		e, err := parseExpr(l.formula)
		if err != nil {
			return err
		}
		if !s.knows(e) {
			continue
		}
		v, err := e.eval(s.value)
		if err != nil {
			return err
		}
		limits = append(limits, l.formula)
		if v.Central < best {
			best, p.Limit = v.Central, l.what
		}
	}
	formula := strings.Join(limits, ", ")
	switch len(limits) {
	case 0:
		if s.Has("dollars") {
			return fmt.Errorf("the rent of %s is not known: --set price=2", p.Part.Name)
		}
		return fmt.Errorf("a plan wants --money, --hours, --energy, or --gpus with --days")
	case 1:
	default:
		formula = "min(" + formula + ")"
	}
	rules := []Rule{
		{"budget", "GPU-hours at hand", "GPU-hours", []string{formula}, ""},
		{"plan_flop", "compute", "FLOP", []string{"budget*peak*run_mfu"}, ""},
		{"plan_days", "days", "days", []string{"budget/gpus"}, ""},
		{"plan_energy", "energy", "MWh", []string{"budget*watts"}, ""},
		{"plan_co2", "CO2", "t", []string{"plan_energy*grid"}, ""},
	}
	if p.Limit != "money" {
		rules = append(rules, Rule{"plan_cost", "rented", "$", []string{"budget*rental"}, ""})
	}
	return s.Apply(rules)
}

// models splits the compute between parameters and tokens. C = 6·N·D and D = ratio·N give N = √(C ÷ (6·ratio)).
func (p *Plan) models(d *Data, r *Report) {
	s := p.Sheet
	c := s.Get("plan_flop").Range
	root := func(ratio float64) Range {
		f := func(v float64) float64 { return math.Sqrt(v / (6 * ratio)) }
		return Range{f(c.Low), f(c.Central), f(c.High)}
	}
	add := func(kind string, ratio float64, active, tokens Range, share float64) {
		m := Planned{Kind: kind, Ratio: ratio, Active: active, Params: active.Scale(share), Tokens: tokens}
		if mem := p.Part.figure("memory", ""); mem != nil {
			m.Memory = int(math.Ceil(m.Params.Central * trainingBytes / (0.8 * mem.Central)))
		}
		m.Serve = p.serve(d, r, m)
		p.Models = append(p.Models, m)
	}
	switch {
	case s.Has("params"):
		n := s.Get("params").Range
		inv, _ := n.Scale(6).inverse()
		t := c.mul(inv)
		add("as wanted", t.Central/n.Central, n, t, 1)
	case s.Has("tokens"):
		t := s.Get("tokens").Range
		inv, _ := t.Scale(6).inverse()
		n := c.mul(inv)
		add("on the tokens at hand", t.Central/n.Central, n, t, 1)
	default:
		for _, k := range []struct {
			kind  string
			ratio float64
			share float64
		}{{"compute-optimal", 20, 1}, {"over-trained 10 times", 200, 1}, {"over-trained like Llama 3 8B", 1875, 1}, {"experts like DeepSeek-V3's", 400, moeShare}} {
			n := root(k.ratio)
			add(k.kind, k.ratio, n, n.Scale(k.ratio), k.share)
		}
	}
}

// serve prices the planned model on the same part; nil where that cannot be said.
func (p *Plan) serve(d *Data, r *Report, m Planned) *Report {
	claim := &Claim{ID: "plan", Name: m.Kind, Hardware: p.Part.ID, Standing: Assumed, Sources: []string{"assumed"}, flags: true,
		Figures: map[string]Entry{"params": {Value: m.Params.Central, Unit: "params"}, "active": {Value: m.Active.Central, Unit: "params"}}}
	out, err := d.sheet(claim, Settings{})
	if err != nil || out.Serve(Service{}) != nil {
		return nil
	}
	return out
}

// nearest finds the published runs of the nearest compute.
func (p *Plan) nearest(d *Data) error {
	c := p.Sheet.Get("plan_flop").Central
	for _, claim := range d.Claims {
		if claim.reading() {
			continue
		}
		r, err := d.sheet(claim, Settings{})
		if err != nil {
			return err
		}
		if r.Sheet.Has("flop") {
			p.Nearest = append(p.Nearest, r)
		}
	}
	off := func(r *Report) float64 { return math.Abs(math.Log(r.Sheet.Get("flop").Central / c)) }
	slices.SortStableFunc(p.Nearest, func(a, b *Report) int { return cmp.Compare(off(a), off(b)) })
	p.Nearest = p.Nearest[:min(3, len(p.Nearest))]
	return nil
}

// Text writes the plan, one screen high.
func (p *Plan) Text(w io.Writer, screen Screen) error {
	out := &textPage{Screen: screen.Fit()}
	out.add(0, wrap("on "+p.Part.Name+"; what binds: "+p.Limit, out.Width)...)
	for i, l := range []label{{"GPU-hours", "budget"}, {"compute", "plan_flop"}, {"utilisation", "run_mfu"}, {"days", "plan_days"}, {"rented", "plan_cost"}, {"energy", "plan_energy"}, {"CO2", "plan_co2"}} {
		if f := p.Sheet.Get(l.id); f != nil {
			out.row(i/5, l.label, f.String(), f.origin())
		}
	}
	out.add(0, "what it trains (C = 6·N·D; 20 tokens a parameter [chinchilla]):")
	for _, m := range p.Models {
		tokens, params := &Figure{Unit: "tokens", Value: Value{m.Tokens, base(dimToken)}}, &Figure{Unit: "params", Value: Value{m.Active, base(dimParam)}}
		size := params.String()
		if m.Params != m.Active {
			size = (&Figure{Unit: "params", Value: Value{m.Params, base(dimParam)}}).String() + " (" + size + " active)"
		}
		out.text(0, 0, fmt.Sprintf("%s, %s a parameter: %s on %s", m.Kind, short(m.Ratio), size, tokens))
		line := fmt.Sprintf("its training fits on %d or more of them", m.Memory)
		if m.Memory == 0 {
			line = "memory of the part not known"
		}
		if m.Serve != nil && m.Serve.Sheet.Has("decode_price") {
			line += fmt.Sprintf("; out %s, %s", m.Serve.Sheet.Get("decode_price"), m.Serve.Sheet.Get("decode_joules"))
		}
		for _, l := range wrap(line, out.Width-6) {
			out.add(0, "      "+l)
		}
	}
	var near []string
	for _, r := range p.Nearest {
		near = append(near, r.Claim.Name+" "+r.Sheet.Get("flop").String())
	}
	out.text(1, 0, "nearest published runs: "+strings.Join(near, "; "))
	return out.write(w)
}

type jsonPlanned struct {
	Kind   string       `json:"kind"`
	Ratio  float64      `json:"tokens_per_parameter"`
	Params [3]float64   `json:"params"` // low, value, high
	Active [3]float64   `json:"active"`
	Tokens [3]float64   `json:"tokens"`
	Memory int          `json:"gpus_for_training_state"`
	Serve  []jsonFigure `json:"serving"`
}

// JSON writes the plan as one object.
func (p *Plan) JSON(w io.Writer) error {
	out := struct {
		GPU     string        `json:"gpu"`
		Limit   string        `json:"limit"`
		Figures []jsonFigure  `json:"figures"`
		Models  []jsonPlanned `json:"models"`
		Nearest []string      `json:"nearest"`
	}{GPU: p.Part.ID, Limit: p.Limit, Figures: []jsonFigure{}, Models: []jsonPlanned{}, Nearest: []string{}}
	for _, f := range p.Sheet.Figures() {
		out.Figures = append(out.Figures, f.json())
	}
	three := func(r Range) [3]float64 { return [3]float64{r.Low, r.Central, r.High} }
	for _, m := range p.Models {
		j := jsonPlanned{m.Kind, m.Ratio, three(m.Params), three(m.Active), three(m.Tokens), m.Memory, []jsonFigure{}}
		if m.Serve != nil {
			for _, r := range serving {
				if f := m.Serve.Sheet.Get(r.ID); f != nil {
					j.Serve = append(j.Serve, f.json())
				}
			}
		}
		out.Models = append(out.Models, j)
	}
	for _, r := range p.Nearest {
		out.Nearest = append(out.Nearest, r.Claim.ID)
	}
	return writeJSON(w, out)
}
