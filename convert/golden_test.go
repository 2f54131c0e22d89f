package convert

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/quant"
)

func dataDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set")
	}
	return dir
}

func run(t *testing.T, in, out string, o Options) *Result {
	t.Helper()
	r, err := Run(context.Background(), in, out, o)
	if err != nil {
		t.Fatalf("%s: %v", in, err)
	}
	return r
}

func openGGUF(t *testing.T, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func openHF(t *testing.T, path string) *safetensors.File {
	t.Helper()
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func networks(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dataDir(t), "goldens", "networks", "*", "config.json"))
	if err != nil || len(paths) < 15 {
		t.Fatal("networks are missing", paths, err)
	}
	for i := range paths {
		paths[i] = filepath.Dir(paths[i])
	}
	return paths
}

// From a Hugging Face folder to GGUF and back every bit is kept, and config.json means the same.
func TestRoundTrip(t *testing.T) {
	for _, path := range networks(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			dir := t.TempDir()
			there, back := filepath.Join(dir, "x.gguf"), filepath.Join(dir, "x")
			typ := ""
			if strings.HasSuffix(path, "fp8") { // to keep the products of F8 and scale exactly
				typ = "f32"
			}
			run(t, path, there, Options{Type: typ})
			run(t, there, back, Options{})
			want, err := model.ReadHFConfig(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := model.ReadHFConfig(back)
			if err != nil {
				t.Fatal(err)
			}
			want.FP8Block = [2]int{}
			if d := cmp.Diff(want, got); d != "" {
				t.Error("config:", d)
			}
			compareHF(t, want, openHF(t, path), openHF(t, back))
		})
	}
}

// compareHF holds a folder's tensors to another's, which may hold the same values as f32.
func compareHF(t *testing.T, c *model.Config, want, got *safetensors.File) {
	t.Helper()
	block := [2]int{}
	if c.FP8Block == block {
		block = [2]int{128, 128}
	}
	ms, err := hfMatrices(want, block)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Tensors) != len(ms) {
		t.Errorf("%d tensors, want %d", len(got.Tensors), len(ms))
	}
	for _, m := range ms {
		g, ok := got.Tensor(m.name)
		switch {
		case !ok:
			t.Errorf("%s is missing", m.name)
		case g.Type == dtype.F32 && m.typ != dtype.F32:
			x, y := make([]float32, m.rows*m.cols), make([]byte, 4*m.rows*m.cols)
			m.decode(x, 0, m.rows)
			if dtype.Encode(dtype.F32, y, x) != nil || !bytes.Equal(y, g.Data) {
				t.Errorf("%s: not the values of %v", m.name, m.typ)
			}
		case g.Type != m.typ || !cmp.Equal(g.Shape, m.shape) || !bytes.Equal(g.Data, m.data):
			t.Errorf("%s is %v %v, want %v %v, the same bytes: %t", m.name, g.Type, g.Shape, m.typ, m.shape, bytes.Equal(g.Data, m.data))
		}
	}
}

// extra are the keys that we write and llama.cpp's converter does not, or in another way; none changes how llama.cpp computes.
var extra = map[string]bool{
	"general.name": true, "tokenizer.ggml.model": true, // of the folder, which has no tokenizer
	"vocab_size": true, "rope.dimension_count": true, // derived where they are absent
	"attention.key_length": true, "attention.value_length": true, // written where they are what is derived
	"expert_weights_norm":   true, // qwen3moe: false, not read there
	"attention.q_lora_rank": true, // 0
}

// Our GGUF files are those of llama.cpp's converter: the same tensors to the byte, and the same metadata but for extra.
func TestAgainstConverter(t *testing.T) {
	for _, path := range networks(t) {
		for _, suffix := range []string{"-F32.gguf", "-BF16.gguf"} {
			name := filepath.Base(path) + suffix
			want := filepath.Join(dataDir(t), "goldens", "gguf", name)
			if _, err := os.Stat(want); err != nil {
				continue
			}
			t.Run(name, func(t *testing.T) {
				out := filepath.Join(t.TempDir(), "x.gguf")
				run(t, path, out, Options{Type: strings.ToLower(strings.Trim(strings.TrimSuffix(suffix, ".gguf"), "-"))})
				compareGGUF(t, openGGUF(t, want), openGGUF(t, out))
			})
		}
	}
}

