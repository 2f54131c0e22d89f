package testutil

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"
)

// Emulator writes calls of assembly functions, with what memory must hold afterwards, for a CPU emulator to carry out: see "make isa-emulated".
// So kernels are checked whose instructions the machine at hand lacks.
type Emulator struct {
	t   *testing.T
	out io.Writer
	n   int
}

// Emulate opens the file that the environment variable ISAEMU_CASES names, for one test in each package, or skips the test when it is unset.
func Emulate(t *testing.T) *Emulator {
	t.Helper()
	name := os.Getenv("ISAEMU_CASES")
	if name == "" {
		t.Skip("ISAEMU_CASES is unset: run make isa-emulated to check the kernels under emulation")
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	e := &Emulator{t: t, out: f}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("%d cases", e.n)
	})
	return e
}

// Buffer is memory that a call is given a pointer to. It stands alone between unmapped pages.
type Buffer struct {
	In   any // a slice or struct of fixed-size values: the contents before the call
	Want any // the contents after it; nil when they must not change
	Ptrs []Pointer
}

// Pointer makes the 8 bytes at Off of a buffer the address of another, plus Add.
type Pointer struct {
	Off int
	To  *Buffer
	Add int
}

// Slice is a buffer passed as a slice of Len elements.
type Slice struct {
	*Buffer
	Len int
}

// Call writes a case: function fn (its symbol, or the end of it, as "vec.expAVX512") without results, called with args in order. Those are
// *Buffer, Slice, nil for a nil pointer, int, uint64, uintptr and float32.
func (e *Emulator) Call(fn, name string, args ...any) {
	e.t.Helper()
	c := emulatorCase{Func: fn, Name: name}
	names := map[*Buffer]string{}
	for _, a := range args {
		switch a := a.(type) {
		case *Buffer:
			c.pointer(names, a)
		case Slice:
			c.pointer(names, a.Buffer)
			c.Frame = append(c.Frame, bytesOf([]uint64{uint64(a.Len), uint64(a.Len)})...)
		case nil:
			c.push(uint64(0), 8)
		case int:
			c.push(uint64(a), 8)
		case uintptr:
			c.push(uint64(a), 8)
		case uint64:
			c.push(a, 8)
		case float32:
			c.push(a, 4)
		default:
			e.t.Fatalf("%s: no way to pass a %T", fn, a)
		}
	}
	c.align(8)
	if err := json.NewEncoder(e.out).Encode(c); err != nil {
		e.t.Fatal(err)
	}
	e.n++
}

// The emulator's own format: one JSON object a line, bytes in base64.
type (
	emulatorCase struct {
		Func  string           `json:"func"`
		Name  string           `json:"name"`
		Frame []byte           `json:"frame"`
		Ptrs  []emulatorPtr    `json:"ptrs,omitempty"`
		Bufs  []emulatorBuffer `json:"bufs,omitempty"`
	}
	emulatorPtr struct {
		Off int    `json:"off"`
		Buf string `json:"buf"`
		Add int    `json:"add,omitempty"`
	}
	emulatorBuffer struct {
		Name string        `json:"name"`
		In   []byte        `json:"in"`
		Want []byte        `json:"want,omitempty"`
		Ptrs []emulatorPtr `json:"ptrs,omitempty"`
	}
)

func (c *emulatorCase) align(n int) {
	for len(c.Frame)%n != 0 {
		c.Frame = append(c.Frame, 0)
	}
}

func (c *emulatorCase) push(v any, size int) {
	c.align(size)
	c.Frame = append(c.Frame, bytesOf(v)...)
}

func (c *emulatorCase) pointer(names map[*Buffer]string, b *Buffer) {
	c.align(8)
	c.Ptrs = append(c.Ptrs, emulatorPtr{Off: len(c.Frame), Buf: c.buffer(names, b)})
	c.push(uint64(0), 8)
}

// buffer adds b to the case, once, and says by what name.
func (c *emulatorCase) buffer(names map[*Buffer]string, b *Buffer) string {
	if name, ok := names[b]; ok {
		return name
	}
	name := fmt.Sprintf("arg%d", len(names))
	names[b] = name
	i := len(c.Bufs)
	c.Bufs = append(c.Bufs, emulatorBuffer{Name: name, In: bytesOf(b.In)})
	if b.Want != nil {
		c.Bufs[i].Want = bytesOf(b.Want)
	}
	for _, p := range b.Ptrs {
		c.Bufs[i].Ptrs = append(c.Bufs[i].Ptrs, emulatorPtr{Off: p.Off, Buf: c.buffer(names, p.To), Add: p.Add})
	}
	return name
}

func bytesOf(v any) []byte {
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		panic(fmt.Sprintf("testutil: %T has no fixed layout: %v", v, err))
	}
	return b
}
