package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/pennyml/penny/convert"
)

type convertCmd struct {
	In       string `arg:"" help:"GGUF file (of a split one, the first part) or Hugging Face folder."`
	Out      string `arg:"" help:"Result: a GGUF file if its name ends in .gguf, else a new folder."`
	Type     string `help:"Storage type: f32, f16, bf16; in GGUF files also q8_0, q4_0, q4_k_m, q6_k, mxfp4 and more, listed below."`
	SplitMax size   `name:"split-max-size" help:"Split a GGUF file into parts of at most this much tensor data, such as 5G."`
	Threads  int    `short:"t" default:"0" help:"Worker threads (0: one for each core). Any number makes the same file."`
	JSON     bool   `help:"Print one JSON object."`
}

func (convertCmd) Help() string {
	return `Without --type every tensor keeps its type as far as the target has it; Hugging Face to GGUF and back then gives the same bits.

  penny convert DeepSeek-R1-Distill-Qwen-1.5B r1-1.5b.gguf --type q4_k_m
  penny convert model.gguf folder                    quantised tensors become bf16, or what --type says
  penny convert model.gguf smaller.gguf --type q8_0
  penny convert folder folder-bf16 --type bf16       also from F8 with block scales

The table (--json: the same with keys) says what each storage type holds and how far the values written are from those read: root mean square,
the same relative to the values, and the largest difference. Types of GGUF files: ` + strings.Join(convert.Types(), " ") + `.`
}

// Validate makes an unknown type a usage error.
func (c *convertCmd) Validate() error {
	if c.Type != "" && !slices.Contains(convert.Types(), strings.ToLower(c.Type)) {
		return fmt.Errorf("--type %s is not one of %s", c.Type, strings.Join(convert.Types(), " "))
	}
	return nil
}

func (c *convertCmd) Run() error {
	in, err := findModel(c.In)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	line := &progressLine{to: os.Stderr, every: 200 * time.Millisecond}
	r, err := convert.Run(ctx, in, c.Out, convert.Options{Type: c.Type, SplitBytes: int64(c.SplitMax), Threads: c.Threads,
		Progress: func(done, total int64) { line.show(float64(done) / float64(max(total, 1))) }})
	line.clear()
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("convert: interrupted; nothing was written")
	case err != nil:
		return err
	case c.JSON:
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	for _, n := range r.Notes {
		fmt.Fprintln(os.Stderr, "note:", n)
	}
	return writeConversion(os.Stdout, r)
}

// writeConversion prints a table, a line a storage type.
func writeConversion(to io.Writer, r *convert.Result) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "type\ttensors\tbytes\trmse\trelative\tmax\t")
	row := func(name string, tensors int, bytes int64, f convert.Figures) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%.3g\t%.3g\t%.3g\t\n", name, tensors, bytes, f.RMSE, f.Relative, f.Max)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Types)) {
		row(name, r.Types[name].Tensors, r.Types[name].Bytes, r.Error.Types[name])
	}
	row("all", r.Tensors, r.Bytes, r.Error.Figures)
	return w.Flush()
}

// progressLine shows a share in one line that is written over, on a terminal only.
type progressLine struct {
	to    *os.File
	every time.Duration
	last  time.Time
	shown bool
}

func (p *progressLine) show(share float64) {
	if time.Since(p.last) < p.every {
		return
	}
	if p.last.IsZero() {
		info, err := p.to.Stat()
		p.shown = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	p.last = time.Now()
	if p.shown {
		fmt.Fprintf(p.to, "\rconvert %3.0f %%", 100*share)
	}
}

func (p *progressLine) clear() {
	if p.shown {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}

// size is a number of bytes that may be written with K, M, G or T, powers of a thousand.
type size int64

func (s *size) UnmarshalText(text []byte) error {
	var n float64
	var unit string
	if _, err := fmt.Sscanf(string(text)+" ", "%g%s", &n, &unit); err != nil {
		unit = ""
		if _, err := fmt.Sscanf(string(text), "%g", &n); err != nil {
			return fmt.Errorf("%q is no size such as 500M or 5G", text)
		}
	}
	scale, ok := map[string]float64{"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[unit]
	if !ok || n <= 0 || n*scale > 1<<60 {
		return fmt.Errorf("%q is no size such as 500M or 5G", text)
	}
	*s = size(n * scale)
	return nil
}
