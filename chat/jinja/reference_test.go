package jinja

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestReference compares snippets of template text with what Jinja2 itself prints for them (testdata/reference.py makes the file). Where Jinja2
// fails we must fail; its wording of undefined values is ours too.
func TestReference(t *testing.T) {
	data, err := os.ReadFile("testdata/vars.json")
	if err != nil {
		t.Fatal(err)
	}
	vars, err := DecodeJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	lines(t, "testdata/reference.jsonl", func(line []byte) {
		var c struct {
			Template string
			Prompt   *string
			Error    string
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		n++
		got, err := render(c.Template, vars.(*Dict))
		switch {
		case c.Prompt == nil && err == nil:
			t.Errorf("%s\n got %q\nwant %s", c.Template, got, c.Error)
		case c.Prompt == nil:
			if m, ok := strings.CutPrefix(c.Error, "UndefinedError: "); ok && !strings.HasSuffix(err.Error(), m) {
				t.Errorf("%s\n got error %v\nwant %s", c.Template, err, c.Error)
			}
		case err != nil:
			t.Errorf("%s\n got error %v\nwant %q", c.Template, err, *c.Prompt)
		case got != *c.Prompt:
			t.Errorf("%s\n got %q\nwant %q", c.Template, got, *c.Prompt)
		}
	})
	if n == 0 {
		t.Error("no cases")
	}
}

func render(text string, vars *Dict) (string, error) {
	tmpl, err := Parse(text)
	if err != nil {
		return "", err
	}
	got, err := tmpl.Render(vars, Options{Now: referenceDay})
	return got.Text, err
}
