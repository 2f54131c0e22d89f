package engine

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/pennyml/penny/sample"
)

// markov is a network whose logits depend on all ids so far through a running hash, so that a wrong cache shows.
type markov struct {
	vocab, capacity int
	ids             []int32
	logits          []float32
	fail            error
}

func (m *markov) VocabSize() int { return m.vocab }
func (m *markov) Capacity() int  { return m.capacity }
func (m *markov) Len() int       { return len(m.ids) }
func (m *markov) Truncate(n int) { m.ids = m.ids[:n] }

func (m *markov) Forward(ids []int32, rows int) ([]float32, error) {
	if m.fail != nil {
		return nil, m.fail
	}
	m.logits = slices.Grow(m.logits[:0], rows*m.vocab)[:rows*m.vocab]
	for i, id := range ids {
		m.ids = append(m.ids, id)
		if r := i - (len(ids) - rows); r >= 0 {
			m.row(m.logits[r*m.vocab:][:m.vocab])
		}
	}
	return m.logits, nil
}

func (m *markov) row(logits []float32) {
	h := uint32(2166136261)
	for _, id := range m.ids {
		h = (h ^ uint32(id)) * 16777619
	}
	for i := range logits {
		h = h*1664525 + 1013904223
		logits[i] = float32(h>>16) / 8192
	}
}

func generate(t *testing.T, s *Session, r Request) ([]int32, Result) {
	t.Helper()
	var ids []int32
	res, err := s.Generate(context.Background(), r, func(tok Token) bool {
		ids = append(ids, tok.ID)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids, res
}

func TestChunkingAndReuseDoNotChangeTheAnswer(t *testing.T) {
	prompt := []int32{5, 3, 9, 1, 1, 7, 2, 8, 8, 4}
	req := Request{Prompt: prompt, MaxTokens: 12, Params: sample.Params{Temp: 1, Seed: 3}}
	want, _ := generate(t, NewSession(&markov{vocab: 11, capacity: 64}, 64), req)
	for _, chunk := range []int{1, 3, 7} {
		s := NewSession(&markov{vocab: 11, capacity: 64}, chunk)
		if got, _ := generate(t, s, req); !slices.Equal(got, want) {
			t.Errorf("chunk %d: %v, want %v", chunk, got, want)
		}
		got, res := generate(t, s, req) // the cache now holds prompt and answer
		if !slices.Equal(got, want) {
			t.Errorf("chunk %d, second time: %v, want %v", chunk, got, want)
		}
		if res.Timings.ReusedTokens != len(prompt)-1 || res.Timings.PrefillTokens != 1 {
			t.Errorf("second time: %+v, want all but the last prompt token reused", res.Timings)
		}
	}
}

func TestFinish(t *testing.T) {
	net := &markov{vocab: 11, capacity: 16}
	s := NewSession(net, 8)
	ids, res := generate(t, s, Request{Prompt: []int32{1, 2, 3}})
	if res.Finish != FinishLength || len(ids) != 16-3+1 || res.Timings.DecodeTokens != len(ids) {
		t.Errorf("full context: %v after %d tokens (%+v)", res.Finish, len(ids), res.Timings)
	}
	end := ids[4]
	first := slices.Index(ids, end)
	got, res := generate(t, s, Request{Prompt: []int32{1, 2, 3}, IsEnd: func(id int32) bool { return id == end }})
	if res.Finish != FinishStop || !slices.Equal(got, ids[:first+1]) {
		t.Errorf("end token: %v %v, want stop after %v", res.Finish, got, ids[:first+1])
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	res, err := s.Generate(ctx, Request{Prompt: []int32{4}}, func(Token) bool { n++; cancel(); return true })
	if err != nil || res.Finish != FinishCancel || n != 1 {
		t.Errorf("cancelled: %v %v after %d tokens", res.Finish, err, n)
	}
}

func TestBadRequests(t *testing.T) {
	s := NewSession(&markov{vocab: 11, capacity: 4}, 8)
	for name, r := range map[string]Request{
		"empty": {}, "too long": {Prompt: make([]int32, 5)}, "id outside": {Prompt: []int32{11}}, "negative id": {Prompt: []int32{-1}},
		"bad parameter": {Prompt: []int32{1}, Params: sample.Params{Temp: -1}},
	} {
		if _, err := s.Generate(context.Background(), r, func(Token) bool { return true }); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestFailingNetworkLeavesTheSessionUsable(t *testing.T) {
	net := &markov{vocab: 11, capacity: 32}
	s := NewSession(net, 4)
	want, _ := generate(t, s, Request{Prompt: []int32{1, 2, 3, 4, 5}, MaxTokens: 3})
	net.fail = errors.New("disk on fire")
	if _, err := s.Generate(context.Background(), Request{Prompt: []int32{1, 2, 9, 9}}, func(Token) bool { return true }); !errors.Is(err, net.fail) {
		t.Fatalf("error %v", err)
	}
	net.fail = nil
	if got, _ := generate(t, s, Request{Prompt: []int32{1, 2, 3, 4, 5}, MaxTokens: 3}); !slices.Equal(got, want) {
		t.Errorf("after a failure: %v, want %v", got, want)
	}
}

func TestScoreIsTheSamplersLogprob(t *testing.T) {
	prompt := []int32{5, 3, 9}
	var toks []Token
	s := NewSession(&markov{vocab: 11, capacity: 64}, 64)
	if _, err := s.Generate(context.Background(), Request{Prompt: prompt, MaxTokens: 9, Params: sample.Params{Temp: 0.8, TopP: 0.9}}, func(tok Token) bool {
		toks = append(toks, tok)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	ids := slices.Clone(prompt)
	for _, tok := range toks {
		ids = append(ids, tok.ID)
	}
	var hashes [][32]byte
	for _, chunk := range []int{1, 4, 100} {
		sc, err := ScoreIDs(&markov{vocab: 11, capacity: 64}, ids, chunk, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, tok := range toks {
			if got := sc.Logprobs[len(prompt)-1+i]; math.Float32bits(got) != math.Float32bits(tok.Logprob) {
				t.Errorf("chunk %d token %d: score %v, sampler %v", chunk, i, got, tok.Logprob)
			}
		}
		hashes = append(hashes, sc.LogitsSHA256)
	}
	if hashes[0] != hashes[1] || hashes[0] != hashes[2] {
		t.Error("the hash of the logits depends on the chunk")
	}
}

func TestPerplexityCountsTheSecondHalf(t *testing.T) {
	ids := make([]int32, 50)
	for i := range ids {
		ids[i] = int32(i * 7 % 11)
	}
	var want float64
	n := 0
	for c := range 3 {
		sc, err := ScoreIDs(&markov{vocab: 11, capacity: 64}, ids[c*16:c*16+16], 16, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, lp := range sc.Logprobs[8:] {
			want -= float64(lp)
			n++
		}
	}
	for _, prefill := range []int{1, 5, 100} {
		p, err := MeasurePerplexity(&markov{vocab: 11, capacity: 64}, ids, 16, 0, prefill, -1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if p.Tokens != n || math.Abs(p.NLLMean-want/float64(n)) > 1e-12 || n != 3*7 {
			t.Errorf("prefill %d: %d tokens, mean %v; want %d, %v", prefill, p.Tokens, p.NLLMean, n, want/float64(n))
		}
	}
	if _, err := MeasurePerplexity(&markov{vocab: 11, capacity: 8}, ids, 16, 0, 4, -1, nil); err == nil {
		t.Error("a chunk beyond the context was accepted")
	}
}
