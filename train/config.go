package train

import (
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/train/data"
	"github.com/pennyml/penny/train/optim"
)

// Model says where a network begins: fresh, of a stated shape, or as a checkpoint left it.
type Model struct {
	From        string `yaml:"from,omitempty"` // Hugging Face folder or GGUF file; then nothing else is said
	model.Fresh `yaml:",inline"`
}

// Tokenizer says how text becomes tokens.
type Tokenizer struct {
	Kind      string   `yaml:"kind"`                 // char, byte, bpe (learnt from the text), file; by default the checkpoint's
	Path      string   `yaml:"path,omitempty"`       // of kind file: a tokenizer.json or a model's folder
	VocabSize int      `yaml:"vocab_size,omitempty"` // of kind bpe
	Special   []string `yaml:"special,omitempty"`    // further special tokens of kinds char, byte and bpe
	BOS       string   `yaml:"bos,omitempty"`        // those of them that begin
	EOS       string   `yaml:"eos,omitempty"`        // and end a text
	Template  string   `yaml:"chat_template,omitempty"`
}

// Kind is what a stage does.
type Kind string

const (
	Pretrain Kind = "pretrain"
	SFT      Kind = "sft"
	RL       Kind = "rl"      // learns from answers to a task's problems, not from data
	Reject   Kind = "reject"  // learns nothing: samples answers and leaves the right ones as a dataset
	Distill  Kind = "distill" // learns what a teacher says of data, or of answers of its own
)

// Stage is what belongs to one stage alone.
type Stage struct {
	Kind   Kind    `yaml:"kind"`
	Name   string  `yaml:"name"`
	Budget Budget  `yaml:"budget"`           // of the stage
	Extend *Extend `yaml:"extend,omitempty"` // lengthens the context before the stage
}

// Extend lengthens a network's context by YaRN.
type Extend struct {
	Factor   float64 `yaml:"factor"`
	Original int     `yaml:"original"` // positions that the network was trained on; 0: its context
}

// Settings are what a recipe says once or for each stage.
type Settings struct {
	Data       data.Config    `yaml:"data"`
	Batch      Batch          `yaml:"batch"`
	Optimizer  optim.Config   `yaml:"optimizer"`
	Schedule   optim.Schedule `yaml:"schedule"`
	Loss       Loss           `yaml:"loss"`
	Teacher    *Teacher       `yaml:"teacher,omitempty"` // of a stage that distils
	LoRA       *LoRA          `yaml:"lora,omitempty"`    // learns low-rank additions to matrices instead of the network
	Eval       Eval           `yaml:"eval"`
	Divergence Divergence     `yaml:"divergence"`
}

// Batch is how many rows a step learns from, and how many of them at a time.
type Batch struct {
	Global int `yaml:"global"`
	Micro  int `yaml:"micro"` // 0: all at once. It changes memory and speed, and no bit of the result
}

// Loss is what is added to the cross-entropy.
type Loss struct {
	ZLoss   float64 `yaml:"z"`             // weight of lse² (PaLM)
	MTP     float64 `yaml:"mtp"`           // weight of multi-token prediction
	Balance float64 `yaml:"balance_alpha"` // weight of the sequence-wise balance loss of experts
	Gamma   float64 `yaml:"balance_gamma"` // how far a step moves the bias of an expert that has too many tokens or too few
}

// LoRA is low-rank adaptation (Hu et al. 2021).
type LoRA struct {
	Rank   int      `yaml:"rank"`
	Alpha  float64  `yaml:"alpha"`  // the addition is scaled by alpha/rank
	Target []string `yaml:"target"` // endings of the names of adapted layers, such as q_proj
}

// Teacher is the network that a stage learns from by its distributions over the next token.
type Teacher struct {
	From        string  `yaml:"from"`        // Hugging Face folder or GGUF file, or stage:NAME for the network of an earlier stage
	Temperature float64 `yaml:"temperature"` // of both distributions; 0: 1
	Reverse     bool    `yaml:"reverse"`     // KL(student || teacher), which seeks the teacher's modes, in place of KL(teacher || student)
	Share       float64 `yaml:"share"`       // of the divergence in the loss, the rest is the data's cross-entropy; 0: 1
}

func (t *Teacher) validate() error {
	switch {
	case t.From == "":
		return errors.New("from: none")
	case !(t.Temperature >= 0 && t.Temperature <= 100):
		return fmt.Errorf("temperature: %v", t.Temperature)
	case !(t.Share >= 0 && t.Share <= 1):
		return fmt.Errorf("share: %v, want 0 to 1", t.Share)
	}
	return nil
}

// Eval is when and on what a run is measured: data.val says on what.
type Eval struct {
	Every int  `yaml:"every"` // steps; 0: only at the end
	First bool `yaml:"first"` // before the first step too
}

// Divergence is what happens when the loss or the gradient is not finite, or the loss jumps.
type Divergence struct {
	Policy string  `yaml:"policy"` // stop, or skip: the batch counts and the step is not made
	Spike  float64 `yaml:"spike"`  // a loss so many times the average of the last steps is a jump; 0: none is
	Window int     `yaml:"window"` // steps in that average
	Most   int     `yaml:"most"`   // steps skipped in a row before the run stops after all
}

// Budget ends a run or a stage at whichever bound is reached first; 0 is no bound. A step that would pass one is not made.
type Budget struct {
	Steps   int     `yaml:"steps,omitempty"`
	Tokens  int64   `yaml:"tokens,omitempty"`
	FLOPs   float64 `yaml:"flops,omitempty"`
	Dollars float64 `yaml:"dollars,omitempty"`
	Minutes float64 `yaml:"minutes,omitempty"`
}

