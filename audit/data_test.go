package audit

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

const goodFile = `{"sources": {"me": {"title": "My run", "date": "2026-01", "address": "https://example.org"}},
	"hardware": [{"id": "x1", "name": "X1", "kind": "gpu", "standing": "published", "sources": ["me"], "peaks": {"bf16": {"value": 500, "unit": "TFLOP/s"}, "fp8": {"value": "1 PFLOP/s", "unit": "TFLOP/s"}},
		"figures": {"tdp": {"value": 500, "unit": "W"}, "rental": {"low": 1, "value": 1.5, "high": 2, "unit": "$/GPU-hour"}}}],
	"claims": [{"id": "mine", "name": "Mine 7B", "maker": "me", "date": "2026-01", "scope": "pretraining", "precision": "bf16", "hardware": "x1", "standing": "published", "sources": ["me"],
		"figures": {"params": {"value": "7b", "unit": "params"}, "tokens": {"value": 2, "unit": "Mtoken", "low": 1, "high": "3"}, "hours": {"value": 1, "unit": "GPU-days"}}}]}`

func TestAdd(t *testing.T) {
	d := load(t)
	if err := d.Add("mine.json", []byte(goodFile)); err != nil {
		t.Fatal(err)
	}
	r := auditOf(t, d, "mine")
	want(t, r, "tokens", 2e6, 0)
	want(t, r, "hours", 24, 1e-9)
	want(t, r, "flop", 6*7e9*2e6, 1)
	if f := r.Sheet.Get("flop").In(); f.Low != 6*7e9*1e6 || f.High != 6*7e9*3e6 {
		t.Errorf("the range did not go through: %v", f)
	}
	if p, err := d.Part("x1"); err != nil || p.Name != "X1" {
		t.Error(err)
	}
	// A claim of the same id takes the place of the built-in one; YAML says the same.
	over := "sources:\n  me: {title: Again, date: 2026, address: here}\nclaims:\n- {id: deepseek-v3, name: V3, hardware: h800, precision: fp8, standing: press, sources: [me],\n   figures: {active: {value: 37b, unit: params}, tokens: {value: 14.8t, unit: tokens}, hours: {value: 100k, unit: GPU-hours}}}\n"
	if err := d.Add("over.yaml", []byte(strings.Replace(over, "2026", `"2026"`, 1))); err != nil {
		t.Fatal(err)
	}
	if r := auditOf(t, d, "deepseek-v3"); r.Verdict != Impossible {
		t.Errorf("the claim was not replaced: %s", r.Verdict)
	}
}

// What must not be taken, and the words by which the refusal says why.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct{ old, new, says string }{
		"unknown unit":           {`"value": "7b", "unit": "params"`, `"value": 7, "unit": "elephants"`, "params"},
		"other dimension":        {`"value": "7b", "unit": "params"`, `"value": 7, "unit": "kWh"`, "energy"},
		"no unit":                {`"value": "7b", "unit": "params"`, `"value": 7, "unit": ""`, "no unit"},
		"no source":              {`"standing": "published", "sources": ["me"],` + "\n\t\t\"figures\": {\"params\"", `"standing": "published", "sources": [],` + "\n\t\t\"figures\": {\"params\"", "no source"},
		"unlisted source":        {`"sources": ["me"], "peaks"`, `"sources": ["you"], "peaks"`, `"you" is not listed`},
		"standing":               {`"standing": "published", "sources": ["me"], "peaks"`, `"standing": "sure", "sources": ["me"], "peaks"`, "standing"},
		"said to be sparse":      {`"value": 500, "unit": "TFLOP/s"`, `"value": 500, "unit": "TFLOP/s", "sparsity": "2:4"`, "dense peak is meant"},
		"fp8 four times bf16":    {`"1 PFLOP/s"`, `"2 PFLOP/s"`, "sparse"},
		"sparse H100":            {`"id": "x1", "name": "X1", "kind": "gpu", "standing": "published", "sources": ["me"], "peaks": {"bf16": {"value": 500`, `"id": "h100-sxm", "name": "X1", "kind": "gpu", "standing": "published", "sources": ["me"], "peaks": {"bf16": {"value": 1979`, "sparse"},
		"range out of order":     {`"low": 1, "high": "3"`, `"low": 5, "high": "3"`, "not in order"},
		"unknown figure":         {`"hours": {`, `"elephants": {`, "no such figure"},
		"unknown key":            {`"kind": "gpu"`, `"kin": "gpu"`, "unknown field"},
		"unknown hardware":       {`"hardware": "x1"`, `"hardware": "abacus"`, "abacus"},
		"negative":               {`"value": 1, "unit": "GPU-days"`, `"value": -1, "unit": "GPU-days"`, "hours"},
		"wall days for GPU-days": {`"value": 1, "unit": "GPU-days"`, `"value": 1, "unit": "days"`, "time"},
		"two objects":            {`"7b"`, `"7b"`, ""},
	} {
		text := strings.Replace(goodFile, c.old, c.new, 1)
		if name == "two objects" {
			text, c.says = goodFile+"{}", "follows"
		} else if text == goodFile {
			t.Fatalf("%s: nothing replaced", name)
		}
		if err := load(t).Add("mine.json", []byte(text)); err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "mine.json") {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func TestSettings(t *testing.T) {
	d := load(t)
	c, err := d.Find("deepseek v3")
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Audit(c, Settings{Grid: "FRA", Set: map[string]string{"price.h800": "1.5", "pue": "1.1", "tokens": "15t", "peak.h800.fp8": "1500", "limit_practice": "20%"}})
	if err != nil {
		t.Fatal(err)
	}
	want(t, r, "rented", 1.5*2.788e6, 1)
	want(t, r, "flop", 6*37e9*15e12, 1e20)
	want(t, r, "peak", 1500, 1e-9)
	want(t, r, "pue", 1.1, 1e-12)
	if g := r.Sheet.Get("grid").In().High; g > 60 {
		t.Errorf("grid of France: %g", g)
	}
	if r.Verdict != Implausible {
		t.Errorf("the limit was not set: %s", r.Verdict)
	}
	for key, text := range map[string]string{"price.a100": "1", "price.h800": "5 kWh", "peak.h800.fp8": "3958", "peak.h800": "3958", "elephants": "1", "pue": "-1", "price.abacus": "1", "pue.h800": "1"} {
		if _, err := d.Audit(c, Settings{Set: map[string]string{key: text}}); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("--set %s=%s: %v", key, text, err)
		}
	}
}

