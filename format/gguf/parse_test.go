package gguf

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pennyml/penny/dtype"
)

// build strings a file together: uint32 and uint64 as they are, int as u64, a string with its length before it, []byte raw.
func build(fields ...any) []byte {
	var b []byte
	for _, field := range fields {
		switch v := field.(type) {
		case uint32:
			b = binary.LittleEndian.AppendUint32(b, v)
		case uint64:
			b = binary.LittleEndian.AppendUint64(b, v)
		case int:
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		case string:
			b = append(binary.LittleEndian.AppendUint64(b, uint64(len(v))), v...)
		case []byte:
			b = append(b, v...)
		default:
			panic("build: unknown kind of field")
		}
	}
	return b
}

var magic = []byte("GGUF")

// withKey is a file whose only content is the key "k" with the value that fields spell.
func withKey(fields ...any) []byte {
	return build(append([]any{magic, uint32(3), 0, 1, "k"}, fields...)...)
}

// withTensors is a file with n tensor descriptions and size bytes of tensor data, which start on a multiple of 32.
func withTensors(n, size int, fields ...any) []byte {
	b := build(append([]any{magic, uint32(3), n, 0}, fields...)...)
	return append(b, make([]byte, int(padded(uint64(len(b)), 32))-len(b)+size)...)
}

func TestParse(t *testing.T) {
	data := build(magic, uint32(2), 3, 5,
		keyAlignment, uint32(Uint32), uint32(64),
		"a.string", uint32(String), "penny",
		"a.bool", uint32(Bool), []byte{1},
		"an.array", uint32(Array), uint32(Array), 2, uint32(Int8), 2, []byte{1, 255}, uint32(String), 1, "x",
		"a.float", uint32(Float32), math.Float32bits(1.5),
		"scalar", uint32(0), uint32(0), 128,
		"second", uint32(2), 2, 3, uint32(1), 64,
		"first", uint32(1), 32, uint32(39), 0)
	start := int(padded(uint64(len(data)), 64))
	data = append(data, make([]byte, start-len(data)+128+4)...)
	p, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	want := []Tensor{
		{"scalar", dtype.F32, []int{}, data[start+128 : start+132]},
		{"second", dtype.F16, []int{2, 3}, data[start+64 : start+76]},
		{"first", dtype.MXFP4, []int{32}, data[start : start+17]},
	}
	if diff := cmp.Diff(want, p.tensors); diff != "" {
		t.Error(diff)
	}
	if p.version != 2 || p.tensors[0].Rows() != 1 || p.tensors[0].Cols() != 1 || p.tensors[1].Rows() != 3 || p.tensors[1].Cols() != 2 {
		t.Errorf("version %d, tensors %v", p.version, p.tensors)
	}
	if diff := cmp.Diff([]string{keyAlignment, "a.string", "a.bool", "an.array", "a.float"}, p.meta.Keys()); diff != "" {
		t.Error(diff)
	}
	if v, _ := p.meta.Value("an.array"); !cmp.Equal(v.Any(), []any{[]int8{1, -1}, []string{"x"}}) {
		t.Errorf("array %v", v.Any())
	}
}

