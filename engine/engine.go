// Package engine runs a network over token ids: prefill in chunks, decode a token at a time, keep the cache of a conversation so that the next turn
// reads only what is new. It knows nothing of text.
package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/pennyml/penny/sample"
)

// Network is a model together with the cache of one sequence.
type Network interface {
	VocabSize() int
	// Capacity is how many positions the cache can hold.
	Capacity() int
	// Len is how many positions the cache holds now.
	Len() int
	// Truncate forgets every position from n on.
	Truncate(n int)
	// Forward appends ids to the sequence and returns the logits of the last rows of them, [rows VocabSize], good until the next Forward.
	Forward(ids []int32, rows int) ([]float32, error)
}

// Session is one sequence: what stands in the cache, and the means to go on.
type Session struct {
	net    Network
	chunk  int
	held   []int32   // the ids whose keys and values the cache holds
	logits []float32 // of the last token held, once decoding begins
}

// NewSession starts an empty sequence. chunk is the most positions that one prefill step takes.
func NewSession(net Network, chunk int) *Session {
	return &Session{net: net, chunk: max(chunk, 1), held: make([]int32, 0, net.Capacity())}
}

// Finish says why an answer ended.
type Finish string

// The reasons, by the names that the chat APIs use.
const (
	FinishStop   Finish = "stop"   // an end token, or emit said so
	FinishLength Finish = "length" // the token limit, or the context is full
	FinishCancel Finish = "cancel" // the context was cancelled
)

// Request is one answer to generate.
type Request struct {
	Prompt    []int32
	MaxTokens int // the most tokens to generate; 0 or less: as many as the context holds
	Params    sample.Params
	IsEnd     func(id int32) bool // tokens that end the answer; nil: none do
}

// Token is one generated token.
type Token struct {
	ID      int32
	Logprob float32 // under the model's own distribution, whatever the sampling parameters
}

// Timings of one answer. Prefill counts only what was not reused from the turn before.
type Timings struct {
	PrefillTokens int
	ReusedTokens  int
	DecodeTokens  int
	Prefill       time.Duration
	Decode        time.Duration
}

// Result is what Generate did.
type Result struct {
	Finish  Finish
	Timings Timings
}

// Generate reads the prompt, reusing the cache as far as it agrees, and hands each new token to emit until an end token (handed over too), the
// limit, emit returning false, or ctx. The error is a bad request or a failing network; a cancelled answer is not an error.
func (s *Session) Generate(ctx context.Context, r Request, emit func(Token) bool) (Result, error) {
	smp, err := s.check(r)
	if err != nil {
		return Result{}, err
	}
	var res Result
	start := time.Now()
	res.Timings.ReusedTokens, err = s.prefill(ctx, r.Prompt)
	res.Timings.PrefillTokens, res.Timings.Prefill = len(s.held)-res.Timings.ReusedTokens, time.Since(start)
	if err != nil || ctx.Err() != nil {
		res.Finish = FinishCancel
		return res, err
	}
	limit := s.net.Capacity() - len(s.held) + 1 // the last token needs no place in the cache
	if r.MaxTokens > 0 {
		limit = min(limit, r.MaxTokens)
	}
	start = time.Now()
	res.Finish, res.Timings.DecodeTokens, err = s.decode(ctx, r, smp, limit, emit)
	res.Timings.Decode = time.Since(start)
	return res, err
}

func (s *Session) check(r Request) (*sample.Sampler, error) {
	if len(r.Prompt) == 0 {
		return nil, fmt.Errorf("engine: the prompt has no tokens")
	}
	if n := s.net.Capacity(); len(r.Prompt) > n {
		return nil, fmt.Errorf("engine: the prompt has %d tokens, the context holds %d", len(r.Prompt), n)
	}
	for i, id := range r.Prompt {
		if id < 0 || int(id) >= s.net.VocabSize() {
			return nil, fmt.Errorf("engine: id %d at position %d of the prompt is outside the vocabulary of %d", id, i, s.net.VocabSize())
		}
	}
	smp, err := sample.New(r.Params, s.net.VocabSize())
	if err != nil {
		return nil, err
	}
	for _, id := range r.Prompt {
		smp.Observe(id)
	}
	return smp, nil
}

// prefill brings the cache to hold exactly prompt, with the logits of its last token in s.logits. It returns how many positions were there already.
func (s *Session) prefill(ctx context.Context, prompt []int32) (reused int, err error) {
	for reused < len(prompt)-1 && reused < len(s.held) && s.held[reused] == prompt[reused] {
		reused++
	}
	s.net.Truncate(reused)
	s.held = s.held[:reused]
	for len(s.held) < len(prompt) && ctx.Err() == nil {
		part := prompt[len(s.held):min(len(s.held)+s.chunk, len(prompt))]
		rows := 0
		if len(s.held)+len(part) == len(prompt) {
			rows = 1
		}
		if err := s.forward(part, rows); err != nil {
			return reused, err
		}
	}
	return reused, nil
}

func (s *Session) forward(ids []int32, rows int) error {
	logits, err := s.net.Forward(ids, rows)
	if err != nil {
		s.net.Truncate(len(s.held))
		return err
	}
	s.held, s.logits = append(s.held, ids...), logits
	return nil
}

func (s *Session) decode(ctx context.Context, r Request, smp *sample.Sampler, limit int, emit func(Token) bool) (Finish, int, error) {
	var last [1]int32
	for n := 0; n < limit; n++ {
		if ctx.Err() != nil {
			return FinishCancel, n, nil
		}
		if n > 0 {
			if err := s.forward(last[:], 1); err != nil {
				return FinishStop, n, err
			}
		}
		id, logprob, err := smp.Next(s.logits)
		if err != nil {
			return FinishStop, n, fmt.Errorf("engine: token %d: %w", n, err)
		}
		if more := emit(Token{id, logprob}); !more || (r.IsEnd != nil && r.IsEnd(id)) {
			return FinishStop, n + 1, nil
		}
		last[0] = id
	}
	return FinishLength, max(limit, 0), nil
}
