package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"sort"

	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/tokenizer"
)

// hfVocab writes the vocabulary of a GGUF file as tokenizer.json and tokenizer_config.json.
func (j *job) hfVocab(dir string) error {
	m := &j.source.gguf.Meta
	kind, ok := m.String("tokenizer.ggml.model")
	if !ok || kind == "none" || kind == "no_vocab" {
		j.note("the file holds no tokenizer, so the folder has none")
		return nil
	}
	t, err := tokenizer.FromGGUF(m)
	if err != nil {
		return err
	}
	w := &hfWriter{meta: m, kind: kind, tokenizer: t, config: j.source.config}
	text, err := w.json()
	if err != nil {
		return fmt.Errorf("%s: tokenizer: %w", j.source.path, err)
	}
	back, err := tokenizer.ParseJSON(text)
	if err != nil {
		return fmt.Errorf("%s: the tokenizer.json made of its tokenizer: %w", j.source.path, err)
	}
	j.result.Notes = append(j.result.Notes, compareTokenizers(t, back)...)
	if err := writeFile(filepath.Join(dir, "tokenizer.json"), text); err != nil {
		return err
	}
	if w.model != nil {
		if err := writeFile(filepath.Join(dir, "tokenizer.model"), w.model); err != nil {
			return err
		}
	}
	if err := writeJSON(filepath.Join(dir, "tokenizer_config.json"), w.settings()); err != nil {
		return err
	}
	generation := fields{"bos_token_id": nil, "eos_token_id": j.source.config.EOS}
	if j.source.config.BOS >= 0 {
		generation["bos_token_id"] = j.source.config.BOS
	}
	return writeJSON(filepath.Join(dir, "generation_config.json"), generation)
}

// hfWriter makes a tokenizer.json of a vocabulary in a GGUF file.
type hfWriter struct {
	meta      *gguf.Meta
	kind      string // tokenizer.ggml.model
	tokenizer *tokenizer.Tokenizer
	config    *model.Config

	tokens []string
	types  []int64
	vocab  ordered // tokens of the model
	added  []addedToken
	model  []byte // the SentencePiece model; nil for other vocabularies
}

// addedToken is an entry of added_tokens.
type addedToken struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// ordered is a JSON object whose members stay in order.
type ordered []member

type member struct {
	name string
	id   int
}

