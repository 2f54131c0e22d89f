package tokenizer

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// addSpecial enters special tokens with ids one after the other.
type addSpecial func(id int32, special bool, names ...string)

// rankKind is what a rank file leaves unsaid.
type rankKind struct {
	name    string
	exprs   []string
	special func(ranks int32, add addSpecial) // ranks is one more than the highest rank
	bos     string
	eos     []string // the first is EOS, all end an answer
	nfc     bool
	// plain: as the tokenizer.json of the same vocabulary does, text is made valid UTF-8 first and whole tokens are not looked up
	plain bool
}

const (
	exprCL100k = `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s`
	exprR50k   = `'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s`
)

// rankKinds lists the kinds with their special tokens, which are not in the files.
var rankKinds = []rankKind{
	{name: "cl100k", exprs: []string{exprCL100k}, eos: []string{"<|endoftext|>"}, special: func(_ int32, add addSpecial) {
		add(100257, true, "<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>")
		add(100276, true, "<|endofprompt|>")
	}},
	{name: "o200k", exprs: []string{exprGPT4o}, eos: []string{"<|endoftext|>"}, special: func(_ int32, add addSpecial) {
		add(199999, true, "<|endoftext|>")
		add(200018, true, "<|endofprompt|>")
	}},
	{name: "o200k-harmony", exprs: []string{exprGPT4o}, bos: "<|startoftext|>", eos: []string{"<|return|>", "<|call|>"}, special: harmonyTokens},
	{name: "r50k", exprs: []string{exprR50k}, eos: []string{"<|endoftext|>"}, special: func(_ int32, add addSpecial) {
		add(50256, true, "<|endoftext|>")
	}},
	{name: "qwen2", exprs: []string{exprQwen2}, eos: []string{"<|im_end|>", "<|endoftext|>"}, nfc: true, plain: true, special: qwenTokens},
	{name: "deepseek", exprs: []string{exprDigits3, exprCJK, exprDeepSeek3}, bos: "<｜begin▁of▁sentence｜>",
		eos: []string{"<｜end▁of▁sentence｜>"}, plain: true, special: deepseekTokens},
}

// harmonyTokens are those of gpt-oss. <|endofprompt|> and <|reserved_200018|> are one token.
func harmonyTokens(_ int32, add addSpecial) {
	add(199998, true, "<|startoftext|>", "<|endoftext|>")
	names := map[int32]string{200002: "return", 200003: "constrain", 200005: "channel", 200006: "start", 200007: "end", 200008: "message",
		200012: "call"}
	for id := int32(200000); id < 201088; id++ {
		name := names[id]
		if name == "" {
			name = fmt.Sprintf("reserved_%d", id)
		}
		add(id, true, "<|"+name+"|>")
	}
	add(200018, true, "<|endofprompt|>")
}

// qwenTokens are those of Qwen2.5.
func qwenTokens(_ int32, add addSpecial) {
	add(151643, true, "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
		"<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")
	add(151657, false, "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>",
		"<|file_sep|>")
}

// deepseekTokens are those of DeepSeek-R1 and V3.1; in V3 <think> and </think> are placeholders.
func deepseekTokens(_ int32, add addSpecial) {
	add(0, true, "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>")
	for i := range int32(798) {
		add(128000+i, true, fmt.Sprintf("<｜place▁holder▁no▁%d｜>", i))
	}
	add(128798, false, "<think>", "</think>", "<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>", "<｜User｜>", "<｜Assistant｜>")
	add(128805, true, "<|EOT|>")
	add(128806, false, "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>",
		"<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>", "<｜tool▁sep｜>")
}

// RankKinds lists the kinds of rank files that ParseRanks knows.
func RankKinds() []string {
	names := make([]string, len(rankKinds))
	for i, k := range rankKinds {
		names[i] = k.name
	}
	return names
}

// ParseRanks reads a tiktoken rank file: a line for each token, its bytes in base64 and its rank, which is its id. The kind adds the split
// expression and the special tokens.
func ParseRanks(data []byte, kind string) (*Tokenizer, error) {
	for i := range rankKinds {
		if k := &rankKinds[i]; k.name == kind {
			t, err := k.build(string(data))
			if err != nil {
				return nil, fmt.Errorf("%s ranks: %w", kind, err)
			}
			return t, nil
		}
	}
	return nil, fmt.Errorf("rank kind %q is not known (%s are)", kind, strings.Join(RankKinds(), ", "))
}

