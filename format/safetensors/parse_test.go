package safetensors

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pennyml/penny/dtype"
)

// raw builds a file from a header and data.
func raw(header, data string) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func TestParse(t *testing.T) {
	data := raw(` {"__metadata__":{"format":"pt","by\u00e9\ud83d\ude00":"a\"\\\/\b\f\n\r\t"},
		"b":{"shape":[2,1],"dtype":"BF16","data_offsets":[4,8],"later":{"x":[1,-2.5e3,null,true,"s",{}]}},
		"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},
		"e":{"dtype":"F8_E4M3","shape":[3,0],"data_offsets":[8,8]},
		"f":{"dtype":"F4","shape":[2],"data_offsets":[8,9]} } `, "abcdefghi")
	tensors, metadata, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"format": "pt", "byé😀": "a\"\\/\b\f\n\r\t"}, metadata); diff != "" {
		t.Error("metadata", diff)
	}
	want := []Tensor{
		{"a", "F32", dtype.F32, []int{}, []byte("abcd")},
		{"b", "BF16", dtype.BF16, []int{2, 1}, []byte("efgh")},
		{"e", "F8_E4M3", dtype.F8E4M3, []int{3, 0}, []byte{}},
		{"f", "F4", dtype.Invalid, []int{2}, []byte("i")},
	}
	if diff := cmp.Diff(want, tensors); diff != "" {
		t.Error("tensors", diff)
	}
}

