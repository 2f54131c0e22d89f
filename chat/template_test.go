package chat

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pennyml/penny/chat/jinja"
)

func messages(t *testing.T, text string) []Message {
	t.Helper()
	var list []Message
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestMessageJSON checks that messages read and written keep what they hold, in order.
func TestMessageJSON(t *testing.T) {
	for _, text := range []string{
		`{"role": "user", "content": "<é>"}`,
		`{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}]}`,
		`{"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"z\": 1, \"a\": [2.0]}"}}]}`,
		`{"role": "assistant", "content": "x", "reasoning_content": "hm", "prefix": true}`,
		`{"role": "tool", "content": "r", "tool_call_id": "1", "name": "f"}`,
	} {
		var m Message
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := m.MarshalJSON()
		if err != nil || string(got) != text {
			t.Errorf("got %s, %v\nwant %s", got, err, text)
		}
	}
	for _, bad := range []string{`{}`, `[]`, `{"role": 1}`, `{"role": "user", "content": 1}`, `{"role": "user", "content": [1]}`,
		`{"role": "a", "tool_calls": {}}`, `{"role": "a", "tool_calls": [1]}`, `{"role": "a", "tool_calls": [{"function": {}}]}`,
		`{"role": "a", "tool_calls": [{"function": {"name": "f", "arguments": 1}}]}`} {
		if err := json.Unmarshal([]byte(bad), new(Message)); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

// TestStyles checks that a message reaches each template in the form it can read: the prompt does not depend on the form in which arguments came,
// and a list of text parts is printed as text.
func TestStyles(t *testing.T) {
	const object = `[{"role": "user", "content": "W?"}, {"role": "assistant", "content": "", "tool_calls": [{"id": "abcdefghi", "type": "function",
		"function": {"name": "get", "arguments": {"zulu": "é\"q", "alpha": 3}}}]}, {"role": "tool", "content": "cold", "tool_call_id": "abcdefghi", "name": "get"}]`
	asText := strings.Replace(object, `{"zulu": "é\"q", "alpha": 3}`, `"{\"zulu\": \"é\\\"q\", \"alpha\": 3}"`, 1)
	const parts = `[{"role": "user", "content": [{"type": "text", "text": "What's up?"}]}]`
	templates := map[string]string{
		"object":     `{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.arguments|tojson }}{% endfor %}{% endfor %}`,
		"text":       `{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}{{ 'a' + c.function.arguments }}{% endfor %}{% endfor %}`,
		"only parts": `{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% for c in m.tool_calls or [] %}{{ c.function.arguments|tojson }}{% endfor %}{% endfor %}`,
		"both": `{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}
			{% for c in m.tool_calls or [] %}{{ c.function.arguments }}{% endfor %}{% endfor %}`,
	}
	if dir := os.Getenv("PENNY_DATA"); dir != "" {
		files, err := filepath.Glob(filepath.Join(dir, "templates/*/*.jinja"))
		if err != nil || len(files) == 0 {
			t.Fatal("no templates", err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if base := filepath.Base(file); strings.Contains(string(text), "tool_calls") && base != "Kimi-K2-Thinking.jinja" { // which the sandbox refuses
				templates[base] = string(text)
			}
		}
	}
	for name, text := range templates {
		tmpl, err := Compile(text, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a, err := tmpl.Render(Request{Messages: messages(t, object), AddGenerationPrompt: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		b, err := tmpl.Render(Request{Messages: messages(t, asText), AddGenerationPrompt: true})
		if err != nil || a != b {
			t.Errorf("%s: %v %s", name, err, cmp.Diff(a, b))
		}
		if strings.Contains(a, "'zulu'") || strings.Contains(a, `\"zulu\"`) || !strings.Contains(a, "zulu") || !strings.Contains(a, "cold") {
			t.Errorf("%s: %q", name, a)
		}
		if got, err := tmpl.Render(Request{Messages: messages(t, parts), AddGenerationPrompt: true}); err != nil ||
			!strings.Contains(got, "What's up?") || strings.Contains(got, `'text'`) || strings.Contains(got, `"text"`) {
			t.Errorf("%s: %v %q", name, err, got)
		}
	}
}

// TestReasoningFormats checks what is recognised in the templates of real models.
func TestReasoningFormats(t *testing.T) {
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set: the shared templates are not there")
	}
	for name, want := range map[string]struct {
		format Format
		vars   *jinja.Dict
		start  Start
	}{
		"deepseek-ai-DeepSeek-R1-Distill-Qwen-32B": {ThinkTags, ThinkVars(true), StartReasoning},
		"deepseek-ai-DeepSeek-V3.1":                {ThinkTags, ThinkVars(true), StartReasoning},
		"Qwen-QwQ-32B":                             {ThinkTags, ThinkVars(true), StartReasoning},
		"Qwen-Qwen3-0.6B":                          {ThinkTags, nil, StartAnswer},
		"Kimi-K2-Thinking":                         {ThinkTags, nil, StartAnswer},
		"openai-gpt-oss-120b":                      {Format{Channels: true}, nil, StartAnswer},
	} {
		text, err := os.ReadFile(filepath.Join(dir, "templates/llama.cpp", name+".jinja"))
		if err != nil {
			t.Fatal(err)
		}
		tmpl, err := Compile(string(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		prompt, err := tmpl.Render(Request{Messages: []Message{{Role: "user", Content: "Hi"}}, AddGenerationPrompt: true, Vars: want.vars})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if f := tmpl.Format(); f != want.format || f.Start(prompt) != want.start {
			t.Errorf("%s: got %+v, start %v; prompt ends %q", name, f, f.Start(prompt), prompt[max(0, len(prompt)-40):])
		}
	}
}

func TestFallbacks(t *testing.T) {
	conversation := []Message{{Role: "system", Content: "Be brief."}, {Role: "user", Content: "Hi"}, {Role: "assistant", Content: "Yo"}, {Role: "user", Content: "Bye"}}
	for token, want := range map[string]string{
		"<|im_start|>": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n" +
			"<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n",
		"<|start_header_id|>": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>" +
			"<|start_header_id|>assistant<|end_header_id|>\n\nYo<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>" +
			"<|start_header_id|>assistant<|end_header_id|>\n\n",
		"<｜User｜>": "<｜begin▁of▁sentence｜>Be brief.<｜User｜>Hi<｜Assistant｜>Yo<｜end▁of▁sentence｜><｜User｜>Bye<｜Assistant｜>",
		"":         "Be brief.\n\nUser: Hi\nAssistant: Yo\nUser: Bye\nAssistant:",
	} {
		s := newSource()
		s.note(token)
		tmpl, warning, err := s.Template(false)
		if err != nil || warning == "" {
			t.Errorf("%s: %v, warning %q", token, err, warning)
			continue
		}
		got, err := tmpl.Render(Request{Messages: conversation, AddGenerationPrompt: true})
		if err != nil || got != want {
			t.Errorf("%s: %v\n%s", token, err, cmp.Diff(want, got))
		}
	}
}

func TestOpenFolder(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rendered := func(withTools bool) string {
		t.Helper()
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		tmpl, warning, err := s.Template(withTools)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tmpl.Render(Request{Messages: []Message{{Role: "user", Content: "x"}}})
		if err != nil {
			t.Fatal(err)
		}
		return got + warning
	}
	write("tokenizer_config.json", `{"bos_token": {"content": "<s>"}, "eos_token": null, "additional_special_tokens": ["<a>", {"content": "<b>"}], "chat_template": [
		{"name": "default", "template": "D{{ bos_token }}{{ additional_special_tokens[1] }}"}, {"name": "tool_use", "template": "T{{ eos_token }}"}]}`)
	write("special_tokens_map.json", `{"bos_token": "<other>", "eos_token": "</s>"}`)
	if a, b := rendered(false), rendered(true); a != "D<s><b>" || b != "T</s>" {
		t.Errorf("got %q, %q", a, b)
	}
	write("chat_template.json", `{"chat_template": "J"}`)
	if got := rendered(false); got != "J" {
		t.Errorf("got %q", got)
	}
	write("chat_template.jinja", "F")
	write("additional_chat_templates/tool_use.jinja", "A")
	if a, b := rendered(false), rendered(true); a != "F" || b != "A" {
		t.Errorf("got %q, %q", a, b)
	}
	write("tokenizer_config.json", `{"chat_template": 5}`)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "tokenizer_config.json") {
		t.Errorf("got %v", err)
	}
}
