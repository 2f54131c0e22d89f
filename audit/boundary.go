package audit

import (
	"fmt"
	"strings"
)

// Omission is something that a claim's figure does not hold.
type Omission struct {
	What   string
	Stated bool   // the claim says so itself; otherwise it is silent
	How    string // how it is priced, or why it cannot be
	Price  *Figure
}

// Step is one rung of the ladder from the last run to everything.
type Step struct {
	Boundary string
	Figure   *Figure
}

// boundaryItems are what runs cost besides the run, with the words by which a claim's own text names them.
var boundaryItems = []struct{ what, words string }{
	{"research and ablations", "research ablation experiment development"},
	{"failed runs", "failed restart"},
	{"data", "data token synthetic"},
	{"fine-tuning and RL", "fine-tuning post-training sft rl rlhf"},
	{"teachers of distillation", "distill teacher r1-derived"},
	{"staff", "staff developer"},
	{"power and buildings", "power purchase building"},
}

// scopeIsPart reports that the figure is for a stage on top of a model that somebody else paid for.
func (r *Report) scopeIsPart() bool {
	sc := strings.ToLower(r.Claim.Scope)
	return strings.Contains(sc, "only") || strings.Contains(sc, "continued")
}

// boundary lists what is left out and what the published multiples make of it.
func (r *Report) boundary(d *Data) {
	s, text := r.Sheet, strings.ToLower(r.Claim.LeavesOut)
	r.LeavesOut, r.Ladder = nil, nil
	if r.scopeIsPart() {
		r.LeavesOut = append(r.LeavesOut, Omission{"the base model", true, "compute of the base at 40 % of an H100 for $2 an hour", s.Get("base_bill")})
	}
	for _, item := range boundaryItems {
		if strings.Contains(r.Claim.Scope, "all stages") && item.what == "fine-tuning and RL" {
			continue
		}
		stated := false
		for _, w := range strings.Fields(item.words) {
			stated = stated || containsWord(text, w)
		}
		o := Omission{What: item.what, Stated: stated}
		switch item.what {
		case "research and ablations", "failed runs":
			o.How, o.Price = "development costs 3 to 10 final runs [rnd, hidden]", s.Get("development")
		case "staff":
			o.How, o.Price = "29 to 49 % of development [cottier]", s.Get("with_staff")
		case "power and buildings":
			if s.Has("price") {
				o.How = "in the hour's price, if that is a rent"
			} else {
				o.How, o.Price = "electricity alone", s.Get("electricity")
			}
		default:
			o.How = "no published price"
		}
		r.LeavesOut = append(r.LeavesOut, o)
	}
	for _, step := range []struct{ boundary, id string }{
		{"the run as claimed", "bill"}, {"× experiments and failed runs", "development"}, {"÷ (1 − staff's share)", "with_staff"}, {"buying the cluster", "fleet"}} {
		if f := s.Get(step.id); f != nil {
			r.Ladder = append(r.Ladder, Step{step.boundary, f})
		}
	}
}

func containsWord(text, word string) bool {
	for i := 0; ; {
		j := strings.Index(text[i:], word)
		if j < 0 {
			return false
		}
		i += j
		if i == 0 || text[i-1] < 'a' || text[i-1] > 'z' {
			return true
		}
		i += len(word)
	}
}

// Change is a distance to another verdict: by which factor one figure must be off.
type Change struct {
	Figure  *Figure
	Factor  float64
	To      Range // what the figure would be
	Verdict Verdict
}

// String says it in words.
func (c Change) String() string {
	return fmt.Sprintf("%s ×%s (%s) makes it %s", c.Figure.Title, digits(c.Factor, 3), c.Figure.format(c.To), c.Verdict)
}
