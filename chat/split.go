package chat

import (
	"strings"
)

// Kind says which side of a model's output a text belongs to.
type Kind string

const (
	Reasoning Kind = "reasoning"
	Answer    Kind = "answer"
	Other     Kind = "other" // addressed to a tool (gpt-oss channels only)
)

// Format is how a model family marks its reasoning. The zero Format has none: all is answer.
type Format struct {
	Open, Close string // the tags around the reasoning
	Channels    bool   // gpt-oss: <|channel|>analysis<|message|>...<|end|> instead of tags
}

// ThinkTags is the format of DeepSeek, Qwen, GLM, SmolLM3 and most others.
var ThinkTags = Format{Open: "<think>", Close: "</think>"}

// formats are the known ones, rarer marks first: a template that has one of these may mention the common tags too.
var formats = []Format{
	{Channels: true},
	{Open: "<seed:think>", Close: "</seed:think>"},
	{Open: "◁think▷", Close: "◁/think▷"},
	{Open: "[THINK]", Close: "[/THINK]"},
	{Open: "<|START_THINKING|>", Close: "<|END_THINKING|>"},
	{Open: "<|channel>thought", Close: "<channel|>"},
	{Open: "<|begin_of_thought|>", Close: "<|end_of_thought|>"},
	{Open: "<reasoning>", Close: "</reasoning>"},
	ThinkTags,
}

// FormatOf recognises the reasoning format of a model by its chat template. Without a sign of another it is ThinkTags, which does no harm to a model
// that never writes them.
func FormatOf(template string) Format {
	for _, f := range formats {
		if f.Channels && strings.Contains(template, channelMark) && strings.Contains(template, messageMark) ||
			!f.Channels && strings.Contains(template, f.Open) {
			return f
		}
	}
	return ThinkTags
}

// Marks reports whether a token's text marks reasoning, so that it must reach the Splitter even if it is a special token.
func (f Format) Marks(token string) bool {
	if f.Channels {
		return strings.HasPrefix(token, "<|") && strings.HasSuffix(token, "|>")
	}
	return f.Open != "" && (token == f.Open || token == f.Close)
}

// Start is what is known about the side on which an output begins.
type Start int

const (
	StartAnswer    Start = iota // an answer, unless the opening tag comes first
	StartReasoning              // reasoning: the prompt has opened it, or the model is known to leave the opening tag out
	StartUnknown                // not known: text is held back until a tag or the end decides, so nothing can be shown early
)

// Start tells how the output after a prompt begins: in the reasoning when the prompt ends with the opening tag, blanks aside.
func (f Format) Start(prompt string) Start {
	if !f.Channels && f.Open != "" && strings.HasSuffix(strings.TrimRight(prompt, blanks), f.Open) {
		return StartReasoning
	}
	if f.Channels && strings.HasSuffix(prompt, messageMark) {
		if i := strings.LastIndex(prompt, channelMark); i >= 0 && channelKind(prompt[i:]) == Reasoning {
			return StartReasoning
		}
	}
	return StartAnswer
}

// Splitter divides the output of a model, as it comes, into reasoning and answer. What it has emitted it never takes back, and the joined texts do
// not depend on how the output was cut into pieces.
//
// Only the first reasoning block counts; tags inside the answer are text. Blanks (space, tab, newline, return) around the reasoning and in front of the
// answer that follows it belong to neither. An output without reasoning is passed on unchanged. A block that is not closed is reasoning to the end.
// The pieces must hold the tags as text, so special tokens have to be decoded too.
type Splitter struct {
	format  Format
	machine func(s *Splitter, final bool, emit func(Kind, string)) // handles what is pending; final: no more will come
	pending string
	begun   bool // of the reasoning: text was emitted, so blanks count
	kind    Kind // of the channel being read
	header  string
}

// NewSplitter returns a splitter for one output.
func NewSplitter(f Format, start Start) *Splitter {
	s := &Splitter{format: f}
	switch {
	case f.Channels:
		s.machine, s.kind = (*Splitter).channels, ""
		if start == StartReasoning {
			s.kind = Reasoning
		}
	case f.Open == "":
		s.machine = (*Splitter).answer
	case start == StartReasoning:
		s.machine = (*Splitter).opened
	case start == StartUnknown:
		s.machine = (*Splitter).undecided
	default:
		s.machine = (*Splitter).beginning
	}
	return s
}

// Push takes the next piece of output and emits what is certain.
func (s *Splitter) Push(piece string, emit func(Kind, string)) {
	s.pending += piece
	s.machine(s, false, emit)
}

// Close emits what was held back.
func (s *Splitter) Close(emit func(Kind, string)) { s.machine(s, true, emit) }

// Split divides a whole output.
func Split(text string, f Format, start Start) (reasoning, answer string) {
	var parts = map[Kind]*strings.Builder{Reasoning: {}, Answer: {}, Other: {}}
	emit := func(k Kind, text string) { parts[k].WriteString(text) }
	s := NewSplitter(f, start)
	s.Push(text, emit)
	s.Close(emit)
	return parts[Reasoning].String(), parts[Answer].String()
}

const blanks = " \t\n\r"

func (s *Splitter) become(machine func(s *Splitter, final bool, emit func(Kind, string)), final bool, emit func(Kind, string)) {
	s.machine = machine
	machine(s, final, emit)
}

