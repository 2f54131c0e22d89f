package convert

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/pennyml/penny/dtype"
)

// seeds are small checkpoints, each a config.json and its weights as one file.
func seeds(f *testing.F, add func(config, weights []byte, dir string)) {
	for i, config := range []fields{llama(), deepseek()} {
		config["vocab_size"], config["num_hidden_layers"] = 4, 1+i
		dir := filepath.Join(f.TempDir(), "in")
		if err := network(dir, config, dtype.BF16, uint64(i), nil); err != nil {
			f.Fatal(err)
		}
		text, err := json.Marshal(config)
		if err != nil {
			f.Fatal(err)
		}
		weights, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
		if err != nil {
			f.Fatal(err)
		}
		add(text, weights, dir)
	}
}

// FuzzGGUF converts what stands in a file: it may fail, but not break, and what it makes can be made a GGUF file again.
func FuzzGGUF(f *testing.F) {
	seeds(f, func(_, _ []byte, dir string) {
		path := filepath.Join(dir, "x.gguf")
		if _, err := Run(context.Background(), dir, path, Options{Type: "q8_0"}); err != nil {
			f.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		in, out, again := filepath.Join(dir, "x.gguf"), filepath.Join(dir, "x"), filepath.Join(dir, "y.gguf")
		if err := os.WriteFile(in, data, 0o644); err != nil {
			t.Fatal(err)
		}
		_, _ = Run(context.Background(), in, filepath.Join(dir, "z.gguf"), Options{Type: "q4_0", Threads: 1})
		if _, err := Run(context.Background(), in, out, Options{Threads: 1}); err != nil {
			return
		}
		if _, err := Run(context.Background(), out, again, Options{Threads: 1}); err != nil {
			t.Errorf("what was made of it cannot be read: %v", err)
		}
	})
}

// FuzzFolder does the same with a Hugging Face folder.
func FuzzFolder(f *testing.F) {
	seeds(f, func(config, weights []byte, _ string) { f.Add(config, weights) })
	f.Fuzz(func(t *testing.T, config, weights []byte) {
		dir := filepath.Join(t.TempDir(), "in")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{"config.json": config, "model.safetensors": weights} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out := dir + ".gguf"
		if _, err := Run(context.Background(), dir, out, Options{Threads: 1}); err != nil {
			return
		}
		if _, err := Run(context.Background(), out, dir+"-back", Options{Threads: 1}); err != nil {
			t.Errorf("what was made of it cannot be read: %v", err)
		}
		if _, err := Run(context.Background(), dir, dir+"-cast", Options{Type: "f32", Threads: 1}); err != nil && !bytes.Contains([]byte(err.Error()), []byte("large")) {
			t.Errorf("a folder that makes a GGUF file makes no folder: %v", err)
		}
	})
}
