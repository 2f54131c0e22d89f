package audit

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

func TestPlan(t *testing.T) {
	d := load(t)
	p, err := d.NewPlan("h100", map[string]string{"dollars": "1000"}, Settings{Set: map[string]string{"price": "2", "run_mfu": "40%"}})
	if err != nil {
		t.Fatal(err)
	}
	// 500 hours at 40 % of 989.4 TFLOP/s; at 20 tokens a parameter N = √(C/120).
	c := 500 * 3600 * 0.4 * 989.4e12
	if got := p.Sheet.Get("plan_flop").Central; math.Abs(got/c-1) > 1e-12 {
		t.Errorf("compute %g, want %g", got, c)
	}
	if n := p.Models[0]; math.Abs(n.Params.Central/math.Sqrt(c/120)-1) > 1e-12 || math.Abs(6*n.Params.Central*n.Tokens.Central/c-1) > 1e-12 {
		t.Errorf("optimal model %+v", n)
	}
	if len(p.Models) != 4 || len(p.Nearest) != 3 {
		t.Errorf("%d models, %d neighbours", len(p.Models), len(p.Nearest))
	}
	var text, obj bytes.Buffer
	p.Text(&text, Plain)
	if err := p.JSON(&obj); err != nil || strings.Count(text.String(), "\n") > 24 {
		t.Errorf("%v\n%s", err, text.String())
	}
}

// The tightest of several limits binds.
func TestPlanLimits(t *testing.T) {
	d := load(t)
	for _, c := range []struct {
		givens map[string]string
		limit  string
	}{
		{map[string]string{"dollars": "1m", "gpus": "8", "days": "1"}, "days"}, {map[string]string{"dollars": "100", "gpus": "1024", "days": "30"}, "money"},
		{map[string]string{"energy": "10 MWh", "hours": "1m"}, "energy"}, {map[string]string{"hours": "100"}, "hours"},
	} {
		p, err := d.NewPlan("h100", c.givens, Settings{})
		if err != nil || p.Limit != c.limit {
			t.Errorf("%v: %v, %v", c.givens, p, err)
		}
	}
	for _, givens := range []map[string]string{{}, {"gpus": "8"}, {"dollars": "5 kWh"}, {"days": "3 GPU-days", "gpus": "8"}, {"dollars": "-1"}} {
		if _, err := d.NewPlan("h100", givens, Settings{}); err == nil {
			t.Errorf("%v: planned", givens)
		}
	}
}
