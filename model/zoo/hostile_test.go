package zoo

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/pennyml/penny/model"
)

// TestHostileFiles: none of the recorded malformed files opens as a network, panics or takes memory.
func TestHostileFiles(t *testing.T) {
	dir := dataDir(t)
	for _, c := range lines[struct {
		ID     string `json:"id"`
		Format string `json:"format"`
		Hex    string `json:"file_hex"`
	}](t, filepath.Join(dir, "conformance", "hostile", "model_files.jsonl")) {
		data, err := hex.DecodeString(c.Hex)
		if err != nil || len(data) == 0 {
			continue
		}
		folder := t.TempDir()
		path := folder
		switch c.Format {
		case "gguf":
			path = filepath.Join(folder, "m.gguf")
			write(t, path, data)
		case "safetensors":
			write(t, filepath.Join(folder, "model.safetensors"), data)
			write(t, filepath.Join(folder, "config.json"), []byte(tinyConfig))
		default:
			continue
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		l, err := Open(path, model.Options{})
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: opened", c.ID)
			l.Close()
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
			t.Errorf("%s: %d bytes allocated", c.ID, grown)
		}
	}
}

const tinyConfig = `{"model_type": "llama", "vocab_size": 10, "hidden_size": 8, "num_hidden_layers": 4096, "num_attention_heads": 2, "intermediate_size": 6}`

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestOpenErrors: what cannot be a checkpoint says so, with its path.
func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	write(t, text, []byte("not a model"))
	for _, path := range []string{filepath.Join(dir, "none.gguf"), text, dir} {
		if _, err := Open(path, model.Options{}); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: error %v, want one with the path", path, err)
		}
	}
	// A config that claims a great many experts costs nothing while they are not there.
	write(t, filepath.Join(dir, "config.json"), []byte(`{"model_type": "qwen3_moe", "vocab_size": 10, "hidden_size": 8, "num_hidden_layers": 4096,
		"num_attention_heads": 2, "intermediate_size": 6, "num_experts": 65536, "num_experts_per_tok": 2, "moe_intermediate_size": 4}`))
	write(t, filepath.Join(dir, "model.safetensors"), append([]byte{2, 0, 0, 0, 0, 0, 0, 0}, "{}"...))
	_, err := Open(dir, model.Options{})
	if err == nil || !strings.Contains(err.Error(), "model.embed_tokens.weight: missing") || !strings.Contains(err.Error(), "more") {
		t.Errorf("error %v", err)
	}
}