func TestParseErrors(t *testing.T) {
	const huge = math.MaxUint64
	f32 := uint32(0)
	long := strings.Repeat("n", 64)
	for _, c := range []struct {
		want string
		data []byte
	}{
		{"magic: needs 4 bytes", []byte("GGU")},
		{`starts with "FUGG"`, []byte("FUGG")},
		{"version: needs 4 bytes", magic},
		{"version 0", build(magic, uint32(0), 0, 0)},
		{"version 1 is no longer", build(magic, uint32(1), 0, 0)},
		{"version 4 is unknown", build(magic, uint32(4), 0, 0)},
		{"big-endian", build(magic, uint32(3<<24), 0, 0)},
		{"tensor count: 18446744073709551615 is above", build(magic, uint32(3), uint64(huge), 0)},
		{"tensor count: 1000 need", build(magic, uint32(3), 1000, 0)},
		{"key count: 2305843009213693952 is above", build(magic, uint32(3), 0, 1<<61)},
		{"key count: 2 need", build(magic, uint32(3), 0, 2, make([]byte, 20))},
		{"key count: needs 8 bytes at byte 16", build(magic, uint32(3), 0)},

		{"key 0: name: needs 18446744073709551615", build(magic, uint32(3), 0, 1, uint64(huge), make([]byte, 20))},
		{"key 0: name is empty", build(magic, uint32(3), 0, 1, "", make([]byte, 20))},
		{"has a NUL byte", build(magic, uint32(3), 0, 1, "a\x00b", uint32(Uint32), uint32(0))},
		{"is not UTF-8", build(magic, uint32(3), 0, 1, "a\xff", uint32(Uint32), uint32(0))},
		{"name has 65536 bytes", build(magic, uint32(3), 0, 1, strings.Repeat("k", 65536), uint32(Uint32), uint32(0))},
		{`key 1: "k": the key occurs twice`, build(magic, uint32(3), 0, 2, "k", uint32(Uint32), uint32(0), "k", uint32(Uint32), uint32(0))},
		{`"k": value: unknown value type 13`, withKey(uint32(13), uint32(0))},
		{`"k": value: count 1 needs more than the 4 bytes`, withKey(uint32(Uint64), uint32(0))},
		{"bool 0 is 2", withKey(uint32(Bool), []byte{2, 0})},
		{"string 0 of 1 has 18446744073709551615 bytes", withKey(uint32(String), uint64(huge))},
		{"1 strings need more than the 4 bytes left", withKey(uint32(String), uint32(0))},
		{"array element type: needs 4", withKey(uint32(Array), []byte{0})},
		{"array length: needs 8", withKey(uint32(Array), uint32(Uint8))},
		{"count 18446744073709551615", withKey(uint32(Array), uint32(Uint8), uint64(huge))},
		{"count 4611686018427387904", withKey(uint32(Array), uint32(Uint64), 1<<62)},
		{"1152921504606846976 strings", withKey(uint32(Array), uint32(String), 1<<60)},
		{"string 1 of 2 has 9 bytes, but the file has 1", withKey(uint32(Array), uint32(String), 2, "a", 9, []byte{0})},
		{"length of string 1 of 2 needs 8 bytes, but the file has 7", withKey(uint32(Array), uint32(String), 2, "a", make([]byte, 7))},
		{"bool 1 is 3", withKey(uint32(Array), uint32(Bool), 3, []byte{1, 3, 0})},
		{"unknown value type 99", withKey(uint32(Array), uint32(99), 0)},
		{"length 288230376151711744 needs more", withKey(uint32(Array), uint32(Array), 1<<58)},
		{"deeper than 2 levels", withKey(uint32(Array), uint32(Array), 1, uint32(Array), 1, uint32(Uint8), 0)},
		{"deeper than 2 levels", withKey(uint32(Array), []byte(strings.Repeat(string(build(uint32(Array), 1)), 10_000)))},
		{"array: count 5 needs more than the 1 bytes", withKey(uint32(Array), uint32(Array), 2, uint32(Uint8), 1, []byte{0}, uint32(Uint8), 5, []byte{0})},

		{"type is i32, want u32", build(magic, uint32(3), 0, 1, keyAlignment, uint32(Int32), uint32(32))},
		{"type is string, want u32", build(magic, uint32(3), 0, 1, keyAlignment, uint32(String), "32")},
		{"0 is not a power of two", build(magic, uint32(3), 0, 1, keyAlignment, uint32(Uint32), uint32(0))},
		{"4 is not a power of two", build(magic, uint32(3), 0, 1, keyAlignment, uint32(Uint32), uint32(4))},
		{"48 is not a power of two", build(magic, uint32(3), 0, 1, keyAlignment, uint32(Uint32), uint32(48))},
		{"2147483648 is not a power of two", build(magic, uint32(3), 0, 1, keyAlignment, uint32(Uint32), uint32(1<<31))},

		{"tensor 0: name: needs", withTensors(1, 0, uint64(huge), make([]byte, 20))},
		{"tensor 0: name is empty", withTensors(1, 0, "", make([]byte, 20))},
		{"tensor 0: name has 64 bytes", withTensors(1, 4, long, uint32(1), 1, f32, 0)},
		{"has a NUL byte", withTensors(1, 4, "t\x00", uint32(1), 1, f32, 0)},
		{`tensor 0 "t": dimension count: 5`, withTensors(1, 4, "t", uint32(5), 1, 1, 1, 1, 1, f32, 0)},
		{`dimension count: 4294967295`, withTensors(1, 4, "t", uint32(math.MaxUint32), make([]byte, 64))},
		{"dimension 0: -1 is negative", withTensors(1, 4, "t", uint32(1), uint64(huge), f32, 0)},
		{"dimension 1 of [1 0]: 0 is zero", withTensors(1, 4, "t", uint32(2), 1, 0, f32, 0)},
		{"too large", withTensors(1, 4, "t", uint32(3), 1<<31, 1<<31, 1<<31, f32, 0)},
		{"too large", withTensors(1, 4, "t", uint32(2), 1<<32+1, 1<<32-1, f32, 0)},
		{"more bytes than can be addressed", withTensors(1, 4, "t", uint32(1), 1<<62, uint32(27), 0)},
		{"reach beyond the 32 bytes", withTensors(2, 32, "t", uint32(1), math.MaxInt64&^63, uint32(24), 0, "u", uint32(1), 1, uint32(24), math.MaxInt64&^63)},
		{"unknown type -1", withTensors(1, 4, "t", uint32(1), 32, uint32(math.MaxUint32), 0)},
		{"unknown type 43", withTensors(1, 4, "t", uint32(1), 32, uint32(43), 0)},
		{`"t": type 4 (q4_2, removed`, withTensors(1, 4, "t", uint32(1), 32, uint32(4), 0)},
		{"type 33 (q4_0_8_8, removed", withTensors(1, 4, "t", uint32(1), 32, uint32(33), 0)},
		{"type 38 (iq4_nl_8_8, removed", withTensors(1, 4, "t", uint32(1), 32, uint32(38), 0)},
		{"type 40 (nvfp4, not supported", withTensors(1, 4, "t", uint32(1), 32, uint32(40), 0)},
		{"not whole blocks of q4_0 (32)", withTensors(1, 4, "t", uint32(2), 16, 2, uint32(2), 0)},
		{"offset: 1 is not a multiple of the alignment 32", withTensors(1, 64, "t", uint32(1), 1, f32, 1)},
		{"offset 1099511627776 and 4 bytes reach beyond", withTensors(1, 64, "t", uint32(1), 1, f32, 1<<40)},
		{"reach beyond the 64 bytes", withTensors(1, 64, "t", uint32(1), 1, f32, uint64(huge-31))},
		{"reach beyond the 19 bytes", withTensors(1, 19, "t", uint32(1), 5, f32, 0)},
		{"offset: needs 8 bytes", build(magic, uint32(3), 1, 0, "t", uint32(1), 1, f32, uint32(0))},
		{"padding before the tensor data", build(magic, uint32(3), 1, 0, "t", uint32(1), 1, f32, 0)},
		{`tensor "b": offset 0 lies inside tensor "a"`, withTensors(2, 64, "a", uint32(1), 8, f32, 0, "b", uint32(1), 8, f32, 0)},
		{`tensor "a": offset 32 lies inside tensor "b"`, withTensors(2, 96, "a", uint32(1), 8, f32, 32, "b", uint32(1), 16, f32, 0)},
	} {
		p, err := parse(c.data)
		if err == nil {
			t.Errorf("want error %q, but parsed %d keys and %d tensors", c.want, len(p.meta.keys), len(p.tensors))
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %q, want %q", err, c.want)
		}
	}
}

