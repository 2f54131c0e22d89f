package jinja

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// referenceDay is the date at which the reference renderings were made.
func referenceDay() time.Time { return time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC) }

func dataFolder(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set: the shared conformance data is not there")
	}
	return dir
}

// lines calls f with each line of a JSONL file.
func lines(t testing.TB, file string, f func(line []byte)) {
	t.Helper()
	data, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	sc := bufio.NewScanner(data)
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		f(bytes.Clone(sc.Bytes()))
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
}

// rendering is one line of the conformance files.
type rendering struct {
	ID, Kind      string
	TemplateName  string `json:"template_name"`
	Template      string
	Messages      json.RawMessage
	Options       json.RawMessage
	AddGeneration bool   `json:"add_generation_prompt"`
	BOS           string `json:"bos_token"`
	EOS           string `json:"eos_token"`
	Expected      string
	ExpectedError string `json:"expected_error"`
	Agrees        bool   `json:"reference_engine_agrees"`
}

func (r *rendering) vars(t *testing.T) *Dict {
	t.Helper()
	messages, err := DecodeJSON(r.Messages)
	if err != nil {
		t.Fatal(err)
	}
	vars := NewDict("messages", messages, "add_generation_prompt", r.AddGeneration, "bos_token", r.BOS, "eos_token", r.EOS)
	if r.Options == nil {
		return vars
	}
	options, err := DecodeJSON(r.Options)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range options.(*Dict).All() {
		vars.Set(k.(string), v)
	}
	return vars
}

func (r *rendering) check(t *testing.T, template string) {
	t.Helper()
	tmpl, err := Parse(template)
	if err != nil {
		t.Errorf("%s %s: %v", r.ID, r.TemplateName, err)
		return
	}
	got, err := tmpl.Render(r.vars(t), Options{Now: referenceDay})
	if raised := (*Raised)(nil); r.ExpectedError != "" && errors.As(err, &raised) && raised.Error() == r.ExpectedError {
		return
	}
	if err != nil || r.ExpectedError != "" {
		t.Errorf("%s %s: error %v, expected %q", r.ID, r.TemplateName, err, r.ExpectedError)
		return
	}
	if got.Text != r.Expected {
		t.Errorf("%s %s:\n got %q\nwant %q", r.ID, r.TemplateName, got.Text, r.Expected)
	}
}

// TestReferenceRenderings holds the engine to the prompts of Hugging Face's own template engine, byte for byte.
func TestReferenceRenderings(t *testing.T) {
	data := dataFolder(t)
	n := 0
	lines(t, filepath.Join(data, "conformance/templates/reference_renderings.jsonl"), func(line []byte) {
		var r rendering
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(data, "templates/llama.cpp", r.TemplateName+".jinja"))
		if errors.Is(err, os.ErrNotExist) {
			return // the template is under a licence that keeps it out of the shared data
		}
		n++
		r.check(t, string(text))
	})
	if n < 200 {
		t.Errorf("only %d lines had their template", n)
	}
}

// TestBuiltinTemplates renders the short templates of many model families.
func TestBuiltinTemplates(t *testing.T) {
	n := 0
	lines(t, filepath.Join(dataFolder(t), "conformance/templates/llamacpp_builtin.jsonl"), func(line []byte) {
		var r rendering
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if r.Kind == "jinja" && r.Agrees {
			n++
			r.check(t, r.Template)
		}
	})
	if n == 0 {
		t.Error("no lines")
	}
}
