package data

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pennyml/penny/chat"
	"github.com/pennyml/penny/tokenizer"
)

func sharedTokenizer(t testing.TB, name string) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Open(shared(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// chatTemplate compiles a template given by its text or by its file in the shared data.
func chatTemplate(t testing.TB, text string) *chat.Template {
	t.Helper()
	if strings.HasSuffix(text, ".jinja") {
		b, err := os.ReadFile(shared(t, "templates/"+text))
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	tmpl, err := chat.Compile(text, chat.Tokens{"bos_token": "<s>", "eos_token": "<|im_end|>"})
	if err != nil {
		t.Fatal(err)
	}
	tmpl.Now = func() time.Time { return time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC) }
	return tmpl
}

func testEncoder(t testing.TB, v Vocabulary, c Config, s Source) *encoder {
	t.Helper()
	c.Default()
	e, err := newEncoder(v, &c, &s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// learnt is the text of what is learnt, a bar between stretches.
func learnt(v Vocabulary, s Sequence) string {
	var b strings.Builder
	gap := false
	for t, id := range s.IDs {
		if s.Labels != nil && s.Labels[t] == Ignore {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteString("¦")
		}
		gap = false
		b.Write(v.Tokenizer.TokenBytes(id))
	}
	return b.String()
}

// TestMasks holds templates that mark what is learnt to what transformers makes of them (testdata/masks.py).
func TestMasks(t *testing.T) {
	tok := sharedTokenizer(t, "goldens/tokenizers/qwen2/tokenizer.json.gz")
	f, err := os.Open("testdata/masks.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	cases := 0
	for ; lines.Scan(); cases++ {
		var c struct {
			Template, Name string
			Messages       []chat.Message
			IDs            []int32
			Mask           []int
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		e := testEncoder(t, Vocabulary{Tokenizer: tok, Template: chatTemplate(t, "trl/"+c.Template)}, Config{}, Source{})
		got, err := e.encode(&Record{Kind: Chat, Messages: c.Messages}, true)
		if err != nil {
			t.Errorf("%s, %s: %v", c.Template, c.Name, err)
			continue
		}
		labels := slices.Clone(c.IDs)
		for i, m := range c.Mask {
			if m == 0 {
				labels[i] = Ignore
			}
		}
		if want := []Sequence{{IDs: c.IDs, Labels: labels}}; !cmp.Equal(got, want) {
			t.Errorf("%s, %s:\ngot  %q\nwant %q", c.Template, c.Name, learnt(e.Vocabulary, got[0]), learnt(e.Vocabulary, want[0]))
		}
	}
	if cases < 15 {
		t.Errorf("%d cases", cases)
	}
}

// TestTemplates takes what is learnt of a conversation of two turns with reasoning, by templates that do not mark it.
func TestTemplates(t *testing.T) {
	const (
		imEnd     = "<|im_end|>"
		deepseek  = "<｜end▁of▁sentence｜>"
		reasoning = "<think>\nREASON1\n</think>\n\nANSWER1"
		channel   = "<|channel|>analysis<|message|>REASON1<|end|><|start|>assistant<|channel|>final<|message|>ANSWER1<|return|>"
	)
	qwen, v3, none := "qwen2", "deepseek-v3", "smollm2" // the last has no EOS here
	second := strings.NewReplacer("1", "2")
	for _, c := range []struct {
		tokenizer, template string
		first, second       string
		changes             bool // earlier turns change once others follow
	}{
		{qwen, "trl/qwen2_5.jinja", "ANSWER1" + imEnd, "", false},
		{qwen, "trl/qwen3_instruct_2507.jinja", "ANSWER1" + imEnd, "", false},
		{qwen, "trl/qwen3.jinja", reasoning + imEnd, "", true},
		{qwen, "llama.cpp/Qwen-Qwen3-0.6B.jinja", reasoning + imEnd, "", true},
		{qwen, "llama.cpp/Qwen3.5-4B.jinja", "REASON1\n</think>\n\nANSWER1" + imEnd, "", true}, // its prompt opens the reasoning
		{qwen, "llama.cpp/Qwen3-Coder.jinja", "ANSWER1" + imEnd, "", false},
		{qwen, "llama.cpp/Qwen-Qwen2.5-7B-Instruct.jinja", "ANSWER1" + imEnd, "", false},
		{qwen, "llama.cpp/Qwen-QwQ-32B.jinja", "ANSWER1" + imEnd, "", false},
		{qwen, "llama.cpp/HuggingFaceTB-SmolLM3-3B.jinja", "ANSWER1" + imEnd, "", false},
		{qwen, "llama.cpp/moonshotai-Kimi-K2.jinja", "ANSWER1" + imEnd, "", false},
		{v3, "trl/deepseekv3.jinja", "ANSWER1" + deepseek, "", false},
		{v3, "llama.cpp/llama-cpp-deepseek-r1.jinja", "ANSWER1" + deepseek, "", false},
		{v3, "llama.cpp/deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja", "ANSWER1" + deepseek, "", false},
		{v3, "llama.cpp/deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja", "ANSWER1" + deepseek, "", false},
		{v3, "llama.cpp/deepseek-ai-DeepSeek-V3.1.jinja", "ANSWER1" + deepseek, "", false},
		{v3, "llama.cpp/deepseek-ai-DeepSeek-V3.2.jinja", "</think>ANSWER1" + deepseek, "", false},
		{v3, "llama.cpp/deepseek-ai-DeepSeek-V4.jinja", "ANSWER1" + deepseek, "", false},
		{v3, "llama.cpp/deepseek-ai-DeepSeek-V4-Flash-0731.jinja", "ANSWER1" + deepseek, "", false},
		{qwen, "llama.cpp/Kimi-K2-Thinking.jinja", "<think></think>ANSWER1" + imEnd, "<think>REASON2</think>ANSWER2" + imEnd, false},
		{v3, "llama.cpp/GLM-4.6.jinja", "\n<think>REASON1</think>\nANSWER1" + deepseek, "", true}, // ends no turn: EOS is put after it
		{none, "trl/gptoss.jinja", channel, "", true},
		{none, "llama.cpp/openai-gpt-oss-120b.jinja", channel, "", true},
	} {
		if c.second == "" {
			c.second = second.Replace(c.first)
		}
		v := Vocabulary{Tokenizer: withRoles(t, c.tokenizer), Template: chatTemplate(t, c.template)}
		rec := Record{Kind: Chat, Messages: []chat.Message{{Role: "user", Content: "QUESTION1"}, {Role: "assistant", Content: "ANSWER1", Reasoning: "REASON1"},
			{Role: "user", Content: "QUESTION2"}, {Role: "assistant", Content: "ANSWER2", Reasoning: "REASON2"}, {Role: "user", Content: "never answered"}}}
		get := func(turns string) (texts []string, err error) {
			s, err := testEncoder(t, v, Config{Turns: turns}, Source{}).encode(&rec, true)
			for _, s := range s {
				texts = append(texts, strings.TrimRight(strings.TrimLeft(learnt(v, s), ">"), "<")) // a token may reach over the edge
			}
			return texts, err
		}
		each := []string{c.first, c.second}
		for turns, want := range map[string][]string{"each": each, "last": each[1:], "auto": each, "all": nil} {
			got, err := get(turns)
			if !c.changes && (turns == "auto" || turns == "all") {
				if err == nil && len(got) == 1 {
					got = strings.Split(got[0], "¦")
				}
				want = each
			}
			for i := range got {
				got[i] = strings.TrimRight(strings.TrimLeft(got[i], ">"), "<")
			}
			if c.changes && turns == "all" {
				if err == nil || !strings.Contains(err.Error(), "turns: each") {
					t.Errorf("%s: got %q, %v; want an error", c.template, got, err)
				}
			} else if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, %s:\ngot  %q %v\nwant %q", c.template, turns, got, err, want)
			}
		}
	}
}

var roleCache = map[string]*tokenizer.Tokenizer{}

// withRoles is a shared tokenizer that knows its EOS.
func withRoles(t *testing.T, name string) *tokenizer.Tokenizer {
	if tok := roleCache[name]; tok != nil {
		return tok
	}
	dir := t.TempDir()
	b, err := os.ReadFile(shared(t, "goldens/tokenizers/"+name+"/tokenizer.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	eos := map[string]string{"qwen2": "<|im_end|>", "deepseek-v3": "<｜end▁of▁sentence｜>"}[name]
	for file, text := range map[string]string{"tokenizer.json.gz": string(b), "tokenizer_config.json": `{"eos_token":"` + eos + `"}`} { // "": none
		if err := os.WriteFile(dir+"/"+file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tok, err := tokenizer.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	roleCache[name] = tok
	return tok
}

const chatML = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}" +
	"{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

// byteVocabulary has a token for each byte, and those of ChatML.
func byteVocabulary(t testing.TB, template string) Vocabulary {
	b, err := tokenizer.TrainBytes([]string{"<|im_start|>", "<|im_end|>"})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.ParseJSON(b)
	if err != nil {
		t.Fatal(err)
	}
	return Vocabulary{Tokenizer: tok, Template: chatTemplate(t, template)}
}

// TestAnswersOnly: whatever a conversation says, its answers and the ends of their turns are learnt, and nothing else; the tokens are the rendering's.
func TestAnswersOnly(t *testing.T) {
	v := byteVocabulary(t, chatML)
	e := testEncoder(t, v, Config{}, Source{})
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("ab \n<>|{}%é猫\"\\")), 0, 12, -1)
		rec := Record{Kind: Chat}
		var want []string
		for range rapid.IntRange(1, 8).Draw(rt, "messages") {
			m := chat.Message{Role: rapid.SampledFrom([]string{"system", "user", "assistant", "tool"}).Draw(rt, "role"), Content: text.Draw(rt, "content")}
			rec.Messages = append(rec.Messages, m)
			if m.Role == assistant {
				want = append(want, m.Content+"<|im_end|>")
			}
		}
		got, err := e.encode(&rec, true)
		if err != nil {
			rt.Fatal(err)
		}
		if len(want) == 0 {
			if len(got) != 1 || len(got[0].IDs) != 0 {
				rt.Fatalf("no answer, but %v", got)
			}
			return
		}
		last := len(rec.Messages)
		for rec.Messages[last-1].Role != assistant {
			last--
		}
		whole, err := v.Template.Render(chat.Request{Messages: rec.Messages[:last]})
		if err != nil {
			rt.Fatal(err)
		}
		if len(got) != 1 || v.Tokenizer.Decode(got[0].IDs) != whole || learnt(v, got[0]) != strings.Join(want, "¦") {
			rt.Fatalf("%d documents, %q:\ngot  %q\nwant %q", len(got), v.Tokenizer.Decode(got[0].IDs), learnt(v, got[0]), want)
		}
	})
}

// TestPairs: of prompt and completion, the completion and EOS are learnt, also by vocabularies that change the text.
func TestPairs(t *testing.T) {
	spm := Vocabulary{Tokenizer: sharedTokenizer(t, "weights/stories260K/stories260K.gguf")}
	qwen := Vocabulary{Tokenizer: withRoles(t, "qwen2")} // NFC
	for _, c := range []struct {
		v                  Vocabulary
		prompt, completion string
		want               string
	}{
		{spm, "Once upon", " a time", " a time</s>"},
		{spm, "Q:\n", "yes", "yes</s>"},
		{spm, "", "yes", " yes</s>"},
		{spm, "Q  ", "  yes", "  yes</s>"},
		{qwen, "What is 2+3?", " It is 5.", " It is 5.<|im_end|>"},
		{qwen, "Q:", "A", ":A<|im_end|>"},                            // a token that reaches over the edge is learnt, as transformers has it
		{qwen, "cafe\u0301:", " cafe\u0301", " caf\u00e9<|im_end|>"}, // tokens are those of the composed form
		{qwen, "line\n", "\nnext", "\n\nnext<|im_end|>"},
		{qwen, "a<|im_start|>", "b", "b<|im_end|>"},
	} {
		e := testEncoder(t, c.v, Config{}, Source{})
		got, err := e.encode(&Record{Kind: Pair, Prompt: c.prompt, Completion: c.completion}, true)
		if err != nil {
			t.Fatal(err)
		}
		if s := learnt(c.v, got[0]); s != c.want {
			t.Errorf("%q, %q: %q, want %q", c.prompt, c.completion, s, c.want)
		}
	}
}
