package safetensors

import (
	"bytes"
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

// Files that the official writer made come out of ours byte for byte.
func TestWriteEqualsOfficial(t *testing.T) {
	for _, path := range realFiles(t) {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		w := Writer{Metadata: f.Metadata}
		for i := range f.Tensors {
			w.AddTensor(f.Tensors[len(f.Tensors)-1-i]) // backwards: the order is the writer's business
		}
		out := filepath.Join(t.TempDir(), "out.safetensors")
		if err := w.WriteFile(out); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: rewritten file differs (%v)", path, err)
		}
		f.Close()
	}
}

// drawTensors makes tensors of all writable types with distinct names.
func drawTensors(t *rapid.T) []Tensor {
	var writable []element
	for _, e := range elements {
		if e.typ.Valid() {
			writable = append(writable, e)
		}
	}
	names := rapid.SliceOfNDistinct(rapid.String().Filter(func(s string) bool { return s != "__metadata__" }), 0, 8, rapid.ID).Draw(t, "names")
	tensors := make([]Tensor, len(names))
	for i, name := range names {
		e := rapid.SampledFrom(writable).Draw(t, "type")
		shape := rapid.SliceOfN(rapid.IntRange(0, 4), 0, 4).Draw(t, "shape")
		n := e.bits / 8
		for _, d := range shape {
			n *= d
		}
		tensors[i] = Tensor{name, e.name, e.typ, shape, rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "data")}
	}
	return tensors
}

// sameTensors compares two sets of tensors, whatever their order.
func sameTensors(want, got []Tensor) string {
	return cmp.Diff(want, got, cmpopts.SortSlices(func(a, b Tensor) bool { return a.Name < b.Name }), cmpopts.EquateEmpty())
}

// writerOf holds tensors ready to be written.
func writerOf(tensors []Tensor, metadata map[string]string) *Writer {
	w := &Writer{Metadata: metadata}
	for _, tensor := range tensors {
		w.AddTensor(tensor)
	}
	return w
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tensors := drawTensors(t)
		metadata := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "metadata")
		limit := rapid.Int64Range(0, 200).Draw(t, "limit")
		w := writerOf(tensors, metadata)
		if w.err != nil {
			t.Fatal(w.err)
		}
		var read []Tensor
		for _, shard := range split(w.tensors, limit) {
			var b bytes.Buffer
			if err := encodeShard(&b, shard, metadata); err != nil {
				t.Fatal(err)
			}
			own, gotMetadata, err := parse(b.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(metadata, gotMetadata, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			size := 0
			for _, tensor := range own {
				size += len(tensor.Data)
			}
			if int64(size) > limit && len(own) > 1 {
				t.Errorf("a shard holds %d bytes, limit %d", size, limit)
			}
			read = append(read, own...)
		}
		if diff := sameTensors(tensors, read); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWriteFolder(t *testing.T) {
	var tensors []Tensor
	for _, name := range []string{"a", "b", "c"} {
		tensors = append(tensors, Tensor{name, "U8", dtype.U8, []int{20}, bytes.Repeat([]byte(name), 20)})
	}
	for limit, want := range map[int64]int{0: 3, 39: 3, 40: 2, 59: 2, 60: 1} {
		dir := t.TempDir()
		if err := writerOf(tensors, map[string]string{"format": "pt"}).WriteFolder(dir, limit); err != nil {
			t.Fatal(err)
		}
		f, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if f.Shards() != want || f.Metadata["format"] != "pt" {
			t.Errorf("limit %d: %d shards with metadata %v, want %d", limit, f.Shards(), f.Metadata, want)
		}
		if diff := sameTensors(tensors, f.Tensors); diff != "" {
			t.Error(diff)
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
		add  func(w *Writer)
	}{
		{"no type for q4_0", func(w *Writer) { w.Add("t", dtype.Q4_0, []int{32}, write(18)) }},
		{"no type for dtype(0)", func(w *Writer) { w.Add("t", dtype.Invalid, nil, write(0)) }},
		{"reserved", func(w *Writer) { w.Add("__metadata__", dtype.U8, nil, write(1)) }},
		{"not UTF-8", func(w *Writer) { w.Add("\xff", dtype.U8, nil, write(1)) }},
		{"added twice", func(w *Writer) { w.Add("t", dtype.U8, nil, write(1)); w.Add("t", dtype.U8, nil, write(1)) }},
		{"negative", func(w *Writer) { w.Add("t", dtype.U8, []int{-1}, write(1)) }},
		{"too large", func(w *Writer) { w.Add("t", dtype.U8, []int{1 << 40, 1 << 40}, write(1)) }},
		{"3 bytes were written, [4] of U8 takes 4", func(w *Writer) { w.Add("t", dtype.U8, []int{4}, write(3)) }},
		{"5 bytes were written", func(w *Writer) { w.Add("t", dtype.U8, []int{4}, write(5)) }},
		{"no data today", func(w *Writer) { w.Add("t", dtype.U8, []int{4}, func(io.Writer) error { return io.ErrNoProgress }) }},
		{`"k": "\xff" is not UTF-8`, func(w *Writer) { w.Metadata = map[string]string{"k": "\xff"} }},
	} {
		want := strings.ReplaceAll(c.want, "no data today", io.ErrNoProgress.Error())
		dir := t.TempDir()
		var w Writer
		c.add(&w)
		for _, err := range []error{w.WriteFile(filepath.Join(dir, "file")), w.WriteFolder(dir, 100)} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%s: left %v behind", want, left)
		}
	}
}

// One form of a checkpoint must not hide the other.
func TestWriteFolderRival(t *testing.T) {
	dir := t.TempDir()
	var w Writer
	w.AddTensor(Tensor{"a", "U8", dtype.U8, []int{2}, []byte("ab")})
	w.AddTensor(Tensor{"b", "U8", dtype.U8, []int{2}, []byte("cd")})
	if err := w.WriteFolder(dir, 2); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteFolder(dir, 4); err == nil || !strings.Contains(err.Error(), indexName) {
		t.Errorf("single file beside an index: %v", err)
	}
	if err := w.WriteFolder(dir, 2); err != nil {
		t.Errorf("the same form again: %v", err)
	}
}