func TestParseErrors(t *testing.T) {
	// one returns a file with the tensor t of one byte, its field replaced.
	one := func(fields string) []byte { return raw(`{"t":{`+fields+`}}`, "x") }
	for _, c := range []struct {
		want string
		data []byte
	}{
		{"header length: needs 8", []byte("1234567")},
		{"header length: 100000001 is above", binary.LittleEndian.AppendUint64(nil, 100_000_001)},
		{"header length: 9 reaches beyond", append(binary.LittleEndian.AppendUint64(nil, 9), "12345678"...)},
		{"header is not UTF-8", raw("{\"\xff\":1}", "")},
		{"ends where '{'", raw("", "")},
		{"'[' where '{'", raw("[]", "")},
		{"after the end", raw("{}}", "")},
		{"after the end", raw("{}\x00", "")},
		{"ends where '}'", raw(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, "")},
		{"'}' where '\"'", raw(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},}`, "")},
		{"control character", raw("{\"a\nb\":{}}", "")},
		{"control character", raw("{\"\\n\nb\":{}}", "")},
		{"unknown escape", raw(`{"\x":{}}`, "")},
		{"surrogate", raw(`{"\ud800":{}}`, "")},
		{"surrogate", raw(`{"\ud800\u0041":{}}`, "")},
		{`'g' in a \u escape`, raw(`{"\u00g0":{}}`, "")},
		{"inside a string", raw(`{"a`, "")},
		{"inside an escape", raw(`{"a\`, "")},
		{"inside an escape", raw(`{"a\u00`, "")},
		{`"t": the name occurs twice`, raw(`{"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u0074":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, "")},
		{"__metadata__", raw(`{"__metadata__":{"a":1}}`, "")},
		{`key "a" occurs twice`, raw(`{"__metadata__":{"a":"1","a":"1"}}`, "")},
		{"is missing", one(`"dtype":"U8","shape":[1]`)},
		{"dtype: given twice", one(`"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]`)},
		{"shape: given twice", one(`"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]`)},
		{"data_offsets: given twice", one(`"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]`)},
		{"begin <= end", one(`"dtype":"U8","shape":[1],"data_offsets":[1,0]`)},
		{"begin <= end", one(`"dtype":"U8","shape":[1],"data_offsets":[0,1,1]`)},
		{"whole number", one(`"dtype":"U8","shape":[-1],"data_offsets":[0,1]`)},
		{"whole number", one(`"dtype":"U8","shape":[1.0],"data_offsets":[0,1]`)},
		{"whole number", one(`"dtype":"U8","shape":[1e0],"data_offsets":[0,1]`)},
		{"whole number", one(`"dtype":"U8","shape":[01],"data_offsets":[0,1]`)},
		{"too large", one(`"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]`)},
		{"too large", one(`"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]`)},
		{"63 bits", one(`"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,1]`)},
		{`unknown type "u8"`, one(`"dtype":"u8","shape":[1],"data_offsets":[0,1]`)},
		{"dtype", one(`"dtype":8,"shape":[1],"data_offsets":[0,1]`)},
		{"whole bytes", one(`"dtype":"F4","shape":[1],"data_offsets":[0,1]`)},
		{"hold 1 bytes", one(`"dtype":"U8","shape":[2],"data_offsets":[0,1]`)},
		{"beyond the 1 bytes", one(`"dtype":"U8","shape":[2],"data_offsets":[0,2]`)},
		{"begins at 1", raw(`{"t":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}}`, "x")},
		{"1 bytes after the last tensor", raw(`{"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, "x")},
		{"1 bytes after the last tensor", raw(`{}`, "x")},
		{"nested deeper", one(`"x":` + strings.Repeat("[", 100_000))},
		{"nested deeper", one(`"x":` + strings.Repeat(`{"a":`, 100_000))},
		{"bad number", one(`"x":1-2`)},
		{"want a value", one(`"x":nil`)},
	} {
		tensors, _, err := parse(c.data)
		if err == nil {
			t.Errorf("%q: accepted with %d tensors, want error %q", c.data, len(tensors), c.want)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80q: error %q, want %q", c.data, err, c.want)
		}
	}
}

// folder writes files into a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// byteTensor is a file that holds one tensor of one byte.
func byteTensor(name string, b byte) string {
	return string(raw(`{"`+name+`":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, string(b)))
}

func TestOpenSharded(t *testing.T) {
	dir := folder(t, map[string]string{
		"model-00001-of-00002.safetensors": byteTensor("a", 1),
		"model-00002-of-00002.safetensors": byteTensor("b", 2),
		"model.safetensors.index.json": `{"metadata":{"total_size":2},
			"weight_map":{"b":"model-00002-of-00002.safetensors","a":"model-00001-of-00002.safetensors"}}`,
	})
	for _, path := range []string{dir, filepath.Join(dir, indexName)} {
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		a, okA := f.Tensor("a")
		b, okB := f.Tensor("b")
		if _, ok := f.Tensor("c"); ok || !okA || !okB || a.Data[0] != 1 || b.Data[0] != 2 || f.Shards() != 2 {
			t.Errorf("tensors %v %v in %d shards", a, b, f.Shards())
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	index := func(weights string) string { return `{"weight_map":{` + weights + `}}` }
	for _, c := range []struct {
		want  string
		files map[string]string
	}{
		{"has neither", nil},
		{"file is empty", map[string]string{singleName: ""}},
		{"weight_map is missing", map[string]string{indexName: `{}`}},
		{"weight_map is missing", map[string]string{indexName: index(``)}},
		{"given twice", map[string]string{indexName: `{"weight_map":{"a":"a.safetensors"},"weight_map":{}}`}},
		{"occurs twice", map[string]string{indexName: index(`"a":"a.safetensors","a":"a.safetensors"`)}},
		{"not the plain name", map[string]string{indexName: index(`"a":"../../etc/passwd"`)}},
		{"not the plain name", map[string]string{indexName: index(`"a":"../a.safetensors"`)}},
		{"not the plain name", map[string]string{indexName: index(`"a":"/etc/passwd"`)}},
		{"not the plain name", map[string]string{indexName: index(`"a":"c:\\a.safetensors"`)}},
		{"not the plain name", map[string]string{indexName: index(`"a":"config.json"`)}},
		{"a.safetensors", map[string]string{indexName: index(`"a":"a.safetensors"`)}},
		{`tensor "b" is not in a.safetensors`, map[string]string{
			indexName: index(`"a":"a.safetensors","b":"a.safetensors"`), "a.safetensors": byteTensor("a", 1)}},
		{`tensor "a" stands in another shard`, map[string]string{
			indexName: index(`"a":"a.safetensors","b":"b.safetensors"`), "a.safetensors": byteTensor("a", 1), "b.safetensors": byteTensor("a", 1)}},
		{"not UTF-8", map[string]string{indexName: "{\"\xff\":0}"}},
		{"after the end", map[string]string{indexName: index(`"a":"a.safetensors"`) + "x"}},
	} {
		f, err := Open(folder(t, c.files))
		if err == nil {
			f.Close()
			t.Errorf("%v: opened, want error %q", c.files, c.want)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %q, want %q", c.files, err, c.want)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("opened a missing path")
	}
}
