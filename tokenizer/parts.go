package tokenizer

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Parts are what a vocabulary file says, for rewriting it in another format. Byte-level vocabularies keep the spelling of the file.
type Parts struct {
	Tokens      []Token // by id; one without text is a hole
	Merges      [][2]string
	Splits      []string // the expressions by which text is split, one inside the other; nil if they are not all of it
	ByteLevel   bool     // tokens are spelt in the byte-level alphabet
	WholeTokens bool     // a piece that is a token is not merged (ignore_merges)
	SpacePrefix bool     // SentencePiece: text gets a space in front
	Unigram     bool     // the model is Unigram, not BPE
	Unknown     string   // the token for what has none; "" for none
}

// Token is one entry of a vocabulary.
type Token struct {
	Text  string
	Type  TokenType
	Score float32 // SentencePiece
}

// TokenType is the type of a token, numbered as in GGUF files and SentencePiece models.
type TokenType uint8

// The types of tokens.
const (
	NormalToken  TokenType = ggufNormal
	UnknownToken TokenType = ggufUnknown
	ControlToken TokenType = ggufControl     // not part of text
	UserToken    TokenType = ggufUserDefined // recognised in text, and part of it
	UnusedToken  TokenType = ggufUnused
	ByteToken    TokenType = ggufByte // <0x41>
)

