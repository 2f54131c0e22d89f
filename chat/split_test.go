package chat

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var splitCases = []struct {
	name              string
	format            Format
	start             Start
	in                string
	reasoning, answer string
}{
	{"both", ThinkTags, StartAnswer, "<think>\nhm\n</think>\n\nyes", "hm", "yes"},
	{"blank before opener", ThinkTags, StartAnswer, "\n <think>hm</think>yes", "hm", "yes"},
	{"no reasoning", ThinkTags, StartAnswer, "\n yes \n", "", "\n yes \n"},
	{"empty reasoning", ThinkTags, StartAnswer, "<think>\n\n</think>\n\nyes\n", "", "yes\n"},
	{"not closed", ThinkTags, StartAnswer, "<think>hm \n", "hm", ""},
	{"cut inside the closing tag", ThinkTags, StartAnswer, "<think>hm </th", "hm </th", ""},
	{"cut inside the opening tag", ThinkTags, StartAnswer, " <thi", "", " <thi"},
	{"opened by the prompt", ThinkTags, StartReasoning, "hm</think>yes", "hm", "yes"},
	{"opened twice", ThinkTags, StartReasoning, "\n<think>\nhm</think>yes", "hm", "yes"},
	{"closed at once", ThinkTags, StartReasoning, "</think>yes", "", "yes"},
	{"opened by the prompt, not closed", ThinkTags, StartReasoning, "hm", "hm", ""},
	{"tags in the answer", ThinkTags, StartAnswer, "<think>a</think>b</think> <think>c", "a", "b</think> <think>c"},
	{"stray tag in an answer", ThinkTags, StartAnswer, "a</think>b", "", "a</think>b"},
	{"opener inside the reasoning", ThinkTags, StartReasoning, "a <think>b</think> c</think>d", "a <think>b", "c</think>d"},
	{"missing opener", ThinkTags, StartUnknown, "hm\n</think>\nyes", "hm", "yes"},
	{"unknown, plain", ThinkTags, StartUnknown, " yes", "", " yes"},
	{"unknown, tagged", ThinkTags, StartUnknown, "<think>hm</think>yes</think>", "hm", "yes</think>"},
	{"other tags", Format{Open: "◁think▷", Close: "◁/think▷"}, StartAnswer, "◁think▷é◁/think▷ü", "é", "ü"},
	{"no format", Format{}, StartAnswer, "<think>a</think>b", "", "<think>a</think>b"},
	{"channels", Format{Channels: true}, StartAnswer,
		"<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>yes<|return|>", "hm", "yes"},
	{"channel call", Format{Channels: true}, StartAnswer,
		"<|channel|>analysis<|message|>hm<|end|><|start|>assistant to=python<|channel|>commentary<|message|>1+1<|call|>", "hm", ""},
	{"channel recipient behind", Format{Channels: true}, StartAnswer,
		"<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>", "", ""},
	{"channel preamble", Format{Channels: true}, StartAnswer, "<|channel|>commentary<|message|>I will look.<|end|>", "", "I will look."},
	{"channels, plain text", Format{Channels: true}, StartAnswer, "yes <| no", "", "yes <| no"},
	{"channels, opened", Format{Channels: true}, StartReasoning, "hm<|end|><|start|>assistant<|channel|>final<|message|>yes", "hm", "yes"},
}

func TestSplit(t *testing.T) {
	for _, c := range splitCases {
		t.Run(c.name, func(t *testing.T) {
			reasoning, answer := Split(c.in, c.format, c.start)
			if reasoning != c.reasoning || answer != c.answer {
				t.Errorf("got %q, %q", reasoning, answer)
			}
			checkPieces(t, c.in, c.format, c.start, func(int) int { return 1 })
		})
	}
}

// checkPieces feeds text in pieces and compares the joined deltas with the whole parse; n gives the size of the next piece from what is left.
func checkPieces(t interface{ Errorf(string, ...any) }, text string, f Format, start Start, n func(left int) int) {
	wholeReasoning, wholeAnswer := Split(text, f, start)
	got := map[Kind]string{}
	emit := func(k Kind, s string) {
		if s == "" {
			t.Errorf("%q: empty delta", text)
		}
		if k == Reasoning && got[Answer] != "" && !f.Channels {
			t.Errorf("%q: reasoning %q after the answer", text, s)
		}
		got[k] += s
	}
	s := NewSplitter(f, start)
	for rest := text; rest != ""; {
		size := max(1, min(n(len(rest)), len(rest)))
		for size < len(rest) && !utf8.RuneStart(rest[size]) {
			size++
		}
		s.Push(rest[:size], emit)
		if !strings.HasPrefix(wholeReasoning, got[Reasoning]) || !strings.HasPrefix(wholeAnswer, got[Answer]) {
			t.Errorf("%q: %q, %q is no beginning of %q, %q", text, got[Reasoning], got[Answer], wholeReasoning, wholeAnswer)
		}
		rest = rest[size:]
	}
	s.Close(emit)
	if got[Reasoning] != wholeReasoning || got[Answer] != wholeAnswer {
		t.Errorf("%q: in pieces %q, %q; whole %q, %q", text, got[Reasoning], got[Answer], wholeReasoning, wholeAnswer)
	}
}