func (o ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := plainJSON(m.name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s:%d", bytes.TrimSpace(name), m.id)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// plainJSON writes text as it is, without escapes for HTML.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// json is the whole tokenizer.json.
func (w *hfWriter) json() ([]byte, error) {
	if err := w.read(); err != nil {
		return nil, err
	}
	file := fields{"version": "1.0", "truncation": nil, "padding": nil, "normalizer": nil, "pre_tokenizer": nil}
	m := fields{"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
		"fuse_unk": false, "byte_fallback": false, "ignore_merges": false}
	var err error
	switch w.kind {
	case "gpt2":
		err = w.byteLevel(file, m)
	case "llama":
		err = w.sentencePiece(file, m)
	default:
		err = fmt.Errorf("tokenizer.ggml.model %q cannot be written as tokenizer.json (gpt2 and llama can)", w.kind)
	}
	if err != nil {
		return nil, err
	}
	m["vocab"] = w.vocab
	file["model"], file["added_tokens"], file["post_processor"] = m, w.added, w.postProcessor()
	return plainJSON(file)
}

// read sorts the tokens into those of the model and the added ones, which are control and user-defined tokens. Readers number the latter
// themselves, following on from the model's; so those with ids among the model's stand in both lists, as in published files, and all do if
// there are holes in the numbering.
func (w *hfWriter) read() error {
	w.tokens, _ = w.meta.Strings("tokenizer.ggml.tokens")
	w.types, _ = w.meta.Ints("tokenizer.ggml.token_type")
	last, holes, seen := -1, 0, make(map[string]int, len(w.tokens))
	for id, s := range w.tokens {
		if w.hole(id) {
			holes++
			continue
		}
		if first, there := seen[s]; there {
			return fmt.Errorf("tokens %d and %d are both %q, which tokenizer.json cannot say", first, id, s)
		}
		if seen[s] = id; holes > 0 || !w.isAdded(id) {
			last = id
		}
	}
	for id, s := range w.tokens {
		if w.hole(id) {
			continue
		}
		if id <= last {
			w.vocab = append(w.vocab, member{s, id})
		}
		if w.isAdded(id) {
			w.added = append(w.added, addedToken{ID: id, Content: s, Special: w.typeOf(id) != tokenizer.UserToken})
		}
	}
	return nil
}

func (w *hfWriter) typeOf(id int) tokenizer.TokenType {
	if id >= len(w.types) {
		return tokenizer.NormalToken
	}
	return tokenizer.TokenType(w.types[id])
}

// hole reports an id without a token.
func (w *hfWriter) hole(id int) bool {
	return w.tokens[id] == "" || w.typeOf(id) == tokenizer.UnusedToken && w.tokens[id] == padName(id)
}

func (w *hfWriter) isAdded(id int) bool {
	t := w.typeOf(id)
	return t == tokenizer.ControlToken || t == tokenizer.UserToken || t == tokenizer.UnknownToken
}

// byteLevel fills in the parts of a byte-level vocabulary.
func (w *hfWriter) byteLevel(file, m fields) error {
	name, ok := w.meta.String("tokenizer.ggml.pre")
	if !ok {
		name = "default"
	}
	pre, ok := tokenizer.FindPreTokenizer(name)
	if !ok {
		return fmt.Errorf("tokenizer.ggml.pre %q is not known", name)
	}
	merges, _ := w.meta.Strings("tokenizer.ggml.merges")
	m["merges"], m["ignore_merges"] = merges, pre.WholeTokens
	level := fields{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}
	var stages []fields
	splits := pre.Splits
	if n := len(splits); n > 0 && splits[n-1] == tokenizer.GPT2Split {
		level["use_regex"] = true
		splits = splits[:n-1]
	}
	for _, s := range splits {
		stages = append(stages, fields{"type": "Split", "pattern": fields{"Regex": s}, "behavior": "Isolated", "invert": false})
	}
	file["pre_tokenizer"] = fields{"type": "Sequence", "pretokenizers": append(stages, level)}
	file["decoder"] = fields{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}
	if name == "qwen2" || name == "qwen35" { // what the published tokenizers do, and GGUF files do not say
		file["normalizer"] = fields{"type": "NFC"}
	}
	return nil
}

// sentencePiece fills in the parts of a SentencePiece vocabulary, as BPE with the merges that the scores mean.
func (w *hfWriter) sentencePiece(file, m fields) error {
	scores, ok := w.meta.Floats("tokenizer.ggml.scores")
	if !ok || len(scores) < len(w.tokens) {
		return w.meta.Missing("tokenizer.ggml.scores", "an array of f32, one a token")
	}
	m["merges"], m["byte_fallback"], m["fuse_unk"] = w.mergesOf(scores), true, true
	if unk := w.tokenizer.Roles().UNK; unk >= 0 {
		m["unk_token"] = w.tokens[unk]
	}
	prefix, ok := w.meta.Bool("tokenizer.ggml.add_space_prefix")
	space := fields{"type": "Replace", "pattern": fields{"String": " "}, "content": "▁"}
	decoders := []fields{{"type": "Replace", "pattern": fields{"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}}
	normalizers := []fields{space}
	if prefix || !ok {
		normalizers = []fields{{"type": "Prepend", "prepend": "▁"}, space}
		decoders = append(decoders, fields{"type": "Strip", "content": " ", "start": 1, "stop": 0})
	}
	if w.tokenizer.Roles().UNK >= 0 { // SentencePiece insists on an unknown piece
		w.model = w.sentencePieceModel(scores, prefix || !ok)
	}
	file["normalizer"] = fields{"type": "Sequence", "normalizers": normalizers}
	file["decoder"] = fields{"type": "Sequence", "decoders": decoders}
	return nil
}

// mergesOf lists every way to make a token of two others, in falling order of its score.
func (w *hfWriter) mergesOf(scores []float32) []string {
	ids := make(map[string]int, len(w.tokens))
	for id, s := range w.tokens {
		if t := w.typeOf(id); t == tokenizer.NormalToken || t == tokenizer.UnusedToken {
			ids[s] = id
		}
	}
	type merge struct{ token, left, right int }
	var all []merge
	for s, id := range ids {
		for cut := range s {
			left, ok := ids[s[:cut]]
			right, ok2 := ids[s[cut:]]
			if cut > 0 && ok && ok2 {
				all = append(all, merge{id, left, right})
			}
		}
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		if scores[a.token] != scores[b.token] {
			return scores[a.token] > scores[b.token]
		}
		return slices.Compare([]int{a.token, a.left, a.right}, []int{b.token, b.left, b.right}) < 0
	})
	merges := make([]string, len(all))
	for i, m := range all {
		merges[i] = w.tokens[m.left] + " " + w.tokens[m.right]
	}
	return merges
}

// around are the tokens put before and after a text.
func (w *hfWriter) around() (before, after []int32) {
	v := &vocabulary{tokenizer: w.tokenizer}
	return v.around()
}

// postProcessor puts BOS and EOS around texts, if that is wanted.
func (w *hfWriter) postProcessor() any {
	before, after := w.around()
	level := fields{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true}
	if len(before)+len(after) == 0 {
		if w.kind == "gpt2" {
			return level
		}
		return nil
	}
	special := fields{}
	sequence := func(name string, number int) []fields {
		var s []fields
		add := func(ids []int32) {
			for _, id := range ids {
				text := w.tokens[id]
				special[text] = fields{"id": text, "ids": []int32{id}, "tokens": []string{text}}
				s = append(s, fields{"SpecialToken": fields{"id": text, "type_id": number}})
			}
		}
		add(before)
		s = append(s, fields{"Sequence": fields{"id": name, "type_id": number}})
		add(after)
		return s
	}
	template := fields{"type": "TemplateProcessing", "single": sequence("A", 0), "pair": append(sequence("A", 0), sequence("B", 1)...),
		"special_tokens": special}
	if w.kind != "gpt2" {
		return template
	}
	return fields{"type": "Sequence", "processors": []fields{level, template}}
}

// settings is tokenizer_config.json.
func (w *hfWriter) settings() fields {
	r := w.tokenizer.Roles()
	before, after := w.around()
	f := fields{"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false, "model_max_length": w.config.Context,
		"add_bos_token": len(before) > 0, "add_eos_token": len(after) > 0}
	for _, role := range []struct {
		name string
		id   int32
	}{{"bos", r.BOS}, {"eos", r.EOS}, {"unk", r.UNK}, {"pad", r.PAD}} {
		if role.id >= 0 {
			f[role.name+"_token"] = w.tokens[role.id]
		}
	}
	if s := w.tokenizer.ChatTemplate(); s != "" {
		f["chat_template"] = s
	}
	decoder := fields{}
	for _, a := range w.added {
		decoder[fmt.Sprint(a.ID)] = fields{"content": a.Content, "special": a.Special, "lstrip": false, "rstrip": false, "single_word": false, "normalized": false}
	}
	f["added_tokens_decoder"] = decoder
	return f
}
