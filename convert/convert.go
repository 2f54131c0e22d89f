// Package convert rewrites checkpoints: between Hugging Face folders and GGUF files, and from one storage type to another.
//
// Tensors are streamed: at any time a few parts of one tensor are in memory, whatever the size of the model. What the source says and the
// target cannot, and what is left out or rounded, is told in the result's notes; a tensor that is missing, surplus, mis-shaped or not finite
// is an error that names it.
package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/internal/mmap"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/quant"
)

// Options say what to make.
type Options struct {
	Type       string                  // a mix by name, such as "q4_k_m" or "bf16"; "" keeps the types of the source as far as the target has them
	SplitBytes int64                   // a GGUF file with more tensor data than this becomes several; 0: one file
	Threads    int                     // 0: one for each CPU
	Progress   func(done, total int64) // called now and then with elements written; may be nil
}

// Run converts the checkpoint at in, a GGUF file or a Hugging Face folder, to out: a GGUF file if its name ends so, else a folder, which must
// not exist or be empty. On failure nothing is left at out, or what was there before.
func Run(ctx context.Context, in, out string, o Options) (*Result, error) {
	mix, err := parseType(o.Type)
	if err != nil {
		return nil, err
	}
	t, err := newTarget(in, out, o.SplitBytes)
	if err != nil {
		return nil, err
	}
	s, err := openSource(in)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	j := &job{source: s, target: t, mix: mix, result: &Result{}, encoder: newEncoder(ctx, o.Threads, o.Progress)}
	defer j.pool.Close()
	j.release = s.release
	switch {
	case s.gguf != nil && t.gguf:
		err = j.requantise()
	case s.gguf != nil:
		err = j.toHF()
	case t.gguf:
		err = j.toGGUF()
	default:
		err = j.cast()
	}
	if err != nil {
		return nil, err
	}
	j.result.addErrors(j.errors)
	return j.result, nil
}

// Types are the names that Options.Type may have: the mixes that can be made without an importance matrix.
func Types() []string {
	names := slices.DeleteFunc(quant.Names(), func(name string) bool { return !quant.Mix(name).Base().CanEncode() })
	return append(names, "mxfp4")
}

// parseType finds a mix by name, "" for none.
func parseType(name string) (quant.Mix, error) {
	if name == "" {
		return "", nil
	}
	return quant.ParseMix(name)
}

// source is an open checkpoint: one of gguf and hf is set.
type source struct {
	path   string
	config *model.Config
	gguf   *gguf.File
	hf     *safetensors.File
	io.Closer
}

func openSource(path string) (*source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() && filepath.Base(path) == "config.json" {
		return openSource(filepath.Dir(path))
	}
	s := &source{path: path}
	if info.IsDir() {
		if s.config, err = model.ReadHFConfig(path); err != nil {
			return nil, err
		}
		if s.hf, err = safetensors.Open(path); err != nil {
			return nil, err
		}
		s.Closer = s.hf
		return s, nil
	}
	if s.gguf, err = gguf.Open(path); err != nil {
		return nil, err
	}
	s.Closer = s.gguf
	if s.config, err = model.ReadGGUFConfig(s.gguf); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), s.gguf.Close())
	}
	return s, nil
}

// release lets go of the pages read so far.
func (s *source) release() {
	advise := s.hf.Advise
	if s.gguf != nil {
		advise = s.gguf.Advise
	}
	_ = advise(mmap.Done) // advice only: nothing is lost where it is not taken
}

// job is one conversion.
type job struct {
	source *source
	target *target
	mix    quant.Mix // "": keep
	result *Result
	*encoder
}

func (j *job) note(format string, args ...any) {
	j.result.Notes = append(j.result.Notes, fmt.Sprintf(format, args...))
}

// toGGUF makes a GGUF file of a Hugging Face folder.
func (j *job) toGGUF() error {
	c := j.source.config
	ms, err := hfMatrices(j.source.hf, c.FP8Block)
	if err != nil {
		return err
	}
	views, err := newStock(j.source.path, ms).toGGUF(c)
	if err != nil {
		return err
	}
	j.noteF8(ms)
	if _, head := j.source.hf.Tensor("lm_head.weight"); head && c.Tied {
		j.note("lm_head.weight is left out: by tie_word_embeddings the embedding serves as the head")
	}
	types := make([]dtype.Type, len(views))
	for i, v := range views {
		types[i] = ggufType(v)
	}
	main := mainType(views, types)
	if j.mix != "" {
		types = j.plan(views, types, quantModel(c))
	}
	w := new(gguf.Writer)
	if err := j.ggufMeta(w, main); err != nil {
		return err
	}
	if t := ropeFreqs(c); t != nil {
		w.AddTensor(*t)
	}
	return j.writeGGUF(w, views, types)
}

// requantise makes a GGUF file of another.
func (j *job) requantise() error {
	f := j.source.gguf
	views, types := make([]*view, len(f.Tensors)), make([]dtype.Type, len(f.Tensors))
	quantised := 0
	for i, m := range ggufMatrices(f) {
		views[i], types[i] = whole(m.name, m), m.typ
		if m.typ.IsQuantized() {
			quantised++
		}
	}
	w := new(gguf.Writer)
	w.Copy(&f.Meta)
	if j.mix != "" {
		q := quantModel(j.source.config)
		if kv, ok := f.Meta.Uint(ggufArch(j.source.config) + ".attention.head_count_kv"); ok {
			q.KVHeads = int(kv)
		}
		types = j.plan(views, types, q)
		if quantised > 0 {
			j.note("%d tensors of the source are quantised already: what they lost stays lost, and the error figures compare with them", quantised)
		}
		w.Set("general.quantization_version", uint32(quantVersion))
		w.Set("general.file_type", j.mix.FileType())
	}
	return j.writeGGUF(w, views, types)
}

