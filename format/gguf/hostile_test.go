package gguf

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
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

// hostileFiles lists the collection's GGUF files that come with their bytes.
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
		if h.Format == "gguf" && h.Hex != "" {
			all = append(all, h)
		}
	}
	if err := lines.Err(); err != nil || len(all) < 40 {
		t.Fatalf("%d hostile GGUF files (%v)", len(all), err)
	}
	return all
}

// aboveFormat reports whether a file is a sound container: what is wrong is the model or the vocabulary in it, which their own
// packages refuse.
func (h hostile) aboveFormat() bool {
	return strings.HasPrefix(h.Field, "<arch>.") || strings.HasPrefix(h.Field, "tokenizer.")
}

// allocated is the number of bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// allocLimit is what reading a small hostile file may allocate.
const allocLimit = 1 << 20

// exercise reads everything that a parsed file offers.
func exercise(p *part) {
	for _, key := range p.meta.Keys() {
		v, _ := p.meta.Value(key)
		v.Any()
		p.meta.String(key)
		p.meta.Uint(key)
		p.meta.Int(key)
		p.meta.Float(key)
		p.meta.Bool(key)
		p.meta.Strings(key)
		p.meta.Ints(key)
		p.meta.Floats(key)
		p.meta.Bools(key)
		_ = p.meta.Missing(key, "something")
	}
	for _, tensor := range p.tensors {
		if want := tensor.Rows() * tensor.Type.RowBytes(tensor.Cols()); len(tensor.Data) != want {
			panic(fmt.Sprintf("tensor %q: %d bytes, want %d", tensor.Name, len(tensor.Data), want))
		}
		bytes.Count(tensor.Data, []byte{1})
	}
}

func TestHostileFiles(t *testing.T) {
	dir := t.TempDir()
	for _, h := range hostileFiles(t) {
		path := filepath.Join(dir, h.ID+".gguf")
		if err := os.WriteFile(path, h.file, 0o600); err != nil {
			t.Fatal(err)
		}
		var f *File
		var err error
		if n := allocated(func() { f, err = Open(path) }); n > allocLimit {
			t.Errorf("%s (%s: %s): %d bytes allocated", h.ID, h.Field, h.Malformation, n)
		}
		switch {
		case err == nil && !h.aboveFormat() && !strings.HasPrefix(h.Expected, "either") && !strings.HasPrefix(h.Expected, "decide"):
			t.Errorf("%s (%s: %s): opened, want %s", h.ID, h.Field, h.Malformation, h.Expected)
		case err != nil && h.aboveFormat():
			t.Errorf("%s (%s: %s): %v", h.ID, h.Field, h.Malformation, err)
		case err != nil && !strings.Contains(err.Error(), path):
			t.Errorf("%s: the error does not name the file: %v", h.ID, err)
		}
		if f != nil {
			f.Close()
		}
	}
}

// Every hostile file, cut at every length, is an error or harmless, and cheap.
func TestHostileFilesCut(t *testing.T) {
	for _, h := range hostileFiles(t) {
		for n := range h.file {
			checkHarmless(t, h.file[:n], "%s cut at %d", h.ID, n)
		}
	}
}

// checkHarmless parses data and, if that succeeds, uses the result.
func checkHarmless(t *testing.T, data []byte, format string, args ...any) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			t.Errorf(format+": panic: %v", append(args, r)...)
		}
	}()
	if p, err := parse(data); err == nil {
		exercise(p)
	}
}

// sample is a small file that holds one of everything.
func sample(t testing.TB) []byte {
	t.Helper()
	var w Writer
	w.Set("general.architecture", "llama")
	w.Set(keyAlignment, uint32(16))
	w.Set("u8", uint8(1))
	w.Set("f64", 1.5)
	w.Set("yes", true)
	w.Set("strings", []string{"a", "bc", ""})
	w.Set("ints", []int32{-1, 2})
	w.Set("nested", []any{[]uint8{1, 2}, []string{"x"}})
	w.AddTensor(Tensor{"a.weight", dtype.F32, []int{2, 2}, make([]byte, 16)})
	w.AddTensor(Tensor{"b.weight", dtype.Q4_0, []int{32, 1, 2}, make([]byte, 36)})
	w.AddTensor(Tensor{"c.weight", dtype.I8, []int{3}, make([]byte, 3)})
	var b bytes.Buffer
	if err := encodePart(&b, &w.meta, w.tensors); err != nil || w.err != nil {
		t.Fatal(err, w.err)
	}
	return b.Bytes()
}

func TestCut(t *testing.T) {
	data := sample(t)
	size := len(data) - 13 // the last tensor's padding may be absent
	for n := range data {
		if _, err := parse(data[:n]); (err == nil) != (n >= size) {
			t.Errorf("cut at %d of %d: %v", n, len(data), err)
		}
	}
}

// A sound file with a hostile number written over any place of it is an error or harmless, and cheap.
func TestOverwritten(t *testing.T) {
	whole := sample(t)
	numbers := []uint64{0, 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 60, 1 << 61, 1 << 62, math.MaxInt64, 1 << 63, math.MaxUint64 - 15, math.MaxUint64}
	runs := uint64(0)
	n := allocated(func() {
		for at := range len(whole) - 8 {
			for _, number := range numbers {
				data := bytes.Clone(whole)
				binary.LittleEndian.PutUint64(data[at:], number)
				checkHarmless(t, data, "%#x at %d", number, at)
				runs++
			}
		}
	})
	if n/runs > 64<<10 {
		t.Errorf("%d bytes allocated a file", n/runs)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample(f))
	if os.Getenv("PENNY_DATA") != "" {
		for _, h := range hostileFiles(f) {
			f.Add(h.file)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parse(data)
		if err != nil {
			return
		}
		exercise(p)
		if (&File{index: map[string]int{}}).add(p.tensors) != nil {
			return // two tensors of one name
		}
		// What was read can be written, and reads the same.
		var w Writer
		for _, key := range p.meta.Keys() {
			v, _ := p.meta.Value(key)
			w.Set(key, v.Any())
		}
		for _, tensor := range p.tensors {
			w.AddTensor(tensor)
		}
		var b bytes.Buffer
		if w.err != nil {
			t.Fatal(w.err)
		}
		if err := encodePart(&b, &w.meta, w.tensors); err != nil {
			t.Fatal(err)
		}
		again, err := parse(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for i, tensor := range again.tensors {
			if tensor.Name != p.tensors[i].Name || !bytes.Equal(tensor.Data, p.tensors[i].Data) {
				t.Fatalf("tensor %d differs after a round trip", i)
			}
		}
		for _, key := range p.meta.Keys() {
			if a, b := p.meta.values[key], again.meta.values[key]; a.Type != b.Type || !bytes.Equal(a.raw, b.raw) {
				t.Fatalf("key %q differs after a round trip", key)
			}
		}
	})
}
