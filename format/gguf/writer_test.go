package gguf

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/pennyml/penny/dtype"
)

// Files that other tools wrote come out of our writer byte for byte.
func TestRewriteRealFiles(t *testing.T) {
	for _, path := range realFiles(t) {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var w Writer
		for _, key := range f.Meta.Keys() {
			v, _ := f.Meta.Value(key)
			w.Set(key, v.Any()) // decoded and encoded again
		}
		for _, tensor := range f.Tensors {
			w.AddTensor(tensor)
		}
		out := filepath.Join(t.TempDir(), "out.gguf")
		if err := w.WriteFile(out); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if f.Version != 3 { // we write 3
			want[4] = 3
		}
		// The last tensor's padding is not always there.
		if len(want) > len(got) || !bytes.Equal(got[:len(want)], want) || len(bytes.Trim(got[len(want):], "\x00")) > 0 || len(got)-len(want) >= 32 {
			t.Errorf("%s: rewritten file differs", path)
		}
		f.Close()
	}
}

// drawValue makes a metadata value of any type.
func drawValue(t *rapid.T) any {
	text := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "text")
	n := rapid.IntRange(0, 5).Draw(t, "length")
	u := rapid.Uint64().Draw(t, "bits")
	switch ValueType(rapid.IntRange(0, 3*int(numValueTypes)-1).Draw(t, "kind")) {
	case Uint8:
		return uint8(u)
	case Int8:
		return int8(u)
	case Uint16:
		return uint16(u)
	case Int16:
		return int16(u)
	case Uint32:
		return uint32(u)
	case Int32:
		return int32(u)
	case Uint64:
		return u
	case Int64:
		return int64(u)
	case Float32:
		return float32(int32(u)) / 64
	case Float64:
		return float64(int64(u)) / 64
	case Bool:
		return u&1 == 1
	case String:
		return string(text)
	case numValueTypes + Uint8:
		return text
	case numValueTypes + Int8:
		return repeat(n, int8(u))
	case numValueTypes + Uint16:
		return repeat(n, uint16(u))
	case numValueTypes + Int16:
		return repeat(n, int16(u))
	case numValueTypes + Uint32:
		return repeat(n, uint32(u))
	case numValueTypes + Int32:
		return repeat(n, int32(u))
	case numValueTypes + Uint64:
		return repeat(n, u)
	case numValueTypes + Int64:
		return repeat(n, int64(u))
	case numValueTypes + Float32:
		return repeat(n, float32(int32(u)))
	case numValueTypes + Float64:
		return repeat(n, float64(int64(u)))
	case numValueTypes + Bool:
		return repeat(n, u&1 == 1)
	case numValueTypes + Array:
		return []any{repeat(n, int16(u)), []string{"inner", string(text)}}
	}
	return rapid.SliceOfN(rapid.String(), 0, 5).Draw(t, "strings")
}