// FolderParts reads the vocabulary of a Hugging Face folder: a tokenizer.json, also gzipped, unless it only repeats a SentencePiece model beside
// it. The error is fs.ErrNotExist if there is neither.
func FolderParts(dir string) (*Parts, error) {
	for _, name := range []string{"tokenizer.json", "tokenizer.json.gz"} {
		path := filepath.Join(dir, name)
		data, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		p, err := jsonParts(string(data))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if p.ByteLevel {
			return p, nil
		}
		return p, p.addScores(dir)
	}
	path := filepath.Join(dir, "tokenizer.model")
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	p, err := modelParts(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// addScores takes the scores of tokens from the SentencePiece model beside, if there is one, where they mean the same tokens.
func (p *Parts) addScores(dir string) error {
	path := filepath.Join(dir, "tokenizer.model")
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	m, err := modelParts(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for i, t := range m.Tokens {
		if i < len(p.Tokens) && p.Tokens[i].Text == t.Text {
			p.Tokens[i].Score = t.Score
		}
	}
	return nil
}

// jsonParts reads a tokenizer.json.
func jsonParts(s string) (*Parts, error) {
	f, err := readHF(s)
	if err != nil {
		return nil, err
	}
	names, flags, err := f.names()
	if err != nil {
		return nil, err
	}
	set := &f.model.set
	p := &Parts{Tokens: make([]Token, len(names)), Merges: f.model.merges, WholeTokens: set.IgnoreMerges, Unigram: set.Type == "Unigram",
		Unknown: or(set.UnkToken, "")}
	for i, name := range names {
		p.Tokens[i] = Token{Text: name, Type: NormalToken}
		_, isByte := byteToken(name)
		switch {
		case flags[i] == 0:
			p.Tokens[i] = Token{}
		case name == p.Unknown && set.ByteFallback:
			p.Tokens[i].Type = UnknownToken
		case isByte && set.ByteFallback:
			p.Tokens[i].Type = ByteToken
		}
	}
	for _, a := range f.added {
		if t := &p.Tokens[a.ID]; t.Type != UnknownToken {
			if t.Type = UserToken; a.Special || looksSpecial(a.Content) {
				t.Type = ControlToken
			}
		}
	}
	pre, err := parseComponent(f.parts["pre_tokenizer"])
	if err != nil {
		return nil, fmt.Errorf("pre_tokenizer: %w", err)
	}
	if err := p.readSplits(pre); err != nil {
		return nil, fmt.Errorf("pre_tokenizer: %w", err)
	}
	norm, err := parseComponent(f.parts["normalizer"])
	if err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	if !p.ByteLevel {
		p.rankScores()
	}
	return p, p.readSpaces(norm)
}

// looksSpecial reports names that are written as control tokens are, which some files forget to say.
func looksSpecial(s string) bool {
	between := func(start, end string) bool { return strings.HasPrefix(s, start) && strings.HasSuffix(s, end) }
	return s == "<pad>" || s == "<mask>" || between("<|", "|>") || between("<｜", "｜>") || between("<unused", ">")
}

// readSplits collects the expressions of a pre-tokenizer.
func (p *Parts) readSplits(c *component) error {
	if c == nil {
		return nil
	}
	var stages []*component
	if c.Type != "Sequence" {
		stages = []*component{c}
	}
	for _, raw := range c.PreTokenizers {
		s, err := parseComponent(string(raw))
		if err != nil || s == nil {
			return err
		}
		stages = append(stages, s)
	}
	known := true
	for _, s := range stages {
		switch {
		case s.Type == "Split" && s.Pattern != nil && s.Pattern.Regex != nil && or(s.Behavior, "") == "Isolated" && !s.Invert:
			p.Splits = append(p.Splits, *s.Pattern.Regex)
		case s.Type == "Digits" && s.Individual:
			p.Splits = append(p.Splits, exprDigit)
		case s.Type == "Digits":
			p.Splits = append(p.Splits, exprDigits)
		case s.Type == "ByteLevel":
			p.ByteLevel = true
			known = known && !or(s.AddPrefixSpace, true)
			if or(s.UseRegex, true) {
				p.Splits = append(p.Splits, exprGPT2)
			}
		case s.Type == "Metaspace":
			p.SpacePrefix = or(s.PrependScheme, "always") != "never" && or(s.AddPrefixSpace, true)
			known = false
		default:
			known = false
		}
	}
	if !known {
		p.Splits = nil
	}
	return nil
}

// readSpaces looks for what SentencePiece does to spaces in a normalizer.
func (p *Parts) readSpaces(c *component) error {
	switch {
	case c == nil:
	case c.Type == "Sequence":
		for _, raw := range c.Normalizers {
			s, err := parseComponent(string(raw))
			if err == nil {
				err = p.readSpaces(s)
			}
			if err != nil {
				return fmt.Errorf("normalizer: %w", err)
			}
		}
	case c.Type == "Prepend" && c.Prepend == spmSpace:
		p.SpacePrefix = true
	}
	return nil
}

// rankScores gives tokens scores by the merges that make them: the earlier, the higher. What no merge makes comes first.
func (p *Parts) rankScores() {
	ids := make(map[string]int, len(p.Tokens))
	for i, t := range p.Tokens {
		ids[t.Text] = i
	}
	rank := float32(0)
	for _, m := range p.Merges {
		if i, ok := ids[m[0]+m[1]]; ok && p.Tokens[i].Score == 0 {
			rank--
			p.Tokens[i].Score = rank
		}
	}
}

// modelParts reads a SentencePiece model.
func modelParts(data []byte) (*Parts, error) {
	m, err := readSPM(data)
	if err == nil {
		err = m.check()
	}
	if err != nil {
		return nil, fmt.Errorf("SentencePiece model: %w", err)
	}
	p := &Parts{SpacePrefix: m.dummyPrefix, Unigram: m.kind == 1, Unknown: m.pieces[m.unk].text}
	for _, piece := range m.pieces {
		p.Tokens = append(p.Tokens, Token{Text: piece.text, Type: TokenType(piece.typ), Score: piece.score})
	}
	return p, nil
}

// PreTokenizer is what a name under tokenizer.ggml.pre stands for.
type PreTokenizer struct {
	Splits      []string // expressions, one inside the other
	WholeTokens bool     // a piece that is a token is not merged
}

// FindPreTokenizer looks a name of byte-level pre-tokenizers up.
func FindPreTokenizer(name string) (PreTokenizer, bool) {
	pre, ok := ggufPres[name]
	if !ok || pre.spm {
		return PreTokenizer{}, false
	}
	return PreTokenizer{slices.Clone(pre.exprs), pre.whole}, true
}

// GPT2Split is GPT-2's expression, which ByteLevel pre-tokenizers have built in.
const GPT2Split = exprGPT2
