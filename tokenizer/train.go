package tokenizer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// TrainConfig says what vocabulary to learn.
type TrainConfig struct {
	VocabSize    int      // tokens in all: special ones, 256 bytes, merges
	MinFrequency int      // pairs seen less often are not joined; 0 is 1
	Split        []string // expressions that cut text into pieces, one inside the other; nil is GPT-2's
	Special      []string // control tokens, which get the first ids
}

// Train learns a byte-level BPE vocabulary from texts and returns it as a tokenizer.json. As in Hugging Face's trainer, the pair seen most often
// is joined next, and of several the one with the smaller ids; so the result depends only on the texts, not on their order.
func Train(c TrainConfig, texts iter.Seq[string]) ([]byte, error) {
	if least := len(c.Special) + 256; c.VocabSize < least {
		return nil, fmt.Errorf("tokenizer: a vocabulary of %d tokens cannot hold %d special tokens and 256 bytes", c.VocabSize, len(c.Special))
	}
	if c.VocabSize > maxID {
		return nil, fmt.Errorf("tokenizer: a vocabulary of %d tokens", c.VocabSize)
	}
	stages, err := splitStages(c.Split)
	if err != nil {
		return nil, err
	}
	t, err := newTrainer(c, countPieces(stages, texts))
	if err != nil {
		return nil, err
	}
	for len(t.tokens) < c.VocabSize && t.step(int64(max(c.MinFrequency, 1))) {
	}
	return t.json(c)
}

// splitStages compiles the expressions of a configuration.
func splitStages(exprs []string) ([]stage, error) {
	if exprs == nil {
		exprs = []string{exprGPT2}
	}
	var stages []stage
	for _, expr := range exprs {
		find, err := compilePattern(expr)
		if err != nil {
			return nil, err
		}
		stages = append(stages, &splitter{find: find})
	}
	return stages, nil
}

// countPieces counts the distinct pieces of the texts.
func countPieces(stages []stage, texts iter.Seq[string]) map[string]int64 {
	counts := map[string]*int64{}
	sink := func(piece string, _ bool) {
		n := counts[piece]
		if n == nil {
			n = new(int64)
			counts[string([]byte(piece))] = n // not a slice of the text, which may be large
		}
		*n++
	}
	for _, s := range slices.Backward(stages) {
		next := sink
		sink = func(piece string, start bool) { s.split(piece, start, next) }
	}
	for text := range texts {
		sink(replaceInvalid(text), true)
	}
	out := make(map[string]int64, len(counts))
	for piece, n := range counts {
		out[piece] = *n
	}
	return out
}

// trainer is the state of learning merges.
type trainer struct {
	tokens []string // by id, in the byte-level alphabet
	ids    map[string]int32
	merges [][2]string
	words  []trainWord
	pairs  map[uint64]*trainPair
	queue  []trainEntry // max-heap; an entry whose count is out of date is put back with the right one
}

// trainWord is a distinct piece, as far as it is joined by now.
type trainWord struct {
	symbols []int32
	count   int64
}

// trainPair is a pair of neighbouring tokens: how often it is seen, and the words it may be in (some more than once, some no longer).
type trainPair struct {
	count int64
	words []int32
}

type trainEntry struct {
	count int64
	pair  uint64
}

