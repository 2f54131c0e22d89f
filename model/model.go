package model

import (
	"fmt"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kvcache"
	"github.com/pennyml/penny/tensor"
)

// Model is a network ready to run. It runs one Forward at a time; the sequences live in caches, as many as the caller likes.
type Model interface {
	Config() *Config

	// NewCache makes an empty cache for one sequence of at most limit tokens.
	NewCache(limit int) (*kvcache.Cache, error)

	// Forward runs the next tokens of some sequences and returns the logits asked for, Vocab values each, in the order of the chunks. They are
	// good until the next Forward. Each sequence's logits are the same bits whatever else is in the batch and however its tokens are cut into
	// chunks. After an error the caches are as they were.
	Forward(batch []Chunk) ([]float32, error)

	// Hidden is the state behind the logits that the last Forward returned, after the final norm, Config().Hidden values each.
	Hidden() []float32

	// Close ends the workers. The weights belong to whoever opened them.
	Close() error
}

// Chunk is the next tokens of one sequence.
type Chunk struct {
	Cache  *kvcache.Cache
	IDs    []int32
	Logits int // for how many of the last of them logits are wanted
}

// Predictor is a Model with a multi-token prediction module: from the state behind the logits at one position and the token that followed, it
// predicts the token after that.
type Predictor interface {
	Model

	// NewMTPCache makes an empty cache for the module.
	NewMTPCache(limit int) (*kvcache.Cache, error)

	// ForwardMTP runs the module over the next positions of a sequence: hidden has a row for each of c.IDs, the state at position i beside the
	// token of position i+1. It returns the logits asked for, good until the next Forward or ForwardMTP.
	ForwardMTP(hidden []float32, c Chunk) ([]float32, error)
}

// Options are how a network is run.
type Options struct {
	Threads   int // 0: one for each CPU
	Compute   tensor.Compute
	CacheType dtype.Type // F32, F16 or BF16; Invalid: F32 under compute f32, else F16
	Probe     *Probe
}

// Probe is shown what happens inside a pass, for tests and inspection. Slices are good during the call only.
type Probe struct {
	Hidden func(layer int, x []float32)                    // the residual stream after each layer; after the last, the wanted rows
	Route  func(layer int, ids []int32, weights []float32) // what each row chose of a mixture of experts: ids ascending
}

// DefaultChunk is how many tokens of a prompt are best run at once.
const DefaultChunk = 512

// Prefill runs all ids of one sequence, chunk tokens at a time (0: DefaultChunk), and returns the logits after the last.
func Prefill(m Model, c *kvcache.Cache, ids []int32, chunk int) ([]float32, error) {
	if len(ids) == 0 {
		return nil, fmt.Errorf("model: no tokens to run")
	}
	if chunk <= 0 {
		chunk = DefaultChunk
	}
	for ; len(ids) > chunk; ids = ids[chunk:] {
		if _, err := m.Forward([]Chunk{{Cache: c, IDs: ids[:chunk]}}); err != nil {
			return nil, err
		}
	}
	return m.Forward([]Chunk{{Cache: c, IDs: ids, Logits: 1}})
}

// Each runs all ids of one sequence, chunk tokens at a time (0: DefaultChunk), and shows f the logits at each position.
func Each(m Model, c *kvcache.Cache, ids []int32, chunk int, f func(i int, logits []float32) error) error {
	if chunk <= 0 {
		chunk = DefaultChunk
	}
	vocab := m.Config().Vocab
	for at := 0; at < len(ids); at += chunk {
		part := ids[at:min(at+chunk, len(ids))]
		logits, err := m.Forward([]Chunk{{Cache: c, IDs: part, Logits: len(part)}})
		if err != nil {
			return err
		}
		for i := range part {
			if err := f(at+i, logits[i*vocab:][:vocab]); err != nil {
				return err
			}
		}
	}
	return nil
}
