package audit

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

// The page of every claim is well-formed, asks nobody for anything, and shows every figure with its origin.
func TestHTML(t *testing.T) {
	d := load(t)
	for _, id := range []string{"deepseek-v3", "llama-3.3-70b", "qwen3-32b", "nanochat-d20", "s1-32b", "mistral-large-2", "reading-deepseek-v3-dense"} {
		r := auditOf(t, d, id)
		var b bytes.Buffer
		if err := r.HTML(&b, d); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		for _, no := range []string{"<script", "<link", "<img", "src=", "url(", "@import", "<iframe", "NaN", "Inf%"} {
			if strings.Contains(text, no) {
				t.Errorf("%s: the page has %q", id, no)
			}
		}
		dec := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(text, "<!DOCTYPE html>\n")))
		dec.Strict, dec.AutoClose, dec.Entity = false, []string{"meta", "br"}, xml.HTMLEntity
		for {
			if _, err := dec.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Errorf("%s: %v", id, err)
				break
			}
		}
		for _, f := range r.Sheet.Figures() {
			if !r.supposed(f) && !strings.Contains(text, "<code>"+f.ID+"</code>") {
				t.Errorf("%s: the page lacks %s", id, f.ID)
			}
		}
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