func trainKey(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

func newTrainer(c TrainConfig, counts map[string]int64) (*trainer, error) {
	t := &trainer{ids: map[string]int32{}, pairs: map[uint64]*trainPair{}}
	add := func(s string) error {
		if _, ok := t.ids[s]; ok || s == "" {
			return fmt.Errorf("tokenizer: special token %q is empty, stands twice or is a byte", s)
		}
		t.ids[s] = int32(len(t.tokens))
		t.tokens = append(t.tokens, s)
		return nil
	}
	alphabet := slices.Clone(byteRunes[:])
	slices.Sort(alphabet)
	var err error
	for _, s := range c.Special {
		err = errors.Join(err, add(s))
	}
	for _, r := range alphabet {
		err = errors.Join(err, add(string(r)))
	}
	if err != nil {
		return nil, err
	}
	for _, piece := range slices.Sorted(maps.Keys(counts)) {
		w := trainWord{count: counts[piece]}
		for _, b := range []byte(piece) {
			w.symbols = append(w.symbols, t.ids[string(byteRunes[b])])
		}
		t.words = append(t.words, w)
		t.count(int32(len(t.words)-1), 1, nil)
	}
	for key, p := range t.pairs {
		t.queue = append(t.queue, trainEntry{p.count, key})
	}
	for i := len(t.queue)/2 - 1; i >= 0; i-- {
		t.down(i)
	}
	return t, nil
}

// count adds sign times the pairs of a word to the counts. Pairs that a word gains are noted in touched.
func (t *trainer) count(word int32, sign int64, touched map[uint64]bool) {
	w := &t.words[word]
	for i := 0; i+1 < len(w.symbols); i++ {
		key := trainKey(w.symbols[i], w.symbols[i+1])
		p := t.pairs[key]
		if p == nil {
			p = &trainPair{}
			t.pairs[key] = p
		}
		p.count += sign * w.count
		if sign < 0 {
			continue
		}
		if n := len(p.words); n == 0 || p.words[n-1] != word {
			p.words = append(p.words, word)
		}
		if touched != nil {
			touched[key] = true
		}
	}
}

// step joins the pair seen most often. It returns false when none is seen least times.
func (t *trainer) step(least int64) bool {
	for len(t.queue) > 0 {
		top := &t.queue[0]
		key, pair := top.pair, t.pairs[top.pair]
		switch {
		case pair == nil: // a second entry of a pair that was joined
			t.pop()
		case top.count != pair.count:
			top.count = pair.count
			t.down(0)
		case top.count < least:
			return false
		default:
			t.pop()
			t.join(key, pair)
			return true
		}
	}
	return false
}

// join makes a token of a pair in every word.
func (t *trainer) join(key uint64, pair *trainPair) {
	left, right := int32(key>>32), int32(uint32(key))
	text := t.tokens[left] + t.tokens[right]
	id, ok := t.ids[text]
	if !ok {
		id = int32(len(t.tokens))
		t.ids[text] = id
		t.tokens = append(t.tokens, text)
	}
	t.merges = append(t.merges, [2]string{t.tokens[left], t.tokens[right]})
	touched := map[uint64]bool{}
	slices.Sort(pair.words)
	for _, word := range slices.Compact(pair.words) {
		w := &t.words[word]
		t.count(word, -1, nil)
		out := w.symbols[:0]
		for i := 0; i < len(w.symbols); i++ {
			if i+1 < len(w.symbols) && w.symbols[i] == left && w.symbols[i+1] == right {
				out = append(out, id)
				i++
			} else {
				out = append(out, w.symbols[i])
			}
		}
		w.symbols = out
		t.count(word, 1, touched)
	}
	delete(t.pairs, key)
	for k := range touched {
		if k>>32 == uint64(id) || uint32(k) == uint32(id) { // the others were in the queue before
			t.push(trainEntry{t.pairs[k].count, k})
		}
	}
}

// before orders the queue: the higher count, then the smaller ids.
func (e trainEntry) before(o trainEntry) bool {
	return cmp.Or(cmp.Compare(o.count, e.count), cmp.Compare(e.pair, o.pair)) < 0
}

func (t *trainer) push(e trainEntry) {
	q := append(t.queue, e)
	for i := len(q) - 1; i > 0 && q[i].before(q[(i-1)/2]); i = (i - 1) / 2 {
		q[i], q[(i-1)/2] = q[(i-1)/2], q[i]
	}
	t.queue = q
}

func (t *trainer) pop() {
	last := len(t.queue) - 1
	t.queue[0] = t.queue[last]
	t.queue = t.queue[:last]
	if last > 0 {
		t.down(0)
	}
}

func (t *trainer) down(i int) {
	q := t.queue
	for {
		first := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(q); c++ {
			if q[c].before(q[first]) {
				first = c
			}
		}
		if first == i {
			return
		}
		q[i], q[first] = q[first], q[i]
		i = first
	}
}

// json writes the vocabulary as a tokenizer.json.
func (t *trainer) json(c TrainConfig) ([]byte, error) {
	byteLevel := jsonObject{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": c.Split == nil}
	pre := byteLevel
	if c.Split != nil {
		var steps []jsonObject
		for _, expr := range c.Split {
			steps = append(steps, jsonObject{"type": "Split", "pattern": jsonObject{"Regex": expr}, "behavior": "Isolated", "invert": false})
		}
		pre = jsonObject{"type": "Sequence", "pretokenizers": append(steps, byteLevel)}
	}
	return trainedJSON(c.Special, t.ids, t.merges, pre, byteLevel)
}

type jsonObject = map[string]any

// trainedJSON is the tokenizer.json of a BPE vocabulary; special tokens have the first ids.
func trainedJSON(special []string, ids map[string]int32, merges [][2]string, pre, decoder any) ([]byte, error) {
	added := []jsonObject{}
	for id, s := range special {
		added = append(added, jsonObject{"id": id, "content": s, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
			"special": true})
	}
	if merges == nil {
		merges = [][2]string{}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(jsonObject{
		"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": added, "normalizer": nil, "pre_tokenizer": pre,
		"post_processor": nil, "decoder": decoder,
		"model": jsonObject{"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
			"fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": ids, "merges": merges},
	})
	return b.Bytes(), err
}