func repeat[T any](n int, v T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// model is what a test writes and reads back.
type model struct {
	keys    []string
	values  map[string]any
	tensors []Tensor
}

func drawModel(t *rapid.T) model {
	name := rapid.StringMatching(`[a-z.é0-9_]{1,20}`)
	m := model{keys: rapid.SliceOfNDistinct(name, 0, 6, rapid.ID).Draw(t, "keys"), values: map[string]any{}}
	for _, key := range m.keys {
		m.values[key] = drawValue(t)
	}
	if rapid.Bool().Draw(t, "own alignment") {
		m.keys = append(m.keys, keyAlignment)
		m.values[keyAlignment] = uint32(8) << rapid.IntRange(0, 6).Draw(t, "alignment")
	}
	for _, name := range rapid.SliceOfNDistinct(name, 0, 6, rapid.ID).Draw(t, "tensors") {
		typ := tensorTypes[rapid.SampledFrom([]int{0, 1, 2, 8, 12, 14, 24, 28, 30, 39}).Draw(t, "type")]
		dims := rapid.SliceOfN(rapid.IntRange(1, 3), 1, 4).Draw(t, "dims")
		dims[0] *= typ.BlockSize()
		tensor := Tensor{Name: name, Type: typ, Dims: dims}
		n := tensor.Rows() * typ.RowBytes(tensor.Cols())
		tensor.Data = bytes.Repeat([]byte{rapid.Byte().Draw(t, "fill")}, n)
		m.tensors = append(m.tensors, tensor)
	}
	return m
}

func (m model) writer() *Writer {
	var w Writer
	for _, key := range m.keys {
		w.Set(key, m.values[key])
	}
	for _, tensor := range m.tensors {
		w.AddTensor(tensor)
	}
	return &w
}

// differs compares what was read with what was written.
func (m model) differs(meta *Meta, tensors []Tensor) string {
	values := map[string]any{}
	var keys []string
	for _, key := range meta.Keys() {
		if !strings.HasPrefix(key, "split.") {
			v, _ := meta.Value(key)
			values[key] = v.Any()
			keys = append(keys, key)
		}
	}
	return cmp.Diff(m.keys, keys, cmpopts.EquateEmpty()) + cmp.Diff(m.values, values, cmpopts.EquateEmpty()) +
		cmp.Diff(m.tensors, tensors, cmpopts.EquateEmpty())
}

// rewritten encodes one file in memory and parses it.
func rewritten(t *rapid.T, meta *Meta, tensors []pending) *part {
	var b bytes.Buffer
	if err := encodePart(&b, meta, tensors); err != nil {
		t.Fatal(err)
	}
	p, err := parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		w := m.writer()
		p := rewritten(t, &w.meta, w.tensors)
		if diff := m.differs(&p.meta, p.tensors); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRoundTripSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		w := m.writer()
		limit := rapid.Uint64Range(0, 4096).Draw(t, "limit")
		alignment, err := w.meta.alignment()
		if err != nil {
			t.Fatal(err)
		}
		parts := split(w.tensors, limit, alignment)
		var first *part
		var tensors []Tensor
		for i, part := range parts {
			meta := w.splitMeta(i, len(parts))
			p := rewritten(t, &meta, part)
			if no, count, err := splitOf(&p.meta); err != nil || no != uint64(i) || count != uint64(len(parts)) {
				t.Errorf("part %d of %d says %d of %d (%v)", i, len(parts), no, count, err)
			}
			size := uint64(0)
			for _, tensor := range p.tensors {
				size += padded(uint64(len(tensor.Data)), alignment)
			}
			if size > limit && len(p.tensors) > 1 {
				t.Errorf("part %d has %d bytes of tensors, limit %d", i, size, limit)
			}
			if i == 0 {
				first = p
			}
			tensors = append(tensors, p.tensors...)
		}
		if diff := m.differs(&first.meta, tensors); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWriteSplit(t *testing.T) {
	m := model{keys: []string{"name"}, values: map[string]any{"name": "penny"}}
	for _, name := range []string{"a", "b", "c"} {
		m.tensors = append(m.tensors, Tensor{name, dtype.I8, []int{20}, bytes.Repeat([]byte(name), 20)})
	}
	for limit, want := range map[int64]int{0: 3, 63: 3, 64: 2, 95: 2, 96: 1} {
		paths, err := m.writer().WriteSplit(filepath.Join(t.TempDir(), "model"), limit)
		if err != nil || len(paths) != want {
			t.Fatalf("limit %d: %v (%v), want %d files", limit, paths, err, want)
		}
		f, err := Open(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		if f.Parts() != want {
			t.Errorf("%d parts opened of %d written", f.Parts(), want)
		}
		if diff := m.differs(&f.Meta, f.Tensors); diff != "" {
			t.Error(diff)
		}
		if got, ok := f.Tensor("c"); !ok || !bytes.Equal(got.Data, m.tensors[2].Data) {
			t.Errorf("limit %d: tensor c is %v", limit, got)
		}
		if want > 1 {
			if _, err := Open(paths[1]); err == nil || !strings.Contains(err.Error(), "open the first") {
				t.Errorf("second part opened alone: %v", err)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestWriteErrors(t *testing.T) {
	write := func(n int) func(io.Writer) error {
		return func(w io.Writer) error { _, err := w.Write(make([]byte, n)); return err }
	}
	for _, c := range []struct {
		want string
		fill func(w *Writer)
	}{
		{"name is empty", func(w *Writer) { w.Set("", true) }},
		{"NUL", func(w *Writer) { w.Set("a\x00b", true) }},
		{"type int has no place", func(w *Writer) { w.Set("key", 7) }},
		{"type []int has no place", func(w *Writer) { w.Set("key", []any{[]int{7}}) }},
		{"nested deeper", func(w *Writer) { w.Set("key", []any{[]any{[]uint8{1}}}) }},
		{"type is u64", func(w *Writer) { w.Set(keyAlignment, uint64(32)) }},
		{"not a power of two", func(w *Writer) { w.Set(keyAlignment, uint32(24)) }},
		{"name has 64 bytes", func(w *Writer) { w.Add(strings.Repeat("n", 64), dtype.F32, []int{1}, write(4)) }},
		{"added twice", func(w *Writer) { w.Add("t", dtype.F32, []int{1}, write(4)); w.Add("t", dtype.F32, []int{1}, write(4)) }},
		{"no type for f8_e4m3", func(w *Writer) { w.Add("t", dtype.F8E4M3, []int{1}, write(1)) }},
		{"5 dimensions", func(w *Writer) { w.Add("t", dtype.F32, []int{1, 1, 1, 1, 1}, write(4)) }},
		{"not whole blocks", func(w *Writer) { w.Add("t", dtype.Q8_0, []int{33}, write(34)) }},
		{"is zero", func(w *Writer) { w.Add("t", dtype.F32, []int{1, 0}, write(0)) }},
		{"too large", func(w *Writer) { w.Add("t", dtype.F32, []int{1 << 40, 1 << 40}, write(0)) }},
		{"3 bytes were written", func(w *Writer) { w.Add("t", dtype.F32, []int{1}, write(3)) }},
		{"5 bytes were written", func(w *Writer) { w.Add("t", dtype.F32, []int{1}, write(5)) }},
		{io.ErrNoProgress.Error(), func(w *Writer) { w.Add("t", dtype.F32, []int{1}, func(io.Writer) error { return io.ErrNoProgress }) }},
	} {
		dir := t.TempDir()
		var w Writer
		c.fill(&w)
		_, splitErr := w.WriteSplit(filepath.Join(dir, "split"), 100)
		for _, err := range []error{w.WriteFile(filepath.Join(dir, "file")), splitErr} {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%s: left %v behind", c.want, left)
		}
	}
}

func TestCopy(t *testing.T) {
	var from, w Writer
	from.Set(keyAlignment, uint32(64))
	from.Set("split.no", uint16(3))
	from.Set("name", "penny")
	from.Set("dims", []int32{1, 2})
	w.Set("name", "first")
	w.Copy(&from.meta)
	w.Set("last", true)
	if diff := cmp.Diff([]string{"name", "dims", "last"}, w.meta.Keys()); diff != "" {
		t.Error(diff)
	}
	if name, ok := w.meta.String("name"); !ok || name != "penny" {
		t.Errorf("name is %q", name)
	}
}

// A split model with something wrong between its files.
func TestOpenSplitErrors(t *testing.T) {
	build := func(no, count uint16, tensors int32, name string) func(path string) error {
		return func(path string) error {
			var w Writer
			w.Set(keySplitNo, no)
			w.Set(keySplitCount, count)
			w.Set(keySplitTensors, tensors)
			w.AddTensor(Tensor{Name: name, Type: dtype.I8, Dims: []int{1}, Data: []byte{1}})
			return w.WriteFile(path)
		}
	}
	for _, c := range []struct {
		want   string
		first  func(string) error
		second func(string) error
	}{
		{"", build(0, 2, 2, "a"), build(1, 2, 2, "b")},
		{"part 2 of 2", build(0, 2, 2, "a"), nil},
		{"the name occurs twice", build(0, 2, 2, "a"), build(1, 2, 2, "a")},
		{"but the 2 parts have 2 tensors", build(0, 2, 3, "a"), build(1, 2, 3, "b")},
		{"are 0 and 2, want 1 and 2", build(0, 2, 2, "a"), build(0, 2, 2, "b")},
		{"are 1 and 3, want 1 and 2", build(0, 2, 2, "a"), build(1, 3, 2, "b")},
		{"7 is not below", build(7, 2, 2, "a"), nil},
		{"must have a name that ends in -00001-of-65535.gguf", build(0, 65535, 2, "a"), nil},
	} {
		dir := t.TempDir()
		first := filepath.Join(dir, "m"+splitSuffix(0, 2))
		if err := c.first(first); err != nil {
			t.Fatal(err)
		}
		if c.second != nil {
			if err := c.second(filepath.Join(dir, "m"+splitSuffix(1, 2))); err != nil {
				t.Fatal(err)
			}
		}
		f, err := Open(first)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("error %v, want %q", err, c.want)
		}
		if err == nil {
			f.Close()
		}
	}
}

func ExampleWriter() {
	var w Writer
	w.Set("general.architecture", "llama")
	w.Add("rope_freqs.weight", dtype.F32, []int{2}, func(to io.Writer) error {
		_, err := to.Write(make([]byte, 8))
		return err
	})
	dir, _ := os.MkdirTemp("", "example")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.gguf")
	if err := w.WriteFile(path); err != nil {
		fmt.Println(err)
		return
	}
	f, err := Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	arch, _ := f.Meta.String("general.architecture")
	fmt.Println(arch, f.Tensors[0].Name, f.Tensors[0].Type, f.Tensors[0].Dims)
	// Output: llama rope_freqs.weight f32 [2]
}
