package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/engine"
	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/tokenizer"
)

type scoreCmd struct {
	Model string `arg:"" help:"GGUF file, Hugging Face folder, or name in the cache."`

	IDs     string  `name:"ids" xor:"what" help:"Token ids to score, 1,2,3."`
	Text    string  `xor:"what" help:"Text to score."`
	File    string  `xor:"what" help:"File whose text to score."`
	Batch   string  `xor:"what" help:"Sequences to score together, a safetensors file of input_ids and labels (I64 [B,T], -100: not learnt)." placeholder:"IN.safetensors"`
	Grad    string  `help:"With --batch: write the gradient of the mean loss to this safetensors file (grad.TENSOR, f32)." placeholder:"OUT.safetensors"`
	MTP     float32 `name:"mtp-weight" default:"0.3" help:"With --batch: weight of the mean loss of a multi-token prediction module, where the network has one."`
	Chunk   int     `default:"512" help:"Tokens a prefill step; any number gives the same bits."`
	Ctx     int     `short:"c" help:"Positions the cache holds (0: as many as needed)."`
	Logits  string  `help:"Write all logits to this safetensors file (tensor logits, f32 [T,V])." placeholder:"OUT.safetensors"`
	Against string  `enum:"f32,bf16,q8,auto," default:"" help:"Also run at this --compute and say what the difference costs."`
	JSON    bool    `help:"Print one JSON object."`
	computeFlags
}

func (scoreCmd) Help() string {
	return "Prints the log-probability that the model gives to each token after those before it. The bits are the same for every --threads, --chunk and\ninstruction-set level; logits_sha256 covers the f32 logits of all positions, little endian."
}

type scoreOut struct {
	IDs      []int32     `json:"ids"`
	Logprobs []float32   `json:"logprobs"`
	Bits     []string    `json:"bits"`
	NLLTotal float64     `json:"nll_total"`
	NLLMean  float64     `json:"nll_mean"`
	Count    int         `json:"count"`
	SHA256   string      `json:"logits_sha256"`
	Compute  string      `json:"compute"`
	Against  *comparison `json:"against,omitempty"`
}

// comparison is what one compute costs against another: KL is of the first's distribution from the second's, in nats.
type comparison struct {
	Compute   string  `json:"compute"`
	MeanKL    float64 `json:"mean_kl"`
	MaxKL     float64 `json:"max_kl"`
	Top1      float64 `json:"top1_agreement"`
	Positions int     `json:"positions"`
	NLLMean   float64 `json:"nll_mean"`
}

func (c *scoreCmd) Run() error {
	if c.Batch != "" {
		return c.scoreBatch()
	}
	if c.Grad != "" {
		return hinted{errors.New("--grad without --batch"), "give the sequences and what is learnt of them by --batch IN.safetensors"}
	}
	l, err := c.open(c.Model)
	if err != nil {
		return err
	}
	defer l.Close()
	ids, err := c.ids(l)
	if err != nil {
		return err
	}
	if c.Chunk < 1 {
		return fmt.Errorf("--chunk %d: want 1 or more", c.Chunk)
	}
	net, err := l.sequence(c.Ctx, len(ids))
	if err != nil {
		return err
	}
	keep := newLogitSink(c.Logits != "" || c.Against != "", net.VocabSize(), len(ids))
	s, err := engine.ScoreIDs(net, ids, c.Chunk, keep.visit)
	if err != nil {
		return err
	}
	out := summarise(s, c.Compute)
	if c.Against != "" {
		if out.Against, err = c.compare(ids, keep); err != nil {
			return err
		}
	}
	if c.Logits != "" {
		if err := keep.write(c.Logits); err != nil {
			return err
		}
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(out)
	}
	return out.print(os.Stdout)
}