func TestFind(t *testing.T) {
	d := load(t)
	for name, want := range map[string]string{"deepseek-v3": "deepseek-v3", "DeepSeek V3": "deepseek-v3", "deepsek-v3": "deepseek-v3", "v3": "deepseek-v3", "llama 3.1 405b": "llama-3.1-405b", "405b": "llama-3.1-405b",
		"kimi": "kimi-k2", "gpt4": "gpt-4", "grok 3": "grok-3", "sky-t1": "sky-t1", "llama 405": "llama-3.1-405b", "r1": "deepseek-r1-rl", "qwen 235": "qwen3-235b", "reading-llama31-8b": "reading-llama31-8b"} {
		if c, err := d.Find(name); err != nil || c.ID != want {
			t.Errorf("%q: %v, %v; want %s", name, c, err, want)
		}
	}
	for _, name := range []string{"", "elephant", "qwen3", "llama 70b", "-", "- -"} {
		if c, err := d.Find(name); err == nil {
			t.Errorf("%q found %s", name, c.ID)
		}
	}
}

// No file makes the loader or an audit panic.
func FuzzAdd(f *testing.F) {
	f.Add(goodFile)
	f.Add(`{"statements": [{"id": "a", "claim": "b", "standing": "press", "sources": ["dsv3"], "checks": [{"id": "c", "what": "d", "formula": "1/(2-2)", "unit": "x"}]}]}`)
	built := load(f)
	f.Fuzz(func(t *testing.T, text string) {
		d := &Data{Sources: maps.Clone(built.Sources), Hardware: slices.Clone(built.Hardware[:4]), Grids: slices.Clone(built.Grids[:2]), Assumptions: slices.Clone(built.Assumptions)}
		if d.Add("f.json", []byte(text)) != nil {
			return
		}
		for _, c := range d.Claims {
			d.Audit(c, Settings{})
		}
		for _, s := range d.Statements {
			d.AuditStatement(s, Settings{})
		}
	})
}

// The schema for editors names exactly the figures that the loader takes.
func TestSchema(t *testing.T) {
	text, err := embedded.ReadFile("data/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	type properties struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	var schema struct {
		Properties map[string]struct {
			Items struct {
				Properties map[string]properties `json:"properties"`
			} `json:"items"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	claims := schema.Properties["claims"].Items.Properties["figures"].Properties
	for _, f := range claimFields {
		if _, ok := claims[f.id]; !ok {
			t.Errorf("the schema lacks %s", f.id)
		}
	}
	parts := schema.Properties["hardware"].Items.Properties["figures"].Properties
	for id := range partFields {
		if _, ok := parts[id]; !ok {
			t.Errorf("the schema lacks %s of hardware", id)
		}
	}
	if len(claims) != len(claimFields) || len(parts) != len(partFields) {
		t.Errorf("the schema has %d and %d figures, the loader %d and %d", len(claims), len(parts), len(claimFields), len(partFields))
	}
}
