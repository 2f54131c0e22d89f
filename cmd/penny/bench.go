package main

import (
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/pennyml/penny/engine"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/kernel/roof"
	"github.com/pennyml/penny/model"
)

type benchCmd struct {
	Model  string `arg:"" help:"GGUF file, Hugging Face folder, or name in the cache."`
	Prompt int    `short:"p" default:"512" help:"Tokens to prefill (0: skip)."`
	Gen    int    `short:"n" default:"128" help:"Tokens to decode, one at a time (0: skip)."`
	Depth  int    `short:"d" help:"Tokens in the cache before each."`
	Repeat int    `short:"r" default:"5" help:"Repetitions; one more runs first and does not count."`
	Batch  int    `short:"b" default:"512" help:"Tokens a prefill step."`
	JSON   bool   `help:"Print one JSON object."`
	computeFlags
}

func (benchCmd) Help() string {
	return "Like llama-bench: random token ids, no sampling, logits of the last token only. Beside it the machine's measured roofs (memory read and\narithmetic, same threads) and the share of them that was reached."
}

type benchOut struct {
	Model      string       `json:"model"`
	Compute    string       `json:"compute"`
	ISA        string       `json:"isa"`
	Threads    int          `json:"threads"`
	Prompt     int          `json:"n_prompt"`
	Gen        int          `json:"n_gen"`
	Depth      int          `json:"n_depth"`
	PrefillTPS *engine.Rate `json:"prefill_tps"`
	DecodeTPS  *engine.Rate `json:"decode_tps"`
	Roofs      roofsOut     `json:"roofs"`
	// Shares of the roofs: decode reads every active weight once a token; prefill does the FLOPs of its tokens.
	DecodeGBs        float64 `json:"decode_gb_per_s"`
	DecodeShare      float64 `json:"decode_share_of_memory_roof"`
	PrefillGFLOPs    float64 `json:"prefill_gflop_per_s"`
	PrefillShareInt8 float64 `json:"prefill_share_of_int8_roof"`
	PrefillShareBF16 float64 `json:"prefill_share_of_bf16_roof"`
	PrefillShareF32  float64 `json:"prefill_share_of_f32_roof"`
}

type roofsOut struct {
	MemoryGBs float64 `json:"memory_gb_per_s"`
	F32       float64 `json:"f32_gflop_per_s"`
	BF16      float64 `json:"bf16_gflop_per_s"`
	Int8      float64 `json:"int8_gop_per_s"`
}

// measureRoofs measures memory and the arithmetic of the level in use, on so many threads.
func measureRoofs(threads int) (roofsOut, int) {
	pool := par.New(threads)
	defer pool.Close()
	a := roof.Arithmetic(pool, cpu.Current())
	return roofsOut{MemoryGBs: roof.Read(pool).All, F32: a.F32.All, BF16: a.BF16.All, Int8: a.Int8.All}, pool.Threads()
}

func (c *benchCmd) Run() error {
	l, err := c.open(c.Model)
	if err != nil {
		return err
	}
	defer l.Close()
	out := benchOut{Model: l.Path, Compute: c.Compute, ISA: cpu.Current().String(), Prompt: c.Prompt, Gen: c.Gen, Depth: c.Depth}
	out.Roofs, out.Threads = measureRoofs(c.Threads)
	net, err := l.sequence(c.Depth+max(c.Prompt, c.Gen, 32), 0)
	if err != nil {
		return err
	}
	prefill, decode, err := engine.Benchmark(net, c.Prompt, c.Gen, c.Depth, c.Repeat, c.Batch)
	if err != nil {
		return err
	}
	if len(prefill) > 0 {
		r := engine.RateOf(c.Prompt, prefill)
		out.PrefillTPS = &r
		out.PrefillGFLOPs = r.Median * float64(prefillFLOPs(l.Config(), c.Depth, c.Prompt)) / float64(c.Prompt) / 1e9
		out.PrefillShareInt8, out.PrefillShareBF16, out.PrefillShareF32 = out.PrefillGFLOPs/out.Roofs.Int8, out.PrefillGFLOPs/out.Roofs.BF16, out.PrefillGFLOPs/out.Roofs.F32
	}
	if len(decode) > 0 {
		r := engine.RateOf(c.Gen, decode)
		out.DecodeTPS = &r
		out.DecodeGBs = r.Median * float64(l.activeBytes()) / 1e9
		out.DecodeShare = out.DecodeGBs / out.Roofs.MemoryGBs
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(out)
	}
	out.print()
	return nil
}

// prefillFLOPs is the arithmetic of n tokens after depth others, with the head for the last only.
func prefillFLOPs(c *model.Config, depth, n int) int64 {
	perToken := (c.FLOPs(depth) + c.FLOPs(depth+n-1)) / 2 // attention grows linearly with depth
	head := 2 * int64(c.Vocab) * int64(c.Hidden)
	return perToken*int64(n) - head*int64(n-1)
}

func (o *benchOut) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "test\ttokens/s\tmin\tmax\tshare of the roof\t")
	if r := o.PrefillTPS; r != nil {
		fmt.Fprintf(w, "prefill %d\t%.1f\t%.1f\t%.1f\t%.0f GFLOP/s: %.0f %% of int8, %.0f %% of bf16, %.0f %% of f32\t\n", o.Prompt, r.Median, r.Min, r.Max,
			o.PrefillGFLOPs, 100*o.PrefillShareInt8, 100*o.PrefillShareBF16, 100*o.PrefillShareF32)
	}
	if r := o.DecodeTPS; r != nil {
		fmt.Fprintf(w, "decode %d\t%.1f\t%.1f\t%.1f\t%.1f GB/s: %.0f %% of memory\t\n", o.Gen, r.Median, r.Min, r.Max, o.DecodeGBs, 100*o.DecodeShare)
	}
	w.Flush()
	fmt.Printf("%s, --compute %s, %s, %d threads, depth %d\nroofs: memory %.1f GB/s, f32 %.0f, bf16 %.0f GFLOP/s, int8 %.0f GOP/s\n", o.Model, o.Compute, o.ISA, o.Threads, o.Depth,
		o.Roofs.MemoryGBs, o.Roofs.F32, o.Roofs.BF16, o.Roofs.Int8)
}
