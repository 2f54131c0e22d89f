package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// read reads the model.
func (m *hfModel) read(p *scanner) error {
	small := strings.Builder{}
	seen := map[string]bool{}
	err := p.object(func(key string) error {
		if seen[key] {
			return p.fail("a second model.%s", key)
		}
		seen[key] = true
		switch {
		case key == "vocab" && p.peek() == '[':
			return p.array(func() error { return m.readScored(p) })
		case key == "vocab":
			n := (len(p.s) - p.pos) / 48 // about as many tokens as follow
			m.names, m.ids = make([]string, 0, n), make([]int32, 0, n)
			return p.object(func(name string) error {
				id, err := p.id()
				m.names = append(m.names, name)
				m.ids = append(m.ids, id)
				return err
			})
		case key == "merges":
			m.merges = make([][2]string, 0, min(len(m.names), (len(p.s)-p.pos)/8))
			return p.array(func() error { return m.readMerge(p) })
		}
		v, err := p.value()
		if err != nil {
			return err
		}
		name, _ := json.Marshal(key)
		if small.Len() > 0 {
			small.WriteByte(',')
		}
		fmt.Fprintf(&small, "%s:%s", name, v)
		return nil
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte("{"+small.String()+"}"), &m.set); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if m.set.Type == "" && seen["merges"] {
		m.set.Type = "BPE"
	}
	return nil
}

// readMerge reads "left right" or ["left", "right"].
func (m *hfModel) readMerge(p *scanner) error {
	if p.peek() == '"' {
		s, err := p.str()
		if err != nil {
			return err
		}
		left, right, ok := strings.Cut(s, " ")
		if !ok || left == "" || right == "" || strings.Contains(right, " ") {
			return p.fail("merge %q is not two tokens", s)
		}
		m.merges = append(m.merges, [2]string{left, right})
		return nil
	}
	var pair [2]string
	for i, before := range "[," {
		if err := p.expect(byte(before)); err != nil {
			return err
		}
		var err error
		if pair[i], err = p.str(); err != nil {
			return err
		}
	}
	if pair[0] == "" || pair[1] == "" {
		return p.fail("merge %d is not two tokens", len(m.merges))
	}
	m.merges = append(m.merges, pair)
	return p.expect(']')
}

// readScored reads one [piece, score] of a Unigram vocabulary.
func (m *hfModel) readScored(p *scanner) error {
	n := 0
	return p.array(func() error {
		p.peek()
		n++
		switch n {
		case 1:
			s, err := p.str()
			m.names = append(m.names, s)
			m.ids = append(m.ids, int32(len(m.ids)))
			return err
		case 2:
			s, err := p.number()
			if err != nil {
				return err
			}
			var f float64
			if err := json.Unmarshal([]byte(s), &f); err != nil {
				return p.fail("score %s", s)
			}
			m.scores = append(m.scores, f)
			return nil
		}
		return p.fail("more than a piece and a score")
	})
}

func (f *hfFile) buildModel(t *Tokenizer, names []string, pre preTokenizer) error {
	set := &f.model.set
	switch set.Type {
	case "BPE":
	case "Unigram":
		return f.buildUnigram(t, names)
	default:
		return fmt.Errorf("type %q is not supported (BPE and Unigram are)", set.Type)
	}
	if set.Dropout != nil && *set.Dropout != 0 {
		return fmt.Errorf("dropout %g: tokenisation would be random", *set.Dropout)
	}
	if len(f.model.scores) > 0 || len(f.model.names) == 0 {
		return fmt.Errorf("vocab is not an object of tokens and ids")
	}
	m := &bpe{whole: set.IgnoreMerges, unk: none, fuseUnk: set.FuseUnk, prefix: set.Prefix, suffix: set.Suffix}
	t.kind, t.model = "BPE", m
	var keys texts
	var err error
	if pre.bytes && set.Prefix == "" && set.Suffix == "" && !set.ByteFallback {
		t.kind = "byte-level BPE"
		m.bytes = new([256]int32)
		keys, err = bytesOf(names, t.flags)
	} else {
		pre.mapBytes()
		keys, err = textsOf(names, func(_ int, s string) string { return s })
	}
	if err == nil {
		m.vocab, err = newVocab(keys, t.flags, flagModel)
	}
	if err != nil {
		return err
	}
	m.start()
	if set.ByteFallback {
		m.byteIDs = byteTokens(m.vocab.id)
	}
	if set.UnkToken != nil {
		if m.unk = int32(slices.Index(names, *set.UnkToken)); m.unk == none {
			return fmt.Errorf("unk_token %q is not in the vocabulary", *set.UnkToken)
		}
		t.roles.UNK = m.unk
	}
	return f.buildMerges(m)
}

func (f *hfFile) buildMerges(m *bpe) error {
	b := mergeBuilder{m: m, check: true, last: none}
	for _, pair := range f.model.merges {
		if err := b.add(pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}
