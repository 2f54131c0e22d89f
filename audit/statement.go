package audit

import "fmt"

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

// sheetOf computes the sheet of a claim by its exact id, once.
func (d *Data) sheetOf(id string) (*Sheet, error) {
	if s, ok := d.sheets[id]; ok {
		return s, nil
	}
	for _, c := range d.Claims {
		if c.ID == id {
			r, err := d.sheet(c, Settings{})
			if err != nil {
				return nil, err
			}
			d.sheets[id] = r.Sheet
			return r.Sheet, nil
		}
	}
	return nil, fmt.Errorf("no claim %q", id)
}
