package data

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"

	"github.com/pennyml/penny/chat"
	"github.com/pennyml/penny/chat/jinja"
)

// ignorePlace compares records by their content.
var ignorePlace = cmp.Options{cmpopts.IgnoreFields(Record{}, "Path", "Unit", "Number"), cmp.Comparer(func(a, b *jinja.Dict) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, _ := jinja.EncodeJSON(a)
	y, _ := jinja.EncodeJSON(b)
	return x == y
})}

func TestRows(t *testing.T) {
	dialogue := []chat.Message{{Role: "user", Content: "q"}, {Role: "assistant", Content: "a"}}
	withSystem := append([]chat.Message{{Role: "system", Content: "s"}}, dialogue...)
	for _, c := range []struct {
		row    string
		source Source
		want   Record
		err    string // part of the error
	}{
		{row: `{"text": "hello\nthere"}`, want: Record{Text: "hello\nthere"}},
		{row: `"bare"`, want: Record{Text: "bare"}},
		{row: `{"prompt": "q", "completion": "a", "id": 3}`, want: Record{Kind: Pair, Prompt: "q", Completion: "a"}},
		{row: `{"prompt": "q", "completion": "a"}`, source: Source{Chat: true}, want: Record{Kind: Chat, Messages: dialogue}},
		{row: `{"prompt": "q", "completion": "a"}`, source: Source{Chat: true, System: "s"}, want: Record{Kind: Chat, Messages: withSystem}},
		{row: `{"question": "q", "answer": 27}`, source: Source{Prompt: "question", Completion: "answer"}, want: Record{Kind: Pair, Prompt: "q", Completion: "27"}},
		{row: `{"question": "q", "answer": "a"}`, source: Source{Prompt: "Q: {{ question }}\nA:", Completion: " {{ answer }}"},
			want: Record{Kind: Pair, Prompt: "Q: q\nA:", Completion: " a"}},
		{row: `{"question": "q", "answer": "a"}`, source: Source{Text: "{{question}}{{answer}}"}, want: Record{Text: "qa"}},
		{row: `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}`, want: Record{Kind: Chat, Messages: dialogue}},
		{row: `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}`, source: Source{Chat: true, System: "s"},
			want: Record{Kind: Chat, Messages: withSystem, From: 1}},
		{row: `{"chat": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}`, source: Source{Messages: "chat"},
			want: Record{Kind: Chat, Messages: dialogue}},
		{row: `{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}`, want: Record{Kind: Chat, Messages: dialogue}},
		{row: `{"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]}`,
			want: Record{Kind: Chat, Messages: dialogue, From: 1}},
		{row: `{"messages": [], "tools": "[{\"name\": \"f\"}]", "chat_template_kwargs": {"enable_thinking": false}}`,
			want: Record{Kind: Chat, Tools: jinja.List{jinja.NewDict("name", "f")}, Vars: jinja.NewDict("enable_thinking", false)}},

		{row: `{"question": "q", "answer": "a"}`, err: "its fields are question, answer"},
		{row: `[1]`, err: "neither an object nor a string"},
		{row: `{"text": ["a"]}`, err: `field "text" is no text`},
		{row: `{"text": null}`, err: `field "text" is no text`},
		{row: `{"text": "a"} x`, err: "text after the document"},
		{row: `{"text": "a"`, err: "unexpected EOF"},
		{row: `{"messages": "hi"}`, err: `field "messages" is no list`},
		{row: `{"messages": [{"content": "q"}]}`, err: "messages[0]: message: no role"},
		{row: `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": 3}]}`, err: "messages[1]: message: content: not a string"},
		{row: `{"messages": [{"role": "user", "content": [{"type": "image", "url": "x"}]}]}`, err: "messages[0]: content[0] is no text part"},
		{row: `{"conversations": [{"from": "human"}]}`, err: "messages[0]: from and value"},
		{row: `{"messages": [], "tools": {}}`, err: "tools: not a list"},
		{row: `{"prompt": "q"}`, source: Source{Prompt: "prompt", Completion: "answer"}, err: `no field "answer"; its fields are prompt`},
	} {
		path := write(t, "a.jsonl", "\n"+c.row+"\n")
		rule, err := newRowRule(&c.source)
		if err != nil {
			t.Fatal(err)
		}
		j, err := newJSONReader(path, rule)
		if err != nil {
			t.Fatal(err)
		}
		j.list = false
		for got, err := range j.scan() {
			switch {
			case c.err != "":
				if err == nil || !strings.Contains(err.Error(), c.err) || !strings.HasPrefix(err.Error(), path+": line 2: ") {
					t.Errorf("%s: error %v, want %s", c.row, err, c.err)
				}
			case err != nil:
				t.Errorf("%s: %v", c.row, err)
			case !cmp.Equal(got, c.want, ignorePlace) || got.Unit != "line" || got.Number != 2:
				t.Errorf("%s: %s", c.row, cmp.Diff(c.want, got, ignorePlace))
			}
		}
	}
}

