package task

import (
	"fmt"
	"strings"
	"testing"
)

// The first numbers of the reference implementation's demonstration: seed 42, stream 54.
func TestRandReference(t *testing.T) {
	r := newPCG(42, 54)
	for i, want := range []uint32{0xa15c02b7, 0x7b47f409, 0xba1d3330, 0x83d2f293, 0xbfa4784b, 0xcbed606e} {
		if got := r.Uint32(); got != want {
			t.Errorf("number %d is %#x, want %#x", i, got, want)
		}
	}
}

func TestRandUniform(t *testing.T) {
	var counts [7]int
	r := NewRand(1, 2)
	const n = 70000
	for range n {
		counts[r.IntN(7)]++
	}
	var chi float64
	for _, c := range counts {
		d := float64(c) - n/7
		chi += d * d / (n / 7)
	}
	if chi > 22.5 { // 99.9 % point with six degrees of freedom
		t.Errorf("chi squared %.1f for %v", chi, counts)
	}
	if p := NewRand(5, 0).Perm(4); fmt.Sprint(p) == fmt.Sprint(NewRand(6, 0).Perm(4)) && fmt.Sprint(NewRand(5, 1).Perm(9)) == fmt.Sprint(NewRand(5, 2).Perm(9)) {
		t.Errorf("seeds and streams do not matter: %v", p)
	}
}

func TestSplitShare(t *testing.T) {
	held := 0
	for i := range 20000 {
		if SplitOf(fmt.Sprint("problem ", i)) == HeldOut {
			held++
		}
	}
	if held < 1850 || held > 2150 {
		t.Errorf("%d of 20000 held out, want about a tenth", held)
	}
}

func TestTextKey(t *testing.T) {
	if a, b := TextKey("What is $2+2$ ?"), TextKey("what is 2 + 2?"); a != b {
		t.Errorf("%q and %q differ", a, b)
	}
	if TextKey("what is 2+2") == TextKey("what is 2-2") {
		t.Error("two questions have one key")
	}
}

func TestOptions(t *testing.T) {
	name, o, err := ParseSpec(`x:a=3,r=2-5,ops=+\,*,f=0.5`)
	if err != nil || name != "x" {
		t.Fatal(name, err)
	}
	if a, r, ops, f := o.Int("a", 1, 0, 9), o.Range("r", [2]int{1, 1}, 0, 9), o.Letters("ops", "+", "+-*,"), o.Float("f", 0, 0, 1); a != 3 || r != [2]int{2, 5} || ops != "+,*" || f != 0.5 {
		t.Error(a, r, ops, f)
	}
	if err := o.Done(); err != nil {
		t.Error(err)
	}
	for spec, want := range map[string]string{
		"x:a=30": "option a=30: want a whole number from 0 to 9", "x:b=1": "no option b; it has a", "x:a": "want key=value", "x:a=1,a=2": "twice", ":a=1": "no name",
	} {
		_, o, err := ParseSpec(spec)
		if err == nil {
			o.Int("a", 1, 0, 9)
			err = o.Done()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", spec, err, want)
		}
	}
}