// Checkpoint is when a run is saved and what is kept.
type Checkpoint struct {
	Every    int  `yaml:"every"`     // steps; 0: only at the end of a stage
	KeepLast int  `yaml:"keep_last"` // the newest so many; 0: all
	KeepBest bool `yaml:"keep_best"` // the one with the least validation loss too
}

// Export is what a finished run leaves besides its checkpoints.
type Export struct {
	Type string `yaml:"type"` // of the tensors of the Hugging Face folder: f32 or bf16
	GGUF string `yaml:"gguf"` // of a GGUF file beside it: f32, f16, bf16, q8_0 and so on; empty: none
}

// DefaultSettings are what a recipe need not say.
func DefaultSettings() Settings {
	return Settings{Batch: Batch{Global: 8}, Optimizer: optim.Default(), Schedule: optim.Schedule{Shape: optim.Cosine, Decay: optim.DecaySqrt, MinRatio: 0.1},
		Loss: Loss{MTP: 0.3, Balance: 1e-4, Gamma: 1e-3}, Divergence: Divergence{Policy: "stop", Window: 50, Most: 10}}
}

// Invalid is a key of settings with a value that makes no sense.
type Invalid struct {
	Key string
	Err error
}

// Validate reports the keys of a stage that make no sense, and fills in those of the data that have a default. The schedule's length is not known yet.
func (s *Settings) Validate(g *Stage) (bad []Invalid) {
	check := func(key string, ok bool, format string, a ...any) {
		if !ok {
			bad = append(bad, Invalid{key, fmt.Errorf(format, a...)})
		}
	}
	note := func(key string, err error) {
		if err != nil {
			bad = append(bad, Invalid{key, err})
		}
	}
	s.Data.Default()
	_, known := purposes[g.Kind]
	check("kind", known, "%q, want %s, %s, %s, %s or %s", g.Kind, Pretrain, SFT, RL, Reject, Distill)
	note("budget", g.Budget.Validate())
	if s.Learns(g.Kind) {
		note("data", s.Data.Validate())
		check("batch.global", s.Batch.Global > 0, "%d rows", s.Batch.Global)
	}
	if g.Kind == Distill && s.Teacher == nil {
		note("teacher", errors.New("a stage that distils needs one"))
	} else if s.Teacher != nil {
		note("teacher", s.Teacher.validate())
	}
	check("batch.micro", s.Batch.Micro >= 0, "%d rows", s.Batch.Micro)
	note("optimizer", s.Optimizer.Validate())
	for key, v := range map[string]float64{"loss.z": s.Loss.ZLoss, "loss.mtp": s.Loss.MTP, "loss.balance_alpha": s.Loss.Balance, "loss.balance_gamma": s.Loss.Gamma} {
		check(key, v >= 0 && v < 1e6, "%v", v)
	}
	if l := s.LoRA; l != nil {
		check("lora.rank", l.Rank > 0, "%d", l.Rank)
		check("lora.alpha", l.Alpha > 0, "%v", l.Alpha)
	}
	check("eval.every", s.Eval.Every >= 0, "%d steps", s.Eval.Every)
	d := s.Divergence
	check("divergence.policy", d.Policy == "stop" || d.Policy == "skip", "%q, want stop or skip", d.Policy)
	check("divergence.spike", d.Spike == 0 || d.Spike > 1, "%v, want a factor above 1, or 0", d.Spike)
	check("divergence.window", d.Window > 0, "%d steps", d.Window)
	check("divergence.most", d.Most >= 0, "%d steps", d.Most)
	if e := g.Extend; e != nil {
		check("extend.factor", e.Factor > 1, "%v, want a factor above 1", e.Factor)
		check("extend.original", e.Original >= 0, "%d", e.Original)
	}
	return bad
}

// Learns says whether a stage of a kind learns from data.
func (s *Settings) Learns(k Kind) bool {
	return k == Pretrain || k == SFT || k == Distill && len(s.Data.Sources) > 0
}

// Validate reports the first field that makes no sense.
func (m *Model) Validate() error {
	if m.From != "" {
		if !reflect.DeepEqual(m.Fresh, model.Fresh{}) {
			return errors.New("from names a checkpoint, which says itself what its network is: leave the other keys out")
		}
		return nil
	}
	f := m.Fresh
	f.Vocab = max(f.Vocab, 1) // the tokenizer's
	_, err := f.Config()
	return err
}

// Validate reports the first field that makes no sense.
func (t *Tokenizer) Validate(m *Model) error {
	switch t.Kind {
	case "":
		if m.From == "" {
			return errors.New("kind is missing: a fresh network has no tokenizer of its own (char, byte, bpe or file)")
		}
	case "char", "byte":
	case "bpe":
		if t.VocabSize < 256+len(t.Special) {
			return fmt.Errorf("vocab_size is %d, want at least 256 and the special tokens", t.VocabSize)
		}
	case "file":
		if t.Path == "" {
			return errors.New("path is missing")
		}
	default:
		return fmt.Errorf("kind is %q, want char, byte, bpe or file", t.Kind)
	}
	return nil
}

// Validate reports the first field that makes no sense.
func (b *Budget) Validate() error {
	for name, v := range map[string]float64{"steps": float64(b.Steps), "tokens": float64(b.Tokens), "flops": b.FLOPs, "dollars": b.Dollars, "minutes": b.Minutes} {
		if !(v >= 0) || math.IsInf(v, 0) {
			return fmt.Errorf("%s is %v", name, v)
		}
	}
	return nil
}

// Validate reports the first field that makes no sense.
func (c *Checkpoint) Validate() error {
	if c.Every < 0 || c.KeepLast < 0 {
		return fmt.Errorf("every is %d, keep_last %d", c.Every, c.KeepLast)
	}
	return nil
}