func TestJSONList(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                               "",
		" [\n\"a\", {\"text\": \"b\"} ]\n": "a b",
		`["a", 3]`:                         "a; entry 2: neither an object nor a string",
		`["a", `:                           "a; entry 2",
		`["a"`:                             "a; entry 0: the list is cut short",
	} {
		path := write(t, "a.json", text)
		j, err := newJSONReader(path, &rowRule{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for rec, err := range j.scan() {
			if err != nil {
				got[len(got)-1] += "; " + strings.TrimPrefix(err.Error(), path+": ")
				break
			}
			got = append(got, rec.Text)
		}
		if s := strings.Join(got, " "); !strings.HasPrefix(s, want) || want == "" && s != "" {
			t.Errorf("%s: %q, want %q", text, s, want)
		}
	}
	if _, err := newJSONReader(write(t, "b.json", " \n"), &rowRule{}); err == nil {
		t.Error("an empty file gives no error")
	}
}

// TestParquet reads tables of the shared data and one made here, in order and one by one.
func TestParquet(t *testing.T) {
	type message struct {
		Role    string `parquet:"role"`
		Content string `parquet:"content"`
	}
	type row struct {
		Messages []message `parquet:"messages,list"`
		Source   *string   `parquet:"source,optional"`
		Score    float64   `parquet:"score"`
	}
	var rows []row
	for i := range 500 {
		rows = append(rows, row{Messages: []message{{"user", spell(i, 2)}, {"assistant", spell(i, 3)}}})
	}
	path := filepath.Join(t.TempDir(), "a.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[row](f, parquet.MaxRowsPerRowGroup(120), parquet.Compression(&parquet.Zstd))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	p, err := newParquetReader(path, &rowRule{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := p.index(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for rec, err := range p.scan() {
		if err != nil {
			t.Fatal(err)
		}
		want := Record{Kind: Chat, Messages: []chat.Message{{Role: "user", Content: spell(n, 2)}, {Role: "assistant", Content: spell(n, 3)}}}
		again, err := p.read(n)
		if err != nil || !cmp.Equal(rec, want, ignorePlace) || !cmp.Equal(again, rec, ignorePlace) || rec.Number != int64(n+1) || again.Number != rec.Number {
			t.Fatalf("row %d: %v\n%s", n+1, err, cmp.Diff(want, again, ignorePlace))
		}
		n++
	}
	if n != 500 || p.len() != 500 {
		t.Errorf("%d rows", n)
	}

	bad := &rowRule{text: &field{name: "nothing"}}
	if p, err = newParquetReader(path, bad); err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for _, err := range p.scan() {
		if want := path + ": row 1: no field \"nothing\"; its fields are messages, score, source"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		break
	}
	if _, err := newParquetReader(write(t, "b.parquet", "PAR1 no table PAR1"), bad); err == nil {
		t.Error("a damaged table gives no error")
	}
}

func TestSharedTables(t *testing.T) {
	for name, source := range map[string]Source{
		"datasets/deepscaler/dsr_sub.parquet":          {Prompt: "prompt", Completion: "{{ reward_model.ground_truth }}"},
		"traces/curator/reasoning_dataset.parquet":     {Prompt: "question", Completion: "<think>{{ gemini_thinking_trajectory }}</think>{{ gemini_attempt }}"},
		"datasets/gsm8k/train.jsonl":                   {Prompt: "question", Completion: "answer", Chat: true},
		"datasets/math/train7474.json":                 {Prompt: "problem", Completion: "{{ answer }}"},
		"text/tinystories_1000.json":                   {},
		"traces/areal/math_answers_sample_cases.jsonl": {Text: "{{ prompt }}"},
	} {
		source.Files = Paths{shared(t, name)}
		if strings.HasPrefix(source.Completion, "{{ reward") {
			source.Prompt = "{{ prompt[0].content }}"
		}
		r, err := newReader(source.Files[0], formatOf(name), &source, lineStart)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for rec, err := range r.scan() {
			if err != nil {
				t.Fatal(err)
			}
			if rec.size() < 10 {
				t.Errorf("%s: %s %d: %d bytes", name, rec.Unit, rec.Number, rec.size())
			}
			n++
		}
		if want := map[string]int{"dsr_sub.parquet": 1209, "reasoning_dataset.parquet": 5, "train.jsonl": 7473, "train7474.json": 7474,
			"tinystories_1000.json": 1000}[filepath.Base(name)]; n == 0 || want != 0 && n != want {
			t.Errorf("%s: %d records, want %d", name, n, want)
		}
		r.close()
	}
}

// FuzzRows: whatever stands in a file of rows, it becomes records or an error that names file and line, and indexed reading finds the same.
func FuzzRows(f *testing.F) {
	for _, s := range []string{`{"text": "a"}`, `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": null, "tool_calls": [{"name": "f"}]}]}`,
		`["a", {"prompt": "q", "completion": "a"}]`, `{"conversations": [{"from": "gpt", "value": ""}], "tools": "[]"}`, "{\"text\": \"\\ud800\"}\n\n\n\"b\"",
		`{"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}], "chat_template_kwargs": {"a": [1.5e300, -0, 9999999999999999999]}}`} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(dir, "a.jsonl")
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		j, err := newJSONReader(path, &rowRule{})
		if err != nil {
			return
		}
		defer j.close()
		var all []Record
		for rec, err := range j.scan() {
			if err != nil {
				if !strings.HasPrefix(err.Error(), path+": ") {
					t.Fatalf("an error without its place: %v", err)
				}
				return
			}
			if _, err := rec.key(); err != nil {
				t.Fatal(err)
			}
			all = append(all, rec)
		}
		if j.index() != nil {
			return
		}
		if j.len() != len(all) {
			t.Fatalf("%d records, indexed %d", len(all), j.len())
		}
		for i, want := range all {
			got, err := j.read(i)
			if err != nil || got.Number != want.Number || !cmp.Equal(got, want, ignorePlace) {
				t.Fatalf("record %d: %v %s", i, err, cmp.Diff(want, got, ignorePlace))
			}
		}
	})
}
