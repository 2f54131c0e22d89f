package safetensors

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

// realFiles lists the safetensors files among the real material.
func realFiles(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"goldens/networks/*/model.safetensors", "goldens/*/*.safetensors", "weights/*/*.safetensors"} {
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
		if len(f.Tensors) == 0 || f.Shards() != 1 {
			t.Errorf("%s: %d tensors in %d shards", path, len(f.Tensors), f.Shards())
		}
		for _, tensor := range f.Tensors {
			n := 1
			for _, d := range tensor.Shape {
				n *= d
			}
			if !tensor.Type.Valid() {
				t.Errorf("%s: tensor %q has type %s", path, tensor.Name, tensor.DType)
			} else if len(tensor.Data) != tensor.Type.RowBytes(n) {
				t.Errorf("%s: tensor %q: %d bytes of data, want %d", path, tensor.Name, len(tensor.Data), tensor.Type.RowBytes(n))
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