func TestGetters(t *testing.T) {
	var w Writer
	for key, value := range map[string]any{
		"u8": uint8(200), "i8": int8(-3), "u16": uint16(65535), "i16": int16(-4), "u32": uint32(1 << 31), "i32": int32(5),
		"u64": uint64(math.MaxUint64), "i64": int64(math.MinInt64), "f32": float32(0.1), "f64": 0.1, "yes": true, "no": false, "s": "text",
		"i32s": []int32{1, -2}, "u64s": []uint64{1, math.MaxUint64}, "f32s": []float32{1, 2}, "f64s": []float64{1}, "bools": []bool{true, false},
		"strings": []string{"", "b", "c\xff"}, "none": []string{},
	} {
		w.Set(key, value)
	}
	if w.err != nil {
		t.Fatal(w.err)
	}
	m := &w.meta
	check := func(name string, value any, ok bool, want any) {
		t.Helper()
		if ok != (want != nil) || ok && !cmp.Equal(value, want) {
			t.Errorf("%s: %v %v, want %v", name, value, ok, want)
		}
	}
	for key, want := range map[string]any{"u8": uint64(200), "i8": nil, "u16": uint64(65535), "i16": nil, "u32": uint64(1 << 31),
		"i32": uint64(5), "u64": uint64(math.MaxUint64), "i64": nil, "f32": nil, "yes": nil, "s": nil, "i32s": nil, "absent": nil} {
		got, ok := m.Uint(key)
		check("Uint "+key, got, ok, want)
	}
	for key, want := range map[string]any{"u8": int64(200), "i8": int64(-3), "u16": int64(65535), "i16": int64(-4), "u32": int64(1 << 31),
		"i32": int64(5), "u64": nil, "i64": int64(math.MinInt64), "f32": nil, "no": nil, "absent": nil} {
		got, ok := m.Int(key)
		check("Int "+key, got, ok, want)
	}
	for key, want := range map[string]any{"f32": float64(float32(0.1)), "f64": 0.1, "u8": nil, "f32s": nil, "absent": nil} {
		got, ok := m.Float(key)
		check("Float "+key, got, ok, want)
	}
	for key, want := range map[string]any{"yes": true, "no": false, "u8": nil, "bools": nil, "absent": nil} {
		got, ok := m.Bool(key)
		check("Bool "+key, got, ok, want)
	}
	for key, want := range map[string]any{"s": "text", "u8": nil, "strings": nil, "absent": nil} {
		got, ok := m.String(key)
		check("String "+key, got, ok, want)
	}
	for key, want := range map[string]any{"strings": []string{"", "b", "c\xff"}, "none": []string{}, "i32s": nil, "s": nil, "absent": nil} {
		got, ok := m.Strings(key)
		check("Strings "+key, got, ok, want)
	}
	for key, want := range map[string]any{"i32s": []int64{1, -2}, "u64s": nil, "f32s": nil, "i32": nil, "absent": nil} {
		got, ok := m.Ints(key)
		check("Ints "+key, got, ok, want)
	}
	for key, want := range map[string]any{"f32s": []float32{1, 2}, "f64s": nil, "i32s": nil, "f32": nil, "absent": nil} {
		got, ok := m.Floats(key)
		check("Floats "+key, got, ok, want)
	}
	for key, want := range map[string]any{"bools": []bool{true, false}, "yes": nil, "absent": nil} {
		got, ok := m.Bools(key)
		check("Bools "+key, got, ok, want)
	}
	for key, want := range map[string]string{"absent": `"absent" is missing (want a number)`, "s": `"s" is string, want a number`,
		"i16": "is i16 -4, want", "strings": "is an array of 3 string, want"} {
		if err := m.Missing(key, "a number"); !strings.Contains(err.Error(), want) {
			t.Errorf("Missing %s: %q, want %q", key, err, want)
		}
	}
}
