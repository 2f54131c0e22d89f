package audit

import (
	"bytes"
	"encoding/csv"
	"math"
	"strings"
	"testing"
)

func statementOf(t *testing.T, d *Data, id string) *StatementReport {
	t.Helper()
	st := d.FindStatement(id)
	if st == nil {
		t.Fatalf("no statement %s", id)
	}
	r, err := d.AuditStatement(st, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The findings of the compilation, by computation. Ranges are given by their ends.
func TestFindings(t *testing.T) {
	d := load(t)
	for _, c := range []struct {
		statement, figure string
		low, high         float64
	}{
		{"finding-1", "v3_rate", 342.5, 342.7}, {"finding-1", "v3_bf16", 34.6, 34.65}, {"finding-1", "v3_fp8", 17.3, 17.35}, {"finding-1", "llama", 34.5, 34.65},
		{"finding-2", "both", 5.87e6, 5.87e6}, {"finding-2", "olmo", 5.6, 5.65}, {"finding-2", "development", 17.6e6, 58.7e6},
		{"finding-3", "installed", 60.7e3, 60.8e3}, {"finding-3", "by_value", 2.22, 2.24}, {"finding-3", "line_full", 1.38, 1.39}, {"finding-3", "line_part", 1.97, 1.99},
		{"finding-4", "v2", 165.5, 166.5}, {"finding-4", "llama33", 2.6, 2.65}, {"finding-4", "llama31", 416, 417}, {"finding-4", "r1", 128.2e3, 128.4e3}, {"finding-4", "table_over", 1.2, 1.25},
		{"finding-5", "s1_base", 4.9e6, 4.95e6}, {"finding-5", "r1_base", 5.576e6, 5.576e6},
		{"finding-6", "bill", 88.5e6, 89e6}, {"finding-6", "miss", 6.7, 6.8}, {"finding-7", "models", 55, 55}, {"finding-7", "without", 16, 16},
		{"finding-8", "active", 313.8, 314.1}, {"finding-8", "pcie", 1.30, 1.31}, {"finding-8", "fp8", 1.99, 2.01}, {"finding-8", "bill", 1.5, 1.55}, {"finding-8", "input", 14.9, 15.1},
		{"ds-inference", "bill", 87072, 87072}, {"ds-inference", "profit", 545, 546}, {"ds-inference", "days", 67, 68}, {"ds-inference", "joules", 1.18, 1.2},
		{"llama4-600", "days", 78, 78.3}, {"llama4-600", "capital", 4.8e9, 4.8e9}, {"amodei", "trend", 7.5e6, 10.7e6}, {"semi-capex", "equivalents", 24.4e3, 24.5e3},
		{"electricity", "reasoning", 35, 36}, {"wang-50k", "worth", 1.5e9, 1.5e9}, {"press-r1-56", "v3_days", 56.7, 56.8},
	} {
		f := statementOf(t, d, c.statement).Sheet.Get(c.figure)
		if f == nil {
			t.Errorf("%s has no %s", c.statement, c.figure)
			continue
		}
		if v := f.In(); v.Low < c.low*(1-1e-9) && v.Low < c.low-0.01*math.Abs(c.low) || v.High > c.high*(1+1e-9) && v.High > c.high+0.01*c.high || v.Central < c.low*(1-1e-9) || v.Central > c.high*(1+1e-9) {
			t.Errorf("%s: %s is %v, want within %g and %g", c.statement, c.figure, v, c.low, c.high)
		}
	}
}

func TestStatementVerdicts(t *testing.T) {
	d := load(t)
	for id, want := range map[string]Verdict{"dsv3-scope": Plausible, "press-r1-56": Implausible, "press-648": Impossible, "nature": Plausible, "semi-capex": Implausible,
		"llama4-600": Implausible, "h100-30k": Plausible, "ds-inference": Plausible, "bernstein": NotCheckable, "epoch-r1": Implausible} {
		if r := statementOf(t, d, id); r.Verdict != want {
			t.Errorf("%s: %s, want %s", id, r.Verdict, want)
		}
	}
	for i := 1; i <= 8; i++ {
		if r := statementOf(t, d, "finding-"+string(rune('0'+i))); r.Verdict != Plausible {
			t.Errorf("finding %d does not come out: %+v", i, r.Results)
		}
	}
}

func TestEverythingAtOnce(t *testing.T) {
	d := load(t)
	claims, statements, err := d.All(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if len(claims) != 55+13 || len(statements) != 43 {
		t.Errorf("%d claims, %d statements", len(claims), len(statements))
	}
	var text, table, sheet bytes.Buffer
	if err := Summary(&text, claims, statements, Plain); err != nil {
		t.Error(err)
	}
	for _, r := range claims {
		if !strings.Contains(text.String(), r.Claim.ID) {
			t.Errorf("the summary lacks %s", r.Claim.ID)
		}
	}
	if err := AllJSON(&table, d, claims, statements); err != nil {
		t.Error(err)
	}
	if err := CSV(&sheet, d, claims); err != nil {
		t.Error(err)
	}
	rows, err := csv.NewReader(&sheet).ReadAll()
	if err != nil || len(rows) != len(claims)+1 {
		t.Errorf("CSV: %d rows, %v", len(rows), err)
	}
}

func TestStatementSettings(t *testing.T) {
	d := load(t)
	st := d.FindStatement("press-r1-56")
	for set, want := range map[string]Verdict{"usd=294k": Implausible, "two_months=61 days": Implausible, "two_months=20 days": Implausible} {
		key, value, _ := strings.Cut(set, "=")
		r, err := d.AuditStatement(st, Settings{Set: map[string]string{key: value}})
		if err != nil || r.Verdict != want || r.Sheet.Get(key).Source != "--set "+key {
			t.Errorf("%s: %v, want %s; %v", set, r, want, err)
		}
	}
	for _, set := range []string{"bill=1", "usd=5 days", "usd=x"} {
		key, value, _ := strings.Cut(set, "=")
		if _, err := d.AuditStatement(st, Settings{Set: map[string]string{key: value}}); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", set, err)
		}
	}
}
