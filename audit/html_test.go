package audit

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

// wellFormed checks that a page asks nobody for anything and closes what it opens.
func wellFormed(t *testing.T, id, text string) {
	t.Helper()
	for _, no := range []string{"<script", "<link", "<img", "src=", "url(", "@import", "<iframe", "NaN", "Inf%"} {
		if strings.Contains(text, no) {
			t.Errorf("%s: the page has %q", id, no)
		}
	}
	dec := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(text, "<!DOCTYPE html>\n")))
	dec.Strict, dec.AutoClose, dec.Entity = false, []string{"meta", "br"}, xml.HTMLEntity
	for {
		if _, err := dec.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Errorf("%s: %v", id, err)
			return
		}
	}
}

// The page of every claim and statement shows every figure with its origin.
func TestHTML(t *testing.T) {
	d := load(t)
	for _, id := range []string{"deepseek-v3", "llama-3.3-70b", "qwen3-32b", "nanochat-d20", "s1-32b", "mistral-large-2", "reading-deepseek-v3-dense"} {
		r := auditOf(t, d, id)
		var b bytes.Buffer
		if err := r.HTML(&b, d); err != nil {
			t.Fatal(err)
		}
		wellFormed(t, id, b.String())
		for _, f := range r.Sheet.Figures() {
			if !r.supposed(f) && !strings.Contains(b.String(), "<code>"+f.ID+"</code>") {
				t.Errorf("%s: the page lacks %s", id, f.ID)
			}
		}
	}
	for _, s := range d.Statements {
		r := statementOf(t, d, s.ID)
		var b bytes.Buffer
		if err := r.HTML(&b, d); err != nil {
			t.Fatal(err)
		}
		wellFormed(t, s.ID, b.String())
		for _, res := range r.Results {
			if !strings.Contains(b.String(), "<code>"+res.Figure.ID+"</code>") {
				t.Errorf("%s: the page lacks %s", s.ID, res.Figure.ID)
			}
		}
	}
	claims, statements, err := d.All(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	var b, sheet bytes.Buffer
	if err := SeveralHTML(&b, d, claims, statements); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, "all", b.String())
	if err := StatementsCSV(&sheet, statements); err != nil {
		t.Fatal(err)
	}
	if rows, err := csv.NewReader(&sheet).ReadAll(); err != nil || len(rows) < len(statements) {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// onScreen checks that a text fits on the plain screen, or is only not wider.
func onScreen(t *testing.T, what, text string, high bool) {
	t.Helper()
	if n := strings.Count(text, "\n"); high && n > Plain.Height-1 {
		t.Errorf("%s: %d lines\n%s", what, n, text)
	}
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > Plain.Width && !strings.Contains(line, "https://") {
			t.Errorf("%s: %d columns: %s", what, n, line)
		}
	}
}

func TestScreen(t *testing.T) {
	d := load(t)
	claims, statements, err := d.All(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	show := func(what string, high bool, write func() error) {
		b.Reset()
		if err := write(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		onScreen(t, what, b.String(), high)
	}
	for _, r := range claims {
		show(r.Claim.ID, true, func() error { return r.Text(&b, Plain) })
		if r.Sheet.Has("params") && r.Part != nil && r.Serve(Service{}) == nil {
			show(r.Claim.ID+" served", true, func() error { return r.ServeText(&b, Plain) })
		}
	}
	for _, r := range statements {
		show(r.Statement.ID, true, func() error { return r.Text(&b, Plain) })
	}
	show("all", false, func() error { return Summary(&b, claims, statements, Plain) })
	show("list", false, func() error { d.List(&b, Plain); return nil })
	show("explain", false, func() error { return claims[12].Explain(&b, d, "with_staff", Plain) })
	for _, givens := range []map[string]string{{"dollars": "1000"}, {"gpus": "2048", "days": "60"}, {"energy": "10 MWh"}, {"dollars": "5m", "params": "7b"}} {
		show("plan", true, func() error {
			p, err := d.NewPlan("h100", givens, Settings{})
			if err != nil {
				return err
			}
			return p.Text(&b, Plain)
		})
	}
}

func TestTornado(t *testing.T) {
	d := load(t)
	r := auditOf(t, d, "deepseek-v3")
	f, swings := r.Sheet.Get("with_staff").In(), r.Tornado("with_staff")
	if len(swings) != 2 || swings[0].Figure.ID != "dev_multiplier" || swings[1].Figure.ID != "staff_share" {
		t.Fatalf("swings %+v", swings)
	}
	for _, s := range swings {
		if s.Low < f.Low || s.High > f.High || s.Low > f.Central || s.High < f.Central {
			t.Errorf("%s: %g to %g outside of %v", s.Figure.ID, s.Low, s.High, f)
		}
	}
}