func compareGGUF(t *testing.T, want, got *gguf.File) {
	t.Helper()
	if len(got.Tensors) != len(want.Tensors) {
		t.Errorf("%d tensors, want %d", len(got.Tensors), len(want.Tensors))
	}
	for _, w := range want.Tensors {
		g, ok := got.Tensor(w.Name)
		if !ok || g.Type != w.Type || !cmp.Equal(g.Dims, w.Dims) || !bytes.Equal(g.Data, w.Data) {
			t.Errorf("%s is %v %v, want %v %v; there: %t, the same bytes: %t", w.Name, g.Type, g.Dims, w.Type, w.Dims, ok, bytes.Equal(g.Data, w.Data))
		}
	}
	arch, _ := want.Meta.String("general.architecture")
	seen := map[string]bool{}
	for _, key := range append(want.Meta.Keys(), got.Meta.Keys()...) {
		w, there := want.Meta.Value(key)
		g, here := got.Meta.Value(key)
		short := strings.TrimPrefix(key, arch+".")
		if seen[key] || extra[short] && !there || extra[short] && strings.Contains(short, "general.name") || strings.HasPrefix(key, "tokenizer.") {
			continue
		}
		seen[key] = true
		switch {
		case !here || !there:
			t.Errorf("%s: ours %t, theirs %t", key, here, there)
		case g.Type != w.Type || !cmp.Equal(g.Any(), w.Any()):
			t.Errorf("%s is %v %v, want %v %v", key, g.Type, g.Any(), w.Type, w.Any())
		}
	}
}

// GGUF files with a vocabulary come back from a Hugging Face folder as they were, but for their name and defaults spelt out.
func TestGGUFRoundTrip(t *testing.T) {
	spelt := map[string]bool{"general.name": true, "tokenizer.ggml.add_bos_token": true, "tokenizer.ggml.add_eos_token": true}
	paths, err := filepath.Glob(filepath.Join(dataDir(t), "goldens", "gguf", "*F32*.gguf"))
	if err != nil || len(paths) < 10 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "x")
			run(t, path, dir, Options{})
			run(t, dir, dir+".gguf", Options{})
			want := path
			if fused, ok := strings.CutSuffix(path, "-fused_kv_b.gguf"); ok { // we write the newer layout
				want = fused + ".gguf"
			}
			a, b := openGGUF(t, want), openGGUF(t, dir+".gguf")
			compareGGUF(t, a, b)
			for _, key := range append(a.Meta.Keys(), b.Meta.Keys()...) {
				v, _ := a.Meta.Value(key)
				w, _ := b.Meta.Value(key)
				if strings.HasPrefix(key, "tokenizer.") && !spelt[key] && !cmp.Equal(v.Any(), w.Any()) {
					t.Errorf("%s is %v, want %v", key, w.Any(), v.Any())
				}
			}
		})
	}
}

// Quantised from the same source, our files have the types of llama.cpp's quantiser, no larger errors, and the figures that reading them gives.
func TestAgainstQuantiser(t *testing.T) {
	dir := filepath.Join(dataDir(t), "goldens", "gguf")
	source := filepath.Join(dir, "llama-wide-BF16.gguf")
	for _, typ := range []string{"Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_XS"} {
		t.Run(typ, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "x.gguf")
			r := run(t, source, out, Options{Type: typ})
			from, want, got := openGGUF(t, source), openGGUF(t, filepath.Join(dir, "llama-wide-"+typ+".gguf")), openGGUF(t, out)
			checkFigures(t, typ, r, from, got)
			if len(got.Tensors) != len(want.Tensors) {
				t.Errorf("%d tensors, want %d", len(got.Tensors), len(want.Tensors))
			}
			for _, w := range want.Tensors {
				if g, ok := got.Tensor(w.Name); !ok || g.Type != w.Type {
					t.Errorf("%s is %v, want %v", w.Name, g.Type, w.Type)
				}
			}
			for _, key := range want.Meta.Keys() {
				v, _ := want.Meta.Value(key)
				w, there := got.Meta.Value(key)
				if key != "general.name" && (!there || !cmp.Equal(v.Any(), w.Any())) {
					t.Errorf("%s is not %v", key, v.Any())
				}
			}
			x := relativeTo(t, from, got)
			y := relativeTo(t, from, want)
			if x > y {
				t.Errorf("relative error %v, llama.cpp has %v", x, y)
			}
			t.Logf("relative error %.6f, llama.cpp has %.6f", x, y)
		})
	}
}

// relativeTo is the relative error of a file.
func relativeTo(t *testing.T, source, f *gguf.File) (relative float64) {
	t.Helper()
	var e quant.Error
	for _, g := range f.Tensors {
		w, _ := source.Tensor(g.Name)
		x, y := make([]float32, w.Cols()*w.Rows()), make([]float32, g.Cols()*g.Rows())
		dtype.Decode(w.Type, x, w.Data)
		dtype.Decode(g.Type, y, g.Data)
		e.Add(x, y)
	}
	return e.Relative()
}
