package grad

import (
	"slices"
	"testing"

	"github.com/pennyml/penny/tensor"
)

// TestTape runs y = 2x twice, z = x + y and s = sum of z's second half, and goes back.
func TestTape(t *testing.T) {
	a := new(tensor.Arena)
	tape := NewTape(NewParams(), a)
	stream := make([]float32, 4)
	for range 2 { // a second pass finds nothing of the first
		a.Release(0)
		clear(stream)
		x := a.F32(4)
		r := tape.Begin()
		tape.Outside(x, stream)
		y, z := a.F32(4), a.F32(4)
		double := func(dst, src []float32) {
			for i, v := range src {
				dst[i] = 2 * v
			}
			tape.Push(func() {
				g, more := tape.GradTo(src)
				for i, v := range tape.Grad(dst) {
					if !more {
						g[i] = 0
					}
					g[i] += 2 * v
				}
			})
		}
		double(y, x)
		double(z, y)
		tape.Alias(z, x) // z = x + 4x
		tape.Push(func() {
			for i := range tape.Grad(z[2:]) {
				tape.Grad(z[2:])[i] += 1
			}
		})
		tape.Backward(r)
		if want := []float32{0, 0, 5, 5}; !slices.Equal(stream, want) {
			t.Errorf("gradient of x is %v, want %v", stream, want)
		}
		if a.Mark() != 1 {
			t.Errorf("%d buffers are out after the way back", a.Mark())
		}
	}
}

// TestPart: the gradient of a part of a buffer is a part of the buffer's, whose rest is 0.
func TestPart(t *testing.T) {
	a := new(tensor.Arena)
	tape := NewTape(NewParams(), a)
	for _, dirt := range []float32{7, 0} { // left behind by what came before
		r := tape.Begin()
		x := a.F32(3)
		tape.Push(func() {
			if got, want := tape.Grad(x), []float32{0, 5, 0}; !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
			tape.Grad(x)[0] = dirt
		})
		tape.Push(func() { tape.Grad(x[1:2])[0] = 5 })
		tape.Backward(r)
	}
	defer func() {
		if recover() == nil {
			t.Error("a buffer that is not the region's has a gradient")
		}
	}()
	tape.Begin()
	tape.Grad(make([]float32, 3))
}

// TestUses: a matrix in two uses has two sums, which Finish adds to one; what is frozen has none.
func TestUses(t *testing.T) {
	e := tensor.NewExec(1, tensor.F32)
	defer e.Close()
	ps := NewParams()
	p := &Param{Name: "w", Shape: []int{1, 2}, Value: []float32{1, 2}, Grad: make([]float32, 2)}
	m := tensor.FromF32(p.Value, 1, 2)
	ps.AddMatrix(p, m)
	again := ps.Again(m)
	frozen := &Param{Name: "b", Shape: []int{2}, Value: []float32{3, 4}}
	ps.AddVector(frozen)
	if ps.Vector(frozen.Value) != nil || ps.Matrix(tensor.FromF32(p.Value, 1, 2)) != nil {
		t.Error("a sum of what does not learn")
	}
	for range 2 {
		ps.Clear(e)
		ps.Matrix(m)[0] += 1
		ps.Matrix(again)[0] += 10
		ps.Matrix(again)[1] += 20
		ps.Finish(e)
		if want := []float32{11, 20}; !slices.Equal(p.Grad, want) {
			t.Errorf("gradient %v, want %v", p.Grad, want)
		}
	}
	if l := ps.Learnt(); len(l) != 1 || l[0] != p || len(ps.All()) != 2 || ps.Get("b") != frozen {
		t.Error("the list of parameters is wrong")
	}
}