// TestSplitPieces cuts texts made of tags, parts of tags and blanks in every way.
func TestSplitPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(append([]Format{{}}, formats...)).Draw(t, "format")
		parts := []string{f.Open, f.Close, "<", "</think", "think>", " ", "\n", "a", "é🙂", "<|", "|>", "<think>"}
		if f.Channels {
			parts = append(parts, channelMarks...)
			parts = append(parts, "analysis", "final", "commentary to=x", "assistant")
		}
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 12).Draw(t, "parts"), "")
		start := rapid.SampledFrom([]Start{StartAnswer, StartReasoning, StartUnknown}).Draw(t, "start")
		checkPieces(t, text, f, start, func(left int) int { return rapid.IntRange(1, left).Draw(t, "piece") })
	})
}

func TestFormatStart(t *testing.T) {
	for _, c := range []struct {
		prompt string
		format Format
		want   Start
	}{
		{"<|Assistant|><think>\n", ThinkTags, StartReasoning},
		{"<|Assistant|><think>", ThinkTags, StartReasoning},
		{"<|Assistant|>", ThinkTags, StartAnswer},
		{"<think>\n\n</think>\n\n", ThinkTags, StartAnswer},
		{"what is <think>?<|Assistant|>", ThinkTags, StartAnswer},
		{"x", Format{}, StartAnswer},
		{"<|start|>assistant", Format{Channels: true}, StartAnswer},
		{"<|start|>assistant<|channel|>analysis<|message|>", Format{Channels: true}, StartReasoning},
		{"<|start|>assistant<|channel|>final<|message|>", Format{Channels: true}, StartAnswer},
	} {
		if got := c.format.Start(c.prompt); got != c.want {
			t.Errorf("%q: %v", c.prompt, got)
		}
	}
}

// TestSplitConformance takes the recorded outputs of other projects' reasoning tests that have no tool calls. They disagree on blanks, so blanks at the
// ends do not count.
func TestSplitConformance(t *testing.T) {
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set: the shared conformance data is not there")
	}
	file, err := os.Open(filepath.Join(dir, "conformance/toolcalls/cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	sc := bufio.NewScanner(file)
	sc.Buffer(nil, 1<<24)
	n := 0
	for sc.Scan() {
		var c struct {
			ID, Format, Input string
			Chunks            []string
			Options           struct{ Messages []json.RawMessage }
			Expected          *struct {
				Content   *string
				Reasoning string
				Calls     []json.RawMessage `json:"tool_calls"`
			}
		}
		if err := json.Unmarshal(sc.Bytes(), &c); err != nil || c.Expected == nil || len(c.Expected.Calls) > 0 {
			continue // lines of another shape
		}
		text := c.Input + strings.Join(c.Chunks, "")
		// Only lines whose reasoning ends at a tag say the same under every policy.
		continued := len(c.Options.Messages) > 1 // the expectation holds a beginning that the input lacks
		if continued || strings.Contains(text, "<answer>") || strings.Count(text, "</think>") != 1 || strings.Count(text, "<think>") > 1 || strings.Contains(text, "tool_call") || c.Expected.Reasoning == "" {
			continue
		}
		n++
		start := StartReasoning
		if strings.HasPrefix(strings.TrimSpace(text), "<think>") {
			start = StartAnswer
		}
		reasoning, answer := Split(text, ThinkTags, start)
		if skip := knownDifferences[c.ID]; skip == "" && (!sameText(reasoning, c.Expected.Reasoning) || c.Expected.Content != nil && !sameText(answer, *c.Expected.Content)) {
			t.Errorf("%s %s %q:\n got %q, %q\nwant %s", c.ID, c.Format, text, reasoning, answer, sc.Bytes())
		}
		checkPieces(t, text, ThinkTags, start, func(int) int { return 1 })
	}
	if n < 50 {
		t.Errorf("only %d lines", n)
	}
	t.Logf("%d lines", n)
}

// knownDifferences are lines that we read otherwise, with the reason.
var knownDifferences = map[string]string{
	"tc-0470": "a parser that is told to give the reasoning out as content when there is no content",
	"tc-0479": "a reader of the reasoning alone",
}

func sameText(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }
