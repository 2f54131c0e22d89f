package tokenizer

import (
	"fmt"
	"math"
	"slices"
)

// endsGeneration are the names of tokens that end an answer, whatever their type says, and harmonyShown those of gpt-oss that are shown;
// both lists are llama.cpp's.
var (
	endsGeneration = set("<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
		"<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>",
		"<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
		"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>",
		"<|file_sep|>")
	harmonyShown = set("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>")
)

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, s := range names {
		m[s] = true
	}
	return m
}

// buildRoles reads the ids with a part to play and what stands around a text.
func (g *ggufVocab) buildRoles(t *Tokenizer, spm, addBOS bool) error {
	r := &t.roles
	if spm { // llama.cpp's defaults, where the vocabulary is large enough
		for i, id := range []*int32{&r.UNK, &r.BOS, &r.EOS} {
			if i < len(g.tokens) {
				*id = int32(i)
			}
		}
	}
	var eot, eom int32 = none, none
	for _, k := range []struct {
		key string
		id  *int32
	}{
		{"bos", &r.BOS}, {"eos", &r.EOS}, {"unknown", &r.UNK}, {"padding", &r.PAD}, {"eot", &eot}, {"eom", &eom},
	} {
		if err := g.role("tokenizer.ggml."+k.key+"_token_id", k.id); err != nil {
			return err
		}
	}
	if m, ok := t.model.(*bpe); ok && spm {
		m.unk = r.UNK
	}
	r.EOG = endOfGeneration(g.tokens, r.EOS, eot, eom)
	for _, id := range []int32{r.BOS, r.EOS} {
		if id != none {
			t.flags[id] |= flagSpecial
		}
	}
	var err error
	t.prefix, err = g.around("bos", addBOS, r.BOS)
	if err != nil {
		return err
	}
	t.suffix, err = g.around("eos", false, r.EOS)
	return err
}

// role reads one id. 2^32-1 says that there is none.
func (g *ggufVocab) role(key string, id *int32) error {
	v, there := g.meta.Value(key)
	if !there {
		return nil
	}
	n, ok := g.meta.Int(key)
	switch {
	case !ok:
		return g.meta.Missing(key, "a token id")
	case n == math.MaxUint32 || n == -1:
		*id = none
	case n < 0 || n >= int64(len(g.tokens)):
		return fmt.Errorf("%s is %v in a vocabulary of %d tokens", key, v.Any(), len(g.tokens))
	default:
		*id = int32(n)
	}
	return nil
}

// around returns what AddSpecial puts at one end.
func (g *ggufVocab) around(name string, def bool, id int32) ([]int32, error) {
	key := "tokenizer.ggml.add_" + name + "_token"
	add, ok := g.meta.Bool(key)
	if !ok {
		if _, there := g.meta.Value(key); there {
			return nil, g.meta.Missing(key, "a boolean")
		}
		add = def
	}
	switch {
	case !add:
		return nil, nil
	case id == none && ok:
		return nil, fmt.Errorf("%s is set, but there is no %s token", key, name)
	case id == none:
		return nil, nil
	}
	return []int32{id}, nil
}

// endOfGeneration lists the ids that end an answer: those given, and those known by name.
func endOfGeneration(tokens []string, given ...int32) []int32 {
	found := map[string]int32{}
	ids := slices.Clone(given)
	for i, s := range tokens {
		if len(s) > 1 && endsGeneration[s] {
			found[s] = int32(i)
			ids = append(ids, int32(i))
		}
	}
	has := func(s string) bool { _, ok := found[s]; return ok }
	drop := map[int32]bool{none: true}
	if has("<|end|>") && (has("<|call|>") && has("<|return|>") || (has("<|call|>") || has("<|calls|>")) && has("<|flush|>")) {
		drop[found["<|end|>"]] = true // ends a message, not the answer
	}
	if has("<|tool_response>") && has("</s>") {
		drop[found["</s>"]] = true
	}
	ids = slices.DeleteFunc(ids, func(id int32) bool { return drop[id] })
	slices.Sort(ids)
	return slices.Compact(ids)
}
