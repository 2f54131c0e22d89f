package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/pennyml/penny/dtype"
)

type inspectCmd struct {
	Model   string `arg:"" help:"GGUF file, Hugging Face folder, or name in the cache."`
	Tensors bool   `help:"List every tensor."`
	NoSpeed bool   `name:"no-speed" help:"Do not measure this machine's memory for the expected speed."`
	JSON    bool   `help:"Print one JSON object."`
	computeFlags
}

func (inspectCmd) Help() string {
	return "Shows what a checkpoint is and what running it takes: architecture, sizes, tokenizer, template, memory, active parameters and FLOPs a token,\nand the decode speed that this machine's measured memory bandwidth allows at most."
}

type tensorOut struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Shape []int  `json:"shape"`
	Bytes int64  `json:"bytes"`
}

type inspectOut struct {
	Architecture string           `json:"architecture"`
	Format       string           `json:"format"`
	Params       int64            `json:"params"`
	ActiveParams int64            `json:"active_params"`
	FLOPs        int64            `json:"flops_per_token"`
	Bytes        int64            `json:"bytes"`
	ActiveBytes  int64            `json:"active_bytes_per_token"`
	Context      int              `json:"context"`
	Layers       int              `json:"layers"`
	Hidden       int              `json:"hidden"`
	Heads        int              `json:"heads"`
	KVHeads      int              `json:"kv_heads"`
	HeadDim      int              `json:"head_dim"`
	Vocab        int              `json:"vocab"`
	Experts      int              `json:"experts,omitempty"`
	ExpertsUsed  int              `json:"experts_used,omitempty"`
	CacheBytes   int64            `json:"cache_bytes_per_token"`
	MemoryNeeded int64            `json:"memory_bytes"`
	MemoryAt     int              `json:"memory_at_context"`
	Types        map[string]int64 `json:"bytes_by_type"`
	Tokenizer    string           `json:"tokenizer"`
	Template     bool             `json:"chat_template"`
	MemoryGBs    float64          `json:"memory_gb_per_s,omitempty"`
	DecodeTPS    float64          `json:"expected_decode_tps,omitempty"`
	Tensors      []tensorOut      `json:"tensors"`
}

func (c *inspectCmd) Run() error {
	l, err := c.open(c.Model)
	if err != nil {
		return err
	}
	defer l.Close()
	o := describe(l)
	if tok, err := l.tokenizer(); err != nil {
		o.Tokenizer = "none usable: " + err.Error()
	} else {
		o.Tokenizer = fmt.Sprintf("%s, %d tokens", tok.Kind(), tok.VocabSize())
		o.Template = tok.ChatTemplate() != ""
	}
	if !c.NoSpeed {
		r, _ := measureRoofs(c.Threads)
		o.MemoryGBs, o.DecodeTPS = r.MemoryGBs, r.MemoryGBs*1e9/float64(o.ActiveBytes)
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(o)
	}
	o.print(c.Tensors)
	return nil
}

func describe(l *loaded) *inspectOut {
	cfg := l.Config()
	n := cfg.Count()
	o := &inspectOut{Architecture: cfg.Arch, Format: cfg.Source.String(), Params: n.Params, ActiveParams: n.Active, FLOPs: cfg.FLOPs(0), ActiveBytes: l.activeBytes(),
		Context: cfg.Context, Layers: cfg.Layers, Hidden: cfg.Hidden, Heads: cfg.Heads, KVHeads: cfg.KVHeads, HeadDim: cfg.HeadDim, Vocab: cfg.Vocab,
		Types: map[string]int64{}, Tensors: l.tensors()}
	if cfg.MoE != nil {
		o.Experts, o.ExpertsUsed = cfg.MoE.Experts, cfg.MoE.Used
	}
	for _, t := range o.Tensors {
		o.Bytes += t.Bytes
		o.Types[t.Type] += t.Bytes
	}
	element := int64(dtype.F16.BlockBytes())
	if l.f32Cache {
		element = int64(dtype.F32.BlockBytes())
	}
	o.CacheBytes = cfg.CacheElements() * element
	o.MemoryAt = min(4096, cfg.Context)
	o.MemoryNeeded = o.Bytes + o.CacheBytes*int64(o.MemoryAt)
	return o
}

// tensors lists what the files hold, slowest dimension first.
func (l *loaded) tensors() []tensorOut {
	out := []tensorOut{}
	if l.GGUF != nil {
		for i := range l.GGUF.Tensors {
			t := &l.GGUF.Tensors[i]
			shape := make([]int, len(t.Dims))
			for j, d := range t.Dims {
				shape[len(shape)-1-j] = int(d)
			}
			out = append(out, tensorOut{t.Name, t.Type.String(), shape, int64(len(t.Data))})
		}
		return out
	}
	for _, t := range l.Safetensors.Tensors {
		out = append(out, tensorOut{t.Name, strings.ToLower(t.DType), t.Shape, int64(len(t.Data))})
	}
	return out
}

// activeBytes is how many bytes of weights one token reads: of the routed experts those it uses, of the embedding one row unless it is the head too.
func (l *loaded) activeBytes() int64 {
	cfg := l.Config()
	var sum int64
	for _, t := range l.tensors() {
		switch {
		case cfg.MoE != nil && (strings.Contains(t.Name, ".experts.") || strings.Contains(t.Name, "_exps.")):
			sum += t.Bytes * int64(cfg.MoE.Used) / int64(cfg.MoE.Experts)
		case !cfg.Tied && (strings.HasPrefix(t.Name, "token_embd.") || strings.Contains(t.Name, "embed_tokens.")):
			sum += t.Bytes / int64(cfg.Vocab)
		default:
			sum += t.Bytes
		}
	}
	return sum
}

func (o *inspectOut) print(all bool) {
	fmt.Printf("%s (%s)\n", o.Architecture, o.Format)
	fmt.Printf("parameters   %s, active a token %s, %s FLOP a token\n", human(o.Params), human(o.ActiveParams), human(o.FLOPs))
	fmt.Printf("network      %d layers, width %d, %d heads (%d kv) of %d, vocabulary %d, context %d\n", o.Layers, o.Hidden, o.Heads, o.KVHeads, o.HeadDim, o.Vocab, o.Context)
	if o.Experts > 0 {
		fmt.Printf("experts      %d, %d a token\n", o.Experts, o.ExpertsUsed)
	}
	fmt.Printf("weights      %sB:", human(o.Bytes))
	for _, t := range o.Tensors {
		if n, ok := o.Types[t.Type]; ok {
			fmt.Printf(" %s %sB", t.Type, human(n))
			delete(o.Types, t.Type)
		}
	}
	fmt.Printf("\nmemory       %sB with %d positions (%sB each)\n", human(o.MemoryNeeded), o.MemoryAt, human(o.CacheBytes))
	template := "none"
	if o.Template {
		template = "yes"
	}
	fmt.Printf("tokenizer    %s\ntemplate     %s\n", o.Tokenizer, template)
	if o.DecodeTPS > 0 {
		fmt.Printf("expected     at most %.1f tokens/s here: %.1f GB/s over %sB a token\n", o.DecodeTPS, o.MemoryGBs, human(o.ActiveBytes))
	}
	if !all {
		return
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, t := range o.Tensors {
		fmt.Fprintf(w, "%s\t%s\t%v\t%d\n", t.Name, t.Type, t.Shape, t.Bytes)
	}
	w.Flush()
}

// human prints 1234567 as 1.23M.
func human(n int64) string {
	v, units := float64(n), []string{"", "k", "M", "G", "T", "P"}
	i := 0
	for v >= 1000 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	if i == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%.3g%s", v, units[i])
}
