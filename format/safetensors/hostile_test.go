package safetensors

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/pennyml/penny/dtype"
)

// hostile is one malformed file of the conformance collection.
type hostile struct {
	ID, Format, Field, Malformation, Expected string
	Hex                                       string `json:"file_hex"`
	file                                      []byte
}

// hostileFiles lists the collection's safetensors files that come with their bytes.
func hostileFiles(t testing.TB) []hostile {
	t.Helper()
	f, err := os.Open(filepath.Join(dataDir(t), "conformance/hostile/model_files.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []hostile
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var h hostile
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
			t.Fatal(err)
		}
		if h.file, err = hex.DecodeString(h.Hex); err != nil {
			t.Fatal(err)
		}
		if h.Format == "safetensors" && h.Hex != "" {
			all = append(all, h)
		}
	}
	if err := lines.Err(); err != nil || len(all) < 15 {
		t.Fatalf("%d hostile safetensors files (%v)", len(all), err)
	}
	return all
}

// allocated is the number of bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestHostileFiles(t *testing.T) {
	dir := t.TempDir()
	for _, h := range hostileFiles(t) {
		path := filepath.Join(dir, h.ID+".safetensors")
		if err := os.WriteFile(path, h.file, 0o600); err != nil {
			t.Fatal(err)
		}
		var f *File
		var err error
		if n := allocated(func() { f, err = Open(path) }); n > 1<<20 {
			t.Errorf("%s (%s: %s): %d bytes allocated", h.ID, h.Field, h.Malformation, n)
		}
		accepted := strings.HasPrefix(h.Expected, "accepted")
		switch {
		case accepted && err != nil:
			t.Errorf("%s (%s: %s): %v", h.ID, h.Field, h.Malformation, err)
		case !accepted && err == nil:
			t.Errorf("%s (%s: %s): opened, want %s", h.ID, h.Field, h.Malformation, h.Expected)
		case err != nil && !strings.Contains(err.Error(), path):
			t.Errorf("%s: the error does not name the file: %v", h.ID, err)
		}
		if f != nil {
			f.Close()
		}
	}
}

// Whatever is cut off a file, it is an error: the tensors must fill it.
func TestCut(t *testing.T) {
	files := []hostile{{ID: "sample", file: sample(t)}}
	if os.Getenv("PENNY_DATA") != "" {
		files = append(files, hostileFiles(t)...)
	}
	for _, h := range files {
		for n := range h.file {
			if _, _, err := parse(h.file[:n]); err == nil && h.ID == "sample" {
				t.Errorf("%s cut at %d: accepted", h.ID, n)
			}
		}
	}
}

// sample is a small file that holds one of everything.
func sample(t testing.TB) []byte {
	t.Helper()
	w := writerOf([]Tensor{
		{"a", "F32", dtype.F32, []int{2, 2}, make([]byte, 16)},
		{"b\n\"é\"", "BF16", dtype.BF16, []int{}, make([]byte, 2)},
		{"c", "U8", dtype.U8, []int{3, 0}, nil},
		{"d", "F8_E4M3", dtype.F8E4M3, []int{3}, make([]byte, 3)},
	}, map[string]string{"format": "pt"})
	var b bytes.Buffer
	if err := encodeShard(&b, w.tensors, w.Metadata); err != nil || w.err != nil {
		t.Fatal(err, w.err)
	}
	return b.Bytes()
}

func FuzzParse(f *testing.F) {
	f.Add(sample(f))
	if os.Getenv("PENNY_DATA") != "" {
		for _, h := range hostileFiles(f) {
			f.Add(h.file)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tensors, metadata, err := parse(data)
		if err != nil {
			return
		}
		if header := data[headerStart:][:binary.LittleEndian.Uint64(data)]; !json.Valid(header) {
			t.Fatalf("accepted a header that is not JSON: %q", header)
		}
		// What was read can be written, if all its types can, and reads the same.
		for _, tensor := range tensors {
			if !tensor.Type.Valid() {
				return
			}
		}
		w := writerOf(tensors, metadata)
		var b bytes.Buffer
		if w.err != nil {
			t.Fatal(w.err)
		}
		if err := encodeShard(&b, w.tensors, metadata); err != nil {
			t.Fatal(err)
		}
		again, gotMetadata, err := parse(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if diff := sameTensors(tensors, again); diff != "" || len(metadata) != len(gotMetadata) {
			t.Fatal(diff, metadata, gotMetadata)
		}
	})
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":2},"weight_map":{"b":"model-00002-of-00002.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"b":"../../etc/passwd"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		shardOf, err := parseIndex(data)
		if err != nil {
			return
		}
		for tensor, shard := range shardOf {
			if filepath.Base(shard) != shard || !filepath.IsLocal(shard) {
				t.Errorf("tensor %q stands in %q", tensor, shard)
			}
		}
		// Whatever we accept is JSON.
		if !json.Valid(data) {
			t.Errorf("accepted %q", data)
		}
	})
}