// toHF makes a Hugging Face folder of a GGUF file.
func (j *job) toHF() error {
	if err := j.onlyFloats(); err != nil {
		return err
	}
	f, c := j.source.gguf, j.source.config
	views, err := newStock(j.source.path, ggufMatrices(f)).toHF(c)
	if err != nil {
		return err
	}
	types := make([]dtype.Type, len(views))
	quantised := 0
	for i, v := range views {
		types[i] = v.stored()
		if !isFloat(types[i]) || types[i] == dtype.F64 {
			types[i] = dtype.BF16
			quantised++
		}
	}
	main := mainType(views, types)
	if j.mix != "" {
		main = j.mix.Base()
	}
	if quantised > 0 {
		j.note("%d quantised tensors are written as %v, the values they stand for: rounded to it, and no nearer to the original weights", quantised, main)
	}
	for i, v := range views {
		types[i] = j.hfType(v, types[i], main)
	}
	config, err := hfConfig(c, main)
	if err != nil {
		return fmt.Errorf("%s: %w", j.source.path, err)
	}
	return j.target.folder(func(dir string) error {
		if err := writeJSON(filepath.Join(dir, "config.json"), config); err != nil {
			return err
		}
		if err := j.hfVocab(dir); err != nil {
			return err
		}
		return j.writeTensors(dir, views, types)
	})
}

// hfType is the type of a tensor in a Hugging Face folder. GGUF files hold norms, biases and routers in f32 by convention; they get the type of
// the rest back if that changes no value. The router's bias is f32 everywhere.
func (j *job) hfType(v *view, t, main dtype.Type) dtype.Type {
	switch {
	case strings.HasSuffix(v.name, routerBias):
		return dtype.F32
	case j.mix != "":
		return main
	case t == dtype.F32 && keptF32(ggufNameOf(v.name), len(v.shape)) && exactAs(v, main):
		return main
	}
	return t
}

// cast makes a Hugging Face folder of another, in another type.
func (j *job) cast() error {
	if j.mix == "" {
		return fmt.Errorf("from one Hugging Face folder to another only the type can change, and none is given")
	}
	if err := j.onlyFloats(); err != nil {
		return err
	}
	ms, err := hfMatrices(j.source.hf, j.source.config.FP8Block)
	if err != nil {
		return err
	}
	j.noteF8(ms)
	views, types := make([]*view, len(ms)), make([]dtype.Type, len(ms))
	for i, m := range ms {
		views[i] = whole(m.name, m)
		types[i] = j.hfType(views[i], m.typ, j.mix.Base())
	}
	return j.target.folder(func(dir string) error {
		if err := copyFolder(dir, j.source.path, j.mix.Base()); err != nil {
			return err
		}
		return j.writeTensors(dir, views, types)
	})
}

func (j *job) noteF8(ms []*matrix) {
	n := 0
	for _, m := range ms {
		if m.scales != nil {
			n++
		}
	}
	if n > 0 {
		j.note("%d F8 tensors are multiplied out with their scales; the error figures compare with those products in f32", n)
	}
}

// onlyFloats refuses types that Hugging Face folders cannot hold.
func (j *job) onlyFloats() error {
	if j.mix != "" && j.mix.Base().IsQuantized() {
		return fmt.Errorf("type %s: a Hugging Face folder holds f32, f16 or bf16; a GGUF file can hold this", j.mix)
	}
	return nil
}

// plan chooses types by the mix.
func (j *job) plan(views []*view, types []dtype.Type, m quant.Model) []dtype.Type {
	tensors := make([]quant.Tensor, len(views))
	for i, v := range views {
		tensors[i] = quant.Tensor{Name: v.name, Dims: reversed(v.shape), Type: types[i]}
	}
	return quant.Plan(j.mix, m, tensors)
}

// quantModel is what the choice of types depends on.
func quantModel(c *model.Config) quant.Model {
	q := quant.Model{Arch: ggufArch(c), Layers: c.Layers + c.MTP, Heads: c.Heads, KVHeads: c.KVHeads}
	if c.MLA != nil {
		q.KVHeads = 1 // one latent serves all heads
	}
	if c.MoE != nil {
		q.Experts = c.MoE.Experts
	}
	return q
}

// ggufType is the type in which a GGUF file holds a tensor that is not to be quantised.
func ggufType(v *view) dtype.Type {
	switch t := v.stored(); {
	case keptF32(v.name, len(v.shape)):
		return dtype.F32
	case isF8(t):
		return dtype.BF16
	case t == dtype.F64 || t == dtype.Invalid:
		return dtype.F32
	default:
		return t
	}
}

// keptF32 reports the tensors that GGUF files hold in f32 whatever the type of the rest, as llama.cpp's loader expects.
func keptF32(name string, dims int) bool {
	return dims <= 1 || strings.HasSuffix(name, "_norm.weight") || strings.HasSuffix(name, "ffn_gate_inp.weight") || !strings.HasSuffix(name, ".weight")
}

// ggufNameOf translates a name that may be none of the inventory's.
func ggufNameOf(hf string) string {
	if name, ok := model.GGUFName(hf); ok {
		return name
	}
	return hf
}

// mainType is the type that most elements of the matrices have.
func mainType(views []*view, types []dtype.Type) dtype.Type {
	sizes := map[dtype.Type]int{}
	best := dtype.F32
	for i, v := range views {
		if len(v.shape) > 1 {
			sizes[types[i]] += v.size()
		}
	}
	for t, n := range sizes {
		if n > sizes[best] || n == sizes[best] && t < best {
			best = t
		}
	}
	return best
}
