package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// flagNames are the command line's names of the figures that have another one there.
var flagNames = map[string]string{"stated_rate": "rate", "stated_mfu": "mfu", "stated_price": "price", "stated_peak": "peak", "billed_hours": "billed-hours", "base_flop": "base-flop"}

// fieldName is how errors call a figure.
func (c *Claim) fieldName(id string) string {
	if !c.flags {
		return "claim " + c.ID + ": " + id
	}
	if n, ok := flagNames[id]; ok {
		return "--" + n
	}
	return "--" + id
}

// FromFlags makes a claim of figures as text by id (params, tokens, hours, ...) and of words (gpu, precision, scope, grid).
func FromFlags(figures, words map[string]string) (*Claim, error) {
	c := &Claim{ID: "claim", Name: "the claim", Standing: Given, Sources: []string{"given"}, Figures: map[string]Entry{}, flags: true,
		Hardware: words["gpu"], Precision: words["precision"], Scope: cmp.Or(words["scope"], "pretraining"), Grid: words["grid"], Date: words["date"]}
	if p := c.Precision; p != "" && precision(p) == "" {
		return nil, fmt.Errorf("--precision: %q: want one of bf16, fp16, fp8, fp4, int8, tf32, fp32", p)
	}
	for id, text := range figures {
		if text == "" {
			continue
		}
		f, _, ok := claimField(id)
		if !ok {
			return nil, fmt.Errorf("no such figure %q", id)
		}
		f.Name = c.fieldName(id)
		if _, err := f.Parse(text); err != nil {
			return nil, err
		}
		c.Figures[id] = Entry{Value: text, Unit: f.Unit}
	}
	return c, nil
}

// Find looks a claim up by id or name, forgiving case, punctuation, missing pieces and slips of the finger. When several fit equally well
// the error names them.
func (d *Data) Find(name string) (*Claim, error) {
	n := normal(name)
	if n == "" {
		return nil, fmt.Errorf("no claim named")
	}
	var best []*Claim
	score := 0
	for _, c := range d.Claims {
		sc := max(match(n, normal(c.ID)), match(n, normal(c.Name)), matchWords(name, normal(c.ID)), matchWords(name, normal(c.Name)))
		if slices.Contains(strings.Split(c.ID, "-"), n) { // a whole word of the name
			sc = max(sc, 650)
		}
		if c.reading() && normal(c.ID) != n {
			sc -= 300
		}
		switch {
		case sc > score:
			best, score = []*Claim{c}, sc
		case sc == score && sc > 0:
			best = append(best, c)
		}
	}
	if len(best) == 1 {
		return best[0], nil
	}
	var ids []string
	for _, c := range best {
		ids = append(ids, c.ID)
	}
	if len(best) == 0 {
		return nil, fmt.Errorf("no claim like %q", name)
	}
	return nil, fmt.Errorf("%q may be %s", name, strings.Join(ids, ", "))
}

// match scores how well a query fits a name, both normalised: 0 is not at all, exactly the same is most.
func match(query, name string) int {
	switch {
	case query == name:
		return 1000
	case strings.HasSuffix(name, query):
		return 800
	case strings.HasPrefix(name, query):
		return 700
	case strings.Contains(name, query):
		return 600
	}
	slips := distance(query, name)
	if limit := len(query) / 4; slips <= limit {
		return 400 - slips
	}
	return 0
}

// matchWords scores a query of several words that all stand in a name: "llama 405".
func matchWords(query, name string) int {
	words := strings.FieldsFunc(strings.ToLower(query), func(r rune) bool { return r == ' ' || r == '-' || r == '_' || r == '/' })
	for _, w := range words {
		if len(words) < 2 || !strings.Contains(name, normal(w)) {
			return 0
		}
	}
	return 500
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// FindStatement looks a statement up by id.
func (d *Data) FindStatement(name string) *Statement {
	i := slices.IndexFunc(d.Statements, func(s *Statement) bool { return normal(s.ID) == normal(name) })
	if i < 0 {
		return nil
	}
	return d.Statements[i]
}
