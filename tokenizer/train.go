package tokenizer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
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

// countPieces counts the distinct pieces of the texts, on all processors.
func countPieces(stages []stage, texts iter.Seq[string]) map[string]int64 {
	work := make(chan string)
	counters := make([]*pieceCounter, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range counters {
		counters[i] = newPieceCounter(stages)
		wg.Go(func() {
			for text := range work {
				counters[i].split(replaceInvalid(text), true)
			}
		})
	}
	for text := range texts {
		work <- text
	}
	close(work)
	wg.Wait()
	out := make(map[string]int64, len(counters[0].counts))
	for _, c := range counters {
		for piece, n := range c.counts {
			out[piece] += *n
		}
	}
	return out
}

// pieceCounter counts the pieces of the texts that it is given.
type pieceCounter struct {
	counts map[string]*int64
	split  func(piece string, start bool)
}

func newPieceCounter(stages []stage) *pieceCounter {
	c := &pieceCounter{counts: map[string]*int64{}}
	c.split = func(piece string, _ bool) {
		n := c.counts[piece]
		if n == nil {
			n = new(int64)
			c.counts[strings.Clone(piece)] = n // not a slice of the text, which may be large
		}
		*n++
	}
	for _, s := range slices.Backward(stages) {
		next := c.split
		c.split = func(piece string, start bool) { s.split(piece, start, next) }
	}
	return c
}

// trainer is the state of learning merges. The distinct pieces stand one after the other, as far as they are joined by now; a joined symbol stands at
// its first place, and the others are skipped.
type trainer struct {
	tokens []string // by id, in the byte-level alphabet
	ids    map[string]int32
	merges [][2]string

	symbols []int32 // at each place
	next    []int32 // the place of the symbol after, within the piece; none at its end
	prev    []int32
	weight  []int64 // of each place: how often its piece is seen

	pairs map[uint64]*trainPair
	queue []trainEntry // max-heap; an entry whose count is out of date is put back with the right one
}

// trainPair is a pair of neighbouring tokens: how often it is seen, and the places where it may be (at some it is no longer).
type trainPair struct {
	count  int64
	places []int32
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
	if err := t.place(counts); err != nil {
		return nil, err
	}
	for key, p := range t.pairs {
		t.queue = append(t.queue, trainEntry{p.count, key})
	}
	for i := len(t.queue)/2 - 1; i >= 0; i-- {
		t.down(i)
	}
	return t, nil
}

// place sets the pieces out, byte by byte, and counts their pairs.
func (t *trainer) place(counts map[string]int64) error {
	size := 0
	for piece := range counts {
		size += len(piece)
	}
	if size > math.MaxInt32 {
		return fmt.Errorf("tokenizer: the distinct pieces of the text have %d bytes in all, at most %d can be learnt from", size, math.MaxInt32)
	}
	var bytes [256]int32
	for b, r := range byteRunes {
		bytes[b] = t.ids[string(r)]
	}
	t.symbols, t.next, t.prev, t.weight = make([]int32, 0, size), make([]int32, 0, size), make([]int32, 0, size), make([]int64, 0, size)
	for _, piece := range slices.Sorted(maps.Keys(counts)) {
		first := len(t.symbols)
		for i := range len(piece) {
			at := int32(len(t.symbols))
			t.symbols, t.weight = append(t.symbols, bytes[piece[i]]), append(t.weight, counts[piece])
			t.prev, t.next = append(t.prev, at-1), append(t.next, at+1)
		}
		if first < len(t.symbols) {
			t.prev[first], t.next[len(t.symbols)-1] = none, none
		}
		for at := first; at+1 < len(t.symbols); at++ {
			t.gain(int32(at), t.symbols[at], t.symbols[at+1])
		}
	}
	return nil
}

// gain counts a pair that now stands at a place.
func (t *trainer) gain(at, left, right int32) *trainPair {
	key := trainKey(left, right)
	p := t.pairs[key]
	if p == nil {
		p = &trainPair{}
		t.pairs[key] = p
	}
	p.count += t.weight[at]
	p.places = append(p.places, at)
	return p
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

// join makes a token of a pair wherever it stands.
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
	gained := map[uint64]*trainPair{}
	slices.Sort(pair.places) // of overlapping ones, as in "aaa", the first is joined
	for _, at := range pair.places {
		second := t.next[at]
		if t.symbols[at] != left || second == none || t.symbols[second] != right {
			continue
		}
		before, after := t.prev[at], t.next[second]
		t.symbols[at], t.symbols[second], t.next[at] = id, none, after
		if before != none {
			t.pairs[trainKey(t.symbols[before], left)].count -= t.weight[at]
			gained[trainKey(t.symbols[before], id)] = t.gain(before, t.symbols[before], id)
		}
		if after != none {
			t.prev[after] = at
			t.pairs[trainKey(right, t.symbols[after])].count -= t.weight[at]
			gained[trainKey(id, t.symbols[after])] = t.gain(at, id, t.symbols[after])
		}
	}
	delete(t.pairs, key)
	for k, p := range gained {
		t.push(trainEntry{p.count, k})
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
