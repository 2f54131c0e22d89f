package convert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/tokenizer"
)

// ggufVocab writes the vocabulary of a Hugging Face folder.
func (j *job) ggufVocab(w *gguf.Writer) error {
	c, dir := j.source.config, j.source.path
	parts, err := tokenizer.FolderParts(dir)
	if errors.Is(err, fs.ErrNotExist) {
		j.note("the folder holds no tokenizer.json or tokenizer.model, so the file has no vocabulary: such a model takes and gives ids only")
		w.Set("tokenizer.ggml.model", "none")
		setConfigRoles(w, c)
		return nil
	}
	if err != nil {
		return err
	}
	t, err := tokenizer.Open(dir)
	if err != nil {
		return err
	}
	v := &vocabulary{parts: parts, tokenizer: t, config: c}
	if err := v.build(); err != nil {
		return fmt.Errorf("%s: tokenizer: %w", dir, err)
	}
	j.result.Notes = append(j.result.Notes, v.notes...)
	v.set(w, v.pre)
	return nil
}

// setConfigRoles says which ids begin and end a text as far as config.json knows.
func setConfigRoles(w *gguf.Writer, c *model.Config) {
	if c.BOS >= 0 {
		w.Set("tokenizer.ggml.bos_token_id", uint32(c.BOS))
	}
	for i, key := range []string{"eos", "eot", "eom"} {
		if i < len(c.EOS) {
			w.Set("tokenizer.ggml."+key+"_token_id", uint32(c.EOS[i]))
		}
	}
}

// vocabulary is a tokenizer in the terms of GGUF.
type vocabulary struct {
	parts     *tokenizer.Parts
	tokenizer *tokenizer.Tokenizer // of the source
	config    *model.Config
	pre       string
	extra     []int32 // ids that end an answer and are not known by name
	notes     []string
}

// preNames are the names under tokenizer.ggml.pre for the rules there are, the usual one of each.
var preNames = []string{"llama-bpe", "smaug-bpe", "qwen2", "qwen35", "gpt-2", "smollm", "deepseek-v3", "deepseek-llm", "deepseek-coder", "kimi-k2", "gpt-4o",
	"tekken", "falcon", "default"}

// build completes the tokens, finds the name of the splitting rule, and checks that what was made encodes as the source does.
func (v *vocabulary) build() error {
	if v.parts.Unigram {
		return errors.New("a Unigram model cannot be said in a GGUF file of this architecture")
	}
	if n := len(v.parts.Tokens); n > v.config.Vocab {
		return fmt.Errorf("%d tokens for a network of vocab_size %d", n, v.config.Vocab)
	}
	for i := range v.config.Vocab {
		if i >= len(v.parts.Tokens) {
			v.parts.Tokens = append(v.parts.Tokens, tokenizer.Token{})
		}
		if t := &v.parts.Tokens[i]; t.Text == "" {
			*t = tokenizer.Token{Text: padName(i), Type: tokenizer.UnusedToken, Score: -10000}
		}
	}
	if !v.parts.ByteLevel {
		v.pre = "default"
		return v.check()
	}
	names := v.matching()
	if len(names) == 0 { // an expression of another spelling: one that splits alike
		names = preNames
	}
	for _, v.pre = range names {
		if err := v.check(); err != nil {
			return err
		}
		if len(v.notes) == 0 {
			return nil
		}
		if len(names) < len(preNames) { // the rule is known, the difference is elsewhere
			return nil
		}
		v.notes = nil
	}
	return fmt.Errorf("its pre-tokenizer is none of those that a GGUF file can name (%s)", strings.Join(preNames, ", "))
}

// matching are the names whose rule is the source's, word for word.
func (v *vocabulary) matching() []string {
	for _, name := range preNames {
		p, ok := tokenizer.FindPreTokenizer(name)
		if ok && v.parts.Splits != nil && slices.EqualFunc(p.Splits, v.parts.Splits, sameSplit) && p.WholeTokens == v.parts.WholeTokens {
			return []string{name}
		}
	}
	return nil
}

// sameSplit compares two expressions, in which line breaks may stand as such or as escapes.
func sameSplit(a, b string) bool {
	escape := strings.NewReplacer("\r", `\r`, "\n", `\n`)
	return escape.Replace(a) == escape.Replace(b)
}

// padName is what llama.cpp's converter calls an id without a token.
func padName(id int) string { return fmt.Sprintf("[PAD%d]", id) }

// set writes the keys.
func (v *vocabulary) set(w *gguf.Writer, pre string) {
	const prefix = "tokenizer.ggml."
	p := v.parts
	tokens, types := make([]string, len(p.Tokens)), make([]int32, len(p.Tokens))
	for i, t := range p.Tokens {
		tokens[i], types[i] = t.Text, int32(t.Type)
		if t.Type == tokenizer.UserToken {
			tokens[i] = strings.ReplaceAll(t.Text, "▁", " ") // as it is looked for in text
		}
	}
	if p.ByteLevel {
		w.Set(prefix+"model", "gpt2")
	} else {
		w.Set(prefix+"model", "llama")
		w.Set(prefix+"add_space_prefix", p.SpacePrefix)
	}
	w.Set(prefix+"pre", pre)
	w.Set(prefix+"tokens", tokens)
	w.Set(prefix+"token_type", types)
	if p.ByteLevel {
		merges := make([]string, len(p.Merges))
		for i, m := range p.Merges {
			merges[i] = spaced(m[0]) + " " + spaced(m[1])
		}
		w.Set(prefix+"merges", merges)
	} else {
		scores := make([]float32, len(p.Tokens))
		for i, t := range p.Tokens {
			scores[i] = t.Score
		}
		w.Set(prefix+"scores", scores)
	}
	v.setRoles(w)
	if s := v.tokenizer.ChatTemplate(); s != "" {
		w.Set("tokenizer.chat_template", s)
	}
}