// ids is what to score, as token ids.
func (c *scoreCmd) ids(l *loaded) ([]int32, error) {
	if c.IDs != "" {
		return parseIDs(c.IDs)
	}
	text := c.Text
	switch {
	case c.File != "":
		b, err := os.ReadFile(c.File)
		if err != nil {
			return nil, err
		}
		text = string(b)
	case text == "":
		b, err := io.ReadAll(os.Stdin)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	tok, err := l.tokenizer()
	if err != nil {
		return nil, err
	}
	ids := tok.Encode(text, tokenizer.Options{AddSpecial: true})
	if len(ids) == 0 {
		return nil, hinted{errors.New("nothing to score"), "give --ids, --text, --file or text on standard input"}
	}
	return ids, nil
}

func summarise(s *engine.Score, compute string) *scoreOut {
	out := &scoreOut{IDs: s.IDs, Logprobs: s.Logprobs, Bits: make([]string, 0, len(s.Logprobs)), SHA256: hex.EncodeToString(s.LogitsSHA256[:]), Compute: compute}
	if out.Logprobs == nil {
		out.Logprobs = []float32{}
	}
	for _, lp := range s.Logprobs {
		out.Bits = append(out.Bits, fmt.Sprintf("%08x", math.Float32bits(lp)))
	}
	out.NLLTotal, out.Count = s.NLL()
	if out.Count > 0 {
		out.NLLMean = out.NLLTotal / float64(out.Count)
	}
	return out
}

func (o *scoreOut) print(w io.Writer) error {
	var b bytes.Buffer
	for i, lp := range o.Logprobs {
		fmt.Fprintf(&b, "%8d %12.6f  %s\n", o.IDs[i+1], lp, o.Bits[i])
	}
	fmt.Fprintf(&b, "predictions %d  nll %.6f  mean %.6f  perplexity %.4f\nlogits sha256 %s\n", o.Count, o.NLLTotal, o.NLLMean, math.Exp(o.NLLMean), o.SHA256)
	if a := o.Against; a != nil {
		fmt.Fprintf(&b, "%s against %s over %d positions: mean KL %.3g, greatest %.3g, top-1 agreement %.2f %%, mean nll %.6f against %.6f\n",
			o.Compute, a.Compute, a.Positions, a.MeanKL, a.MaxKL, 100*a.Top1, o.NLLMean, a.NLLMean)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// compare runs the same ids at another compute and measures how far the logits in keep are from those.
func (c *scoreCmd) compare(ids []int32, keep *logitSink) (*comparison, error) {
	f := c.computeFlags
	f.Compute = c.Against
	l, err := f.open(c.Model)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	net, err := l.sequence(c.Ctx, len(ids))
	if err != nil {
		return nil, err
	}
	cmp := &comparison{Compute: c.Against, Positions: len(ids)}
	s, err := engine.ScoreIDs(net, ids, c.Chunk, func(pos int, ref []float32) {
		got := keep.row(pos)
		kl, same := klDivergence(ref, got)
		cmp.MeanKL += kl / float64(len(ids))
		cmp.MaxKL = max(cmp.MaxKL, kl)
		if same {
			cmp.Top1 += 1 / float64(len(ids))
		}
	})
	if err != nil {
		return nil, err
	}
	if nll, n := s.NLL(); n > 0 {
		cmp.NLLMean = nll / float64(n)
	}
	return cmp, nil
}

// klDivergence is KL(softmax(ref) || softmax(got)) in nats, and whether both have the same greatest logit.
func klDivergence(ref, got []float32) (kl float64, same bool) {
	zr, zg := float64(vec.LogSumExp(ref)), float64(vec.LogSumExp(got))
	ir, ig := 0, 0
	for i := range ref {
		lr, lg := float64(ref[i])-zr, float64(got[i])-zg
		kl += math.Exp(lr) * (lr - lg)
		if ref[i] > ref[ir] {
			ir = i
		}
		if got[i] > got[ig] {
			ig = i
		}
	}
	return max(kl, 0), ir == ig
}

// logitSink keeps all logits of a run when somebody wants them.
type logitSink struct {
	on    bool
	vocab int
	data  []float32
}

func newLogitSink(on bool, vocab, n int) *logitSink {
	s := &logitSink{on: on, vocab: vocab}
	if on {
		s.data = make([]float32, vocab*n)
	}
	return s
}

func (s *logitSink) visit(pos int, logits []float32) {
	if s.on {
		copy(s.row(pos), logits)
	}
}

func (s *logitSink) row(pos int) []float32 { return s.data[pos*s.vocab:][:s.vocab] }

func (s *logitSink) write(path string) error {
	data := make([]byte, 4*len(s.data))
	if err := dtype.Encode(dtype.F32, data, s.data); err != nil {
		return err
	}
	var w safetensors.Writer
	w.AddTensor(safetensors.Tensor{Name: "logits", Type: dtype.F32, DType: "F32", Shape: []int{len(s.data) / s.vocab, s.vocab}, Data: data})
	return w.WriteFile(path)
}
