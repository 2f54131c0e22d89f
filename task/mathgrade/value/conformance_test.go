package value

import (
	"bufio"
	"encoding/json"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/pennyml/penny/task/mathgrade/ball"
	"github.com/pennyml/penny/task/mathgrade/expr"
)

type line struct {
	ID    string          `json:"id"`
	Latex string          `json:"latex"`
	Value json.RawMessage `json:"value"`
}

func lines(t *testing.T, name string) []line {
	t.Helper()
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set: no conformance data")
	}
	f, err := os.Open(filepath.Join(dir, "conformance/maths", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []line
	for s := bufio.NewScanner(f); s.Scan(); {
		var l line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

func probe(t *testing.T) map[string]ball.Complex {
	data, err := os.ReadFile(filepath.Join(os.Getenv("PENNY_DATA"), "conformance/maths/probe_point.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]string
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	out := map[string]ball.Complex{}
	for k, v := range m {
		r, _ := new(big.Rat).SetString(v)
		out[k] = ball.FromReal(ball.Rat(r))
	}
	return out
}

func TestLatexValues(t *testing.T) {
	all := lines(t, "latex_values.jsonl")
	point := probe(t)
	good, total := 0, 0
	for _, l := range all {
		var re, im float64
		var pair [2]float64
		switch {
		case l.Value == nil || string(l.Value) == "null":
			if _, err := expr.Parse(l.Latex); err != nil {
				t.Logf("%s %q has no value and does not parse: %v", l.ID, l.Latex, err)
			}
			continue
		case json.Unmarshal(l.Value, &re) == nil:
		case json.Unmarshal(l.Value, &pair) == nil:
			re, im = pair[0], pair[1]
		}
		total++
		n, err := expr.Parse(l.Latex)
		if err != nil {
			t.Logf("%s %q: %v", l.ID, l.Latex, err)
			continue
		}
		budget := 100000
		v, err := (&Env{Vars: point, Budget: &budget}).Eval(n)
		if err != nil {
			t.Logf("%s %q = %v: %v, want %v", l.ID, l.Latex, n.Key(), err, re)
			continue
		}
		if tol := 1e-9 * (1 + math.Hypot(re, im)); math.Abs(v.Re.Float()-re) > tol || math.Abs(v.Im.Float()-im) > tol {
			t.Logf("%s %q = %s: %v%+vi, want %v%+vi", l.ID, l.Latex, n.Key(), v.Re.Float(), v.Im.Float(), re, im)
			continue
		}
		good++
	}
	t.Logf("%d of %d values", good, total)
	if good*100 < total*98 {
		t.Errorf("%d of %d values agree, want 98%%", good, total)
	}
}

func TestLatexBad(t *testing.T) {
	for _, l := range lines(t, "latex_bad.jsonl") {
		if n, err := expr.Parse(l.Latex); err == nil {
			t.Errorf("%s %q parses as %s", l.ID, l.Latex, n.Key())
		}
	}
}
