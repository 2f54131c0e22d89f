package gguf

import (
	"os"
	"path/filepath"
	"testing"
)

// dataDir is the folder of real model files, or a skip.
func dataDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set: no real model files to read")
	}
	return dir
}

// realFiles lists the GGUF files among the real material.
func realFiles(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"goldens/gguf/*.gguf", "weights/*/*.gguf"} {
		found, err := filepath.Glob(filepath.Join(dataDir(t), pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no files match %s (%v)", pattern, err)
		}
		all = append(all, found...)
	}
	return all
}

func TestRealFiles(t *testing.T) {
	for _, path := range realFiles(t) {
		f, err := Open(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, ok := f.Meta.String("general.architecture"); !ok {
			t.Error(path, f.Meta.Missing("general.architecture", "a string"))
		}
		tokens, _ := f.Meta.Strings("tokenizer.ggml.tokens")
		embedding, ok := f.Tensor("token_embd.weight")
		if !ok || embedding.Rows() != len(tokens) {
			t.Errorf("%s: embedding (found %v) of %d rows for %d tokens", path, ok, embedding.Rows(), len(tokens))
		}
		for _, tensor := range f.Tensors {
			if want := tensor.Rows() * tensor.Type.RowBytes(tensor.Cols()); len(tensor.Data) != want {
				t.Errorf("%s: tensor %q: %d bytes of data, want %d", path, tensor.Name, len(tensor.Data), want)
			}
		}
		for _, key := range f.Meta.Keys() {
			if v, ok := f.Meta.Value(key); !ok || v.Any() == nil {
				t.Errorf("%s: key %q has no value", path, key)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The vocabulary of a real model, opened from the page cache.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(dataDir(b), "weights/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
	b.ReportAllocs()
	for b.Loop() {
		f, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

func BenchmarkStrings(b *testing.B) {
	f, err := Open(filepath.Join(dataDir(b), "weights/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	b.ReportAllocs()
	for b.Loop() {
		if s, ok := f.Meta.Strings("tokenizer.ggml.merges"); !ok || len(s) == 0 {
			b.Fatal("no merges")
		}
	}
}
