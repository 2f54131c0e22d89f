package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"

	"github.com/pennyml/penny/kernel/vec"
)

// Score is the log-probability that a network gives to a sequence of ids.
type Score struct {
	IDs          []int32
	Logprobs     []float32 // [len(IDs)-1]: of IDs[i+1] after IDs[:i+1]
	LogitsSHA256 [32]byte  // over the f32 logits of all positions, little endian
}

// NLL is the negative log-probability, summed in float64, and the number of predictions.
func (s *Score) NLL() (total float64, count int) {
	for _, lp := range s.Logprobs {
		total -= float64(lp)
	}
	return total, len(s.Logprobs)
}

// ScoreIDs runs ids from an empty cache in chunks and scores each after those before it. visit, when not nil, sees every position's logits; it
// must not keep them.
func ScoreIDs(net Network, ids []int32, chunk int, visit func(pos int, logits []float32)) (*Score, error) {
	if len(ids) == 0 {
		return nil, fmt.Errorf("engine: no ids to score")
	}
	if n := net.Capacity(); len(ids) > n {
		return nil, fmt.Errorf("engine: %d ids to score, the context holds %d", len(ids), n)
	}
	chunk = min(max(chunk, 1), len(ids))
	vocab := net.VocabSize()
	for i, id := range ids {
		if id < 0 || int(id) >= vocab {
			return nil, fmt.Errorf("engine: id %d at position %d is outside the vocabulary of %d", id, i, vocab)
		}
	}
	s, h := &Score{IDs: ids}, newLogitHash(vocab)
	net.Truncate(0)
	for pos := 0; pos < len(ids); pos += chunk {
		part := ids[pos:min(pos+chunk, len(ids))]
		logits, err := net.Forward(part, len(part))
		if err != nil {
			return nil, err
		}
		for i := range part {
			row := logits[i*vocab:][:vocab]
			h.add(row)
			if visit != nil {
				visit(pos+i, row)
			}
			if pos+i+1 < len(ids) {
				s.Logprobs = append(s.Logprobs, row[ids[pos+i+1]]-vec.LogSumExp(row))
			}
		}
	}
	h.h.Sum(s.LogitsSHA256[:0])
	return s, nil
}

type logitHash struct {
	h   hash.Hash
	buf []byte
}

func newLogitHash(vocab int) *logitHash {
	return &logitHash{sha256.New(), make([]byte, 4*vocab)}
}

func (l *logitHash) add(row []float32) {
	for i, v := range row {
		binary.LittleEndian.PutUint32(l.buf[4*i:], math.Float32bits(v))
	}
	l.h.Write(l.buf)
}

// Perplexity follows llama.cpp's measure: ids are cut into chunks of ctx, each run by itself from position 0; the predictions of its second half
// are scored (of tokens ctx/2+1 … ctx-1); a last part shorter than ctx is left out.
type Perplexity struct {
	Tokens  int     // predictions scored
	NLLMean float64 // nats a prediction
	PPL     float64
	StdErr  float64 // of PPL
}

// MeasurePerplexity runs at most chunks chunks (all when 0), each beginning with bos in place of its first id if bos >= 0. progress, when not nil, sees
// the running value after each.
func MeasurePerplexity(net Network, ids []int32, ctx, chunks, prefill int, bos int32, progress func(done, total int, ppl float64)) (Perplexity, error) {
	if ctx < 4 || ctx > net.Capacity() {
		return Perplexity{}, fmt.Errorf("engine: perplexity over chunks of %d tokens: need 4 to %d", ctx, net.Capacity())
	}
	total := len(ids) / ctx
	if total == 0 {
		return Perplexity{}, fmt.Errorf("engine: the text has %d tokens, less than one chunk of %d", len(ids), ctx)
	}
	if chunks > 0 {
		total = min(total, chunks)
	}
	var sum, sumSq float64
	n := 0
	part := make([]int32, ctx)
	for c := range total {
		copy(part, ids[c*ctx:])
		if bos >= 0 {
			part[0] = bos
		}
		s, err := scoreTail(net, part, ctx/2, prefill)
		if err != nil {
			return Perplexity{}, err
		}
		for _, lp := range s {
			sum -= float64(lp)
			sumSq += float64(lp) * float64(lp)
		}
		n += len(s)
		if progress != nil {
			progress(c+1, total, math.Exp(sum/float64(n)))
		}
	}
	mean := sum / float64(n)
	p := Perplexity{Tokens: n, NLLMean: mean, PPL: math.Exp(mean)}
	if variance := sumSq/float64(n) - mean*mean; n > 1 && variance > 0 {
		p.StdErr = math.Sqrt(variance/float64(n-1)) * p.PPL
	}
	return p, nil
}

// scoreTail gives the log-probabilities of ids[first+1:], computing logits only where they are wanted.
func scoreTail(net Network, ids []int32, first, prefill int) ([]float32, error) {
	net.Truncate(0)
	vocab := net.VocabSize()
	for pos := 0; pos < first; {
		n := min(prefill, first-pos)
		if _, err := net.Forward(ids[pos:pos+n], 0); err != nil {
			return nil, err
		}
		pos += n
	}
	var out []float32
	step := min(prefill, len(ids)-first, 128) // logits are wide: bound what they take
	for pos := first; pos < len(ids)-1; pos += step {
		part := ids[pos:min(pos+step, len(ids)-1)]
		logits, err := net.Forward(part, len(part))
		if err != nil {
			return nil, err
		}
		for i := range part {
			row := logits[i*vocab:][:vocab]
			out = append(out, row[ids[pos+i+1]]-vec.LogSumExp(row))
		}
	}
	return out, nil
}