// spaced is half of a merge with the spaces in it spelt as the byte-level alphabet does.
func spaced(s string) string { return strings.ReplaceAll(s, " ", "Ġ") }

// setRoles writes the ids with a part to play. Those of begin and end come from config.json only where the tokenizer names none.
func (v *vocabulary) setRoles(w *gguf.Writer) {
	const prefix = "tokenizer.ggml."
	r := v.tokenizer.Roles()
	if r.BOS < 0 {
		r.BOS = int32(v.config.BOS)
	}
	if r.EOS < 0 && len(v.config.EOS) > 0 {
		r.EOS = int32(v.config.EOS[0])
	}
	for _, role := range []struct {
		name string
		id   int32
	}{{"bos", r.BOS}, {"eos", r.EOS}, {"unknown", r.UNK}, {"padding", r.PAD}} {
		if role.id >= 0 && int(role.id) < v.config.Vocab {
			w.Set(prefix+role.name+"_token_id", uint32(role.id))
		}
	}
	for i, key := range []string{"eot", "eom"} {
		if i < len(v.extra) {
			w.Set(prefix+key+"_token_id", uint32(v.extra[i]))
		}
	}
	before, after := v.around()
	w.Set(prefix+"add_bos_token", len(before) == 1 && before[0] == r.BOS)
	w.Set(prefix+"add_eos_token", len(after) == 1 && after[0] == r.EOS)
}

// around is what the source's tokenizer puts before and after a text.
func (v *vocabulary) around() (before, after []int32) {
	const text = "a"
	bare := v.tokenizer.Encode(text, tokenizer.Options{})
	all := v.tokenizer.Encode(text, tokenizer.Options{AddSpecial: true})
	for i := 0; i+len(bare) <= len(all); i++ {
		if slices.Equal(all[i:i+len(bare)], bare) {
			return all[:i], all[i+len(bare):]
		}
	}
	return nil, nil
}

// check reads the vocabulary back from a file and notes what it does otherwise than the source's tokenizer.
func (v *vocabulary) check() error {
	back, err := v.readBack()
	if err != nil {
		return err
	}
	v.extra = nil
	for _, id := range append(ids32(v.config.EOS), v.tokenizer.Roles().EOG...) {
		if int(id) < v.config.Vocab && !slices.Contains(back.Roles().EOG, id) && !slices.Contains(v.extra, id) {
			v.extra = append(v.extra, id)
		}
	}
	if len(v.extra) > 2 {
		v.notes = append(v.notes, fmt.Sprintf("of the ids that end an answer, %v are not carried over: a GGUF file has room for two besides eos", v.extra[2:]))
	}
	v.notes = append(v.notes, compareTokenizers(v.tokenizer, back)...)
	return nil
}

func ids32(ids []int) []int32 {
	var r []int32
	for _, id := range ids {
		r = append(r, int32(id))
	}
	return r
}

func (v *vocabulary) readBack() (*tokenizer.Tokenizer, error) {
	dir, err := os.MkdirTemp("", "penny-vocabulary-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	w := new(gguf.Writer)
	v.set(w, v.pre)
	path := filepath.Join(dir, "vocabulary.gguf")
	if err := w.WriteFile(path); err != nil {
		return nil, err
	}
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return tokenizer.FromGGUF(&f.Meta)
}

// probes are texts on which splitting rules differ: digits, contractions, runs of spaces and line breaks, marks, scripts, emoji.
var probes = []string{
	"Hello, world! It's 3 o'clock; she'LL say 'we've'.", "1 22 333 4444 55555 1234567890 3.14 x86_64 v2.0-rc1",
	"a  b   c    d\te\t\tf \n g\n\nh\r\n\r\ni  \n", "def f(x):\n    return x**2 + {'a': [1, 2]}  # ok\n\n\n", "naïve café Ångström straße — “quotes”…",
	"我想在apple工作1314151天～ 毕老师！", "ひらがな カタカナ 漢字123", "Привет, мир! Ещё раз.", "مرحبا بالعالم", "नमस्ते दुनिया", "🚀 👩‍💻 🦙🦙 ✅",
	"http://example.com/?q=a&b=c#d <tag attr=\"v\">", "ALLCAPS CamelCase snake_case", "''''''```````\"\"\"\"......!!!!!!??????", " leading and trailing  ",
}

// compareTokenizers tells the first difference between two tokenizers on the probes.
func compareTokenizers(want, got *tokenizer.Tokenizer) []string {
	for _, text := range probes {
		a, b := want.Encode(text, tokenizer.Options{}), got.Encode(text, tokenizer.Options{})
		if !slices.Equal(a, b) {
			return []string{fmt.Sprintf("the tokenizer written differs from the source's: %q is %v there and %v here", text, a, b)}
		}
	}
	return nil
}
