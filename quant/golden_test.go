package quant

import (
	"bytes"
	"math"
	"path/filepath"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/gguf"
)

func open(t *testing.T, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func modelOf(t *testing.T, f *gguf.File) Model {
	t.Helper()
	arch, ok := f.Meta.String("general.architecture")
	if !ok {
		t.Fatalf("%s: no architecture", f.Path)
	}
	get := func(key string) int {
		n, _ := f.Meta.Uint(arch + "." + key)
		return int(n)
	}
	return Model{arch, get("block_count"), get("attention.head_count"), get("attention.head_count_kv"), get("expert_count")}
}

func tensorsOf(f *gguf.File) (ts []Tensor) {
	for _, t := range f.Tensors {
		ts = append(ts, Tensor{t.Name, t.Dims, t.Type})
	}
	return ts
}

func floats(t gguf.Tensor) []float32 {
	x := make([]float32, t.Cols()*t.Rows())
	dtype.Decode(t.Type, x, t.Data)
	return x
}

// Files of llama.cpp's quantiser hold the types that we would choose.
func TestPlanGolden(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(dataDir(t), "goldens", "gguf", "*.gguf"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no files", err)
	}
	for _, path := range paths {
		f := open(t, path)
		n, _ := f.Meta.Uint("general.file_type")
		mix, ok := MixOfFileType(uint32(n))
		if !ok {
			t.Errorf("%s: file type %d", path, n)
			continue
		}
		tensors := tensorsOf(f)
		for i := range tensors {
			tensors[i].Type = dtype.F32
		}
		for i, typ := range Plan(mix, modelOf(t, f), tensors) {
			if typ != f.Tensors[i].Type {
				t.Errorf("%s: %s is %v, we choose %v", filepath.Base(path), tensors[i].Name, f.Tensors[i].Type, typ)
			}
		}
	}
}

// sameBytes are the types in which our encoder follows ggml's rule to the byte.
var sameBytes = map[dtype.Type]bool{dtype.Q4_0: true, dtype.Q4_1: true, dtype.Q5_0: true, dtype.Q5_1: true, dtype.Q8_0: true, dtype.IQ4_NL: true, dtype.TQ1_0: true, dtype.TQ2_0: true, dtype.MXFP4: true}

// We quantise a file of bf16 weights no worse than llama.cpp did.
func TestEncodeGolden(t *testing.T) {
	dir := filepath.Join(dataDir(t), "goldens", "gguf")
	source := open(t, filepath.Join(dir, "llama-wide-BF16.gguf"))
	paths, _ := filepath.Glob(filepath.Join(dir, "llama-wide-*.gguf"))
	compared := 0
	for _, path := range paths {
		ours, theirs := map[dtype.Type]*Error{}, map[dtype.Type]*Error{}
		for _, want := range open(t, path).Tensors {
			if !want.Type.IsQuantized() {
				continue
			}
			from, ok := source.Tensor(want.Name)
			if !ok {
				t.Fatalf("%s: no %s in the source", path, want.Name)
			}
			x := floats(from)
			got := gguf.Tensor{Name: want.Name, Type: want.Type, Dims: want.Dims, Data: make([]byte, len(want.Data))}
			if err := dtype.Encode(want.Type, got.Data, x); err != nil {
				t.Fatal(err)
			}
			compared++
			if sameBytes[want.Type] && !bytes.Equal(got.Data, want.Data) {
				t.Errorf("%s: %s (%v): not llama.cpp's bytes", filepath.Base(path), want.Name, want.Type)
			}
			if ours[want.Type] == nil {
				ours[want.Type], theirs[want.Type] = new(Error), new(Error)
			}
			ours[want.Type].Add(x, floats(got))
			theirs[want.Type].Add(x, floats(want))
		}
		for typ, e := range ours {
			t.Logf("%-24s %-6v relative error %.5f, llama.cpp %.5f", filepath.Base(path), typ, e.Relative(), theirs[typ].Relative())
			if e.Relative() > theirs[typ].Relative() {
				t.Errorf("%s: %v: relative error %g, llama.cpp has %g", filepath.Base(path), typ, e.Relative(), theirs[typ].Relative())
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d tensors compared", compared)
	}
}

func TestError(t *testing.T) {
	var a, b, all Error
	a.Add([]float32{3, 0}, []float32{3, 0.5})
	b.Add([]float32{-4}, []float32{-3})
	all.Merge(a)
	all.Merge(b)
	if all.Count != 3 || all.Max != 1 || all.RMSE() != math.Sqrt(1.25/3) || all.Relative() != math.Sqrt(1.25/25) {
		t.Errorf("%+v: rmse %v, relative %v", all, all.RMSE(), all.Relative())
	}
	if math.Abs(all.SNR()-10*math.Log10(20)) > 1e-12 {
		t.Errorf("SNR %v", all.SNR())
	}
	if a.Max != 0.5 || (Error{}).RMSE() != 0 || (Error{}).Relative() != 0 {
		t.Errorf("%+v", a)
	}
	nan := float32(math.NaN())
	b.Add([]float32{1, 1}, []float32{nan, 2})
	if !math.IsNaN(b.Max) || !math.IsNaN(b.RMSE()) {
		t.Errorf("a NaN is lost: %+v", b)
	}
}