// beginning waits for the opening tag or for the first text that is none.
func (s *Splitter) beginning(final bool, emit func(Kind, string)) {
	text := strings.TrimLeft(s.pending, blanks)
	if rest, ok := strings.CutPrefix(text, s.format.Open); ok {
		s.pending = rest
		s.become((*Splitter).reasoning, final, emit)
	} else if final || !strings.HasPrefix(s.format.Open, text) {
		s.become((*Splitter).answer, final, emit)
	}
}

// opened is beginning where the reasoning is open already; models sometimes repeat the tag.
func (s *Splitter) opened(final bool, emit func(Kind, string)) {
	text := strings.TrimLeft(s.pending, blanks)
	rest, repeated := strings.CutPrefix(text, s.format.Open)
	if repeated {
		s.pending = rest
	}
	if repeated || final || !strings.HasPrefix(s.format.Open, text) {
		s.become((*Splitter).reasoning, final, emit)
	}
}

// undecided holds everything until a tag shows what came before it.
func (s *Splitter) undecided(final bool, emit func(Kind, string)) {
	if strings.HasPrefix(strings.TrimLeft(s.pending, blanks), s.format.Open) {
		s.become((*Splitter).beginning, final, emit)
	} else if strings.Contains(s.pending, s.format.Close) {
		s.become((*Splitter).reasoning, final, emit)
	} else if final {
		s.become((*Splitter).answer, final, emit)
	}
}

func (s *Splitter) reasoning(final bool, emit func(Kind, string)) {
	if !s.begun {
		s.pending = strings.TrimLeft(s.pending, blanks)
	}
	text, rest, closed := strings.Cut(s.pending, s.format.Close)
	if closed || final {
		s.emit(Reasoning, strings.TrimRight(text, blanks), emit)
		s.pending = rest
		if closed {
			s.become((*Splitter).answerStart, final, emit)
		}
		return
	}
	// Blanks and the beginning of a closing tag wait for what follows.
	text = text[:len(text)-tailOf(text, s.format.Close)]
	text = strings.TrimRight(text, blanks)
	s.pending = s.pending[len(text):]
	s.begun = s.begun || text != ""
	s.emit(Reasoning, text, emit)
}

func (s *Splitter) answerStart(final bool, emit func(Kind, string)) {
	if s.pending = strings.TrimLeft(s.pending, blanks); s.pending != "" {
		s.become((*Splitter).answer, final, emit)
	}
}

func (s *Splitter) answer(_ bool, emit func(Kind, string)) {
	s.emit(Answer, s.pending, emit)
	s.pending = ""
}

func (s *Splitter) emit(k Kind, text string, emit func(Kind, string)) {
	if text != "" {
		emit(k, text)
	}
}

// tailOf is the length of the longest end of text that could be the start of mark.
func tailOf(text, mark string) int {
	for n := min(len(text), len(mark)-1); n > 0; n-- {
		if strings.HasSuffix(text, mark[:n]) {
			return n
		}
	}
	return 0
}

const (
	channelMark = "<|channel|>"
	messageMark = "<|message|>"
)

var channelMarks = []string{channelMark, messageMark, "<|start|>", "<|end|>", "<|return|>", "<|call|>", "<|constrain|>"}

// channels reads gpt-oss messages: a header that names channel and recipient, a mark, the text, an end mark.
func (s *Splitter) channels(final bool, emit func(Kind, string)) {
	for {
		at, mark := nextMark(s.pending)
		text := s.pending
		if mark != "" {
			text = s.pending[:at]
		} else if !final {
			hold := 0
			for _, m := range channelMarks {
				hold = max(hold, tailOf(text, m))
			}
			text = text[:len(text)-hold]
		}
		s.pending = s.pending[len(text)+len(mark):]
		s.channelText(text, emit)
		switch mark {
		case "":
			return
		case messageMark:
			s.kind, s.header = channelKind(s.header), ""
		default:
			s.kind, s.header = "", s.header+mark
			if mark == "<|end|>" || mark == "<|return|>" || mark == "<|call|>" {
				s.header = mark
			}
		}
	}
}

// channelText takes text between marks: that of a message goes out, that of a header is kept. Text before any mark is an answer.
func (s *Splitter) channelText(text string, emit func(Kind, string)) {
	switch {
	case s.kind != "":
		s.emit(s.kind, text, emit)
	case s.header != "":
		s.header += text
	case text != "":
		s.kind = Answer
		s.emit(Answer, text, emit)
	}
}

// channelKind reads the kind off a header such as "<|channel|>commentary to=functions.f".
func channelKind(header string) Kind {
	if i := strings.LastIndex(header, channelMark); i >= 0 {
		if strings.Contains(header, " to=") && !strings.Contains(header[i:], "final") && !strings.Contains(header[i:], "analysis") {
			return Other
		}
		header = header[i+len(channelMark):]
	}
	if strings.HasPrefix(header, "analysis") {
		return Reasoning
	}
	return Answer
}

func nextMark(s string) (at int, mark string) {
	at = len(s)
	for _, m := range channelMarks {
		if i := strings.Index(s[:min(len(s), at+len(m))], m); i >= 0 && i < at {
			at, mark = i, m
		}
	}
	return at, mark
}