func (k *rankKind) build(data string) (*Tokenizer, error) {
	names, err := readRanks(data)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{kind: "tiktoken " + k.name, flags: make([]flag, len(names)), roles: Roles{-1, -1, -1, -1, nil}}
	for id, s := range names {
		if s != "" {
			t.flags[id] |= flagUsed | flagModel
		}
	}
	names, t.added.raw, err = k.addSpecial(t, names)
	if err == nil {
		t.pieces, err = textsOf(names, func(_ int, s string) string { return s })
	}
	if err != nil {
		return nil, err
	}
	m := &bpe{whole: !k.plain, bytes: new([256]int32), unk: none}
	if m.vocab, err = newVocab(t.pieces, t.flags, flagModel); err != nil {
		return nil, err
	}
	m.start()
	for b, id := range m.bytes {
		if id == none {
			return nil, fmt.Errorf("byte %#02x has no rank", b)
		}
	}
	m.rankAll(func(id int) uint32 { return uint32(id) })
	t.model, t.bytes = m, !k.plain
	if k.plain {
		t.repair = replaceInvalid
	}
	if k.nfc {
		t.norm = unicodeForm(norm.NFC)
	}
	for _, expr := range k.exprs {
		find, err := compilePattern(expr)
		if err != nil {
			return nil, err
		}
		t.stages = append(t.stages, &splitter{find: find})
	}
	k.setRoles(t)
	return t, nil
}

// readRanks returns the tokens by rank.
func readRanks(data string) ([]string, error) {
	lines := strings.Count(data, "\n") + 1
	blob := make([]byte, 0, len(data))
	type entry struct{ rank, lo, hi int }
	entries := make([]entry, 0, lines)
	top := -1
	for n := 1; data != ""; n++ {
		var line string
		line, data, _ = strings.Cut(data, "\n")
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			continue
		}
		word, number, ok := strings.Cut(line, " ")
		rank, err := strconv.Atoi(number)
		if !ok || err != nil || rank < 0 || rank > 4*lines+1<<16 {
			return nil, fmt.Errorf("line %d, %.80q, is not base64 and a rank below four times the lines", n, line)
		}
		lo := len(blob)
		if blob, err = base64.StdEncoding.AppendDecode(blob, []byte(word)); err != nil || len(blob) == lo {
			return nil, fmt.Errorf("line %d, %.80q: not base64 of a token", n, line)
		}
		entries = append(entries, entry{rank, lo, len(blob)})
		top = max(top, rank)
	}
	if top < 0 {
		return nil, fmt.Errorf("no ranks")
	}
	all, keys := string(blob), make([]string, top+1)
	for _, e := range entries {
		if keys[e.rank] != "" {
			return nil, fmt.Errorf("tokens %q and %q both have rank %d", keys[e.rank], all[e.lo:e.hi], e.rank)
		}
		keys[e.rank] = all[e.lo:e.hi]
	}
	return keys, nil
}

// addSpecial enters the kind's special tokens. One in the file must agree.
func (k *rankKind) addSpecial(t *Tokenizer, names []string) ([]string, matcher, error) {
	var tokens []addedToken
	var err error
	k.special(int32(len(names)), func(id int32, special bool, texts ...string) {
		for i, text := range texts {
			id := id + int32(i)
			for int(id) >= len(names) {
				names, t.flags = append(names, ""), append(t.flags, 0)
			}
			if old := names[id]; old != "" && old != text && t.flags[id]&flagAdded == 0 {
				err = fmt.Errorf("id %d is %q in the file, %q among the special tokens: the file is of another kind", id, old, text)
			}
			names[id] = text
			t.flags[id] = flagUsed | flagAdded
			if special {
				t.flags[id] |= flagSpecial
			}
			tokens = append(tokens, addedToken{text: text, id: id, special: special})
		}
	})
	if err != nil {
		return nil, matcher{}, err
	}
	m, err := newMatcher(tokens)
	return names, m, err
}

func (k *rankKind) setRoles(t *Tokenizer) {
	if k.bos != "" {
		t.roles.BOS = t.named(k.bos)
		t.prefix = []int32{t.roles.BOS}
	}
	names := map[int32]bool{}
	for i, name := range k.eos {
		id := t.named(name)
		if i == 0 {
			t.roles.EOS = id
		}
		names[id] = true
	}
	for id := range int32(len(t.flags)) {
		if names[id] {
			t.roles.EOG = append(t.roles.EOG, id)
		}
	}
}

// encodeBytes encodes text that is not valid UTF-8 without loss, as tiktoken does: what is valid at the beginning is split as text; its last
// piece (with the pieces of white space before it) and all that follows are one piece.
func (t *Tokenizer) encodeBytes(e *encoder, text string) {
	valid := 0
	for valid < len(text) {
		r, width := utf8.DecodeRuneInString(text[valid:])
		if r == utf8.RuneError && width == 1 {
			break
		}
		valid += width
	}
	start := len(e.out)
	e.last = math.MaxInt
	if valid > 0 {
		t.encodeText(e, text[:valid], SpecialText)
	}
	from := min(e.last, len(e.out))
	if from < len(e.out) && t.blank(e.out[from]) {
		for from > start && t.blank(e.out[from-1]) {
			from--
		}
	}
	piece := string(t.AppendDecode(nil, e.out[from:])) + text[valid:]
	e.out = e.out[:from]
	t.model.encode(e, piece)
}

// blank reports whether a token is all spaces, tabs and newlines.
func (t *Tokenizer) blank(id int32) bool { return strings.Trim(t.piece(id), " \n\t") == "" }
