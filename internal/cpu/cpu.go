// Package cpu says which instruction-set level the kernels run at. A level is a promise about speed only: every level gives the same bits.
package cpu

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/cpu"
)

// Level is an instruction-set level, in rising order.
type Level int32

// The levels. AVX512 means F, BW, DQ, VL, VNNI and BF16 together, as on Zen 4 and later and on Sapphire Rapids and later.
const (
	Generic Level = iota // pure Go, the reference
	AVX2                 // AVX2, FMA, F16C
	AVX512
)

// Levels lists every level, lowest first.
var Levels = []Level{Generic, AVX2, AVX512}

func (l Level) String() string { return [...]string{"generic", "avx2", "avx512"}[l] }

// ParseLevel is the inverse of String.
func ParseLevel(s string) (Level, error) {
	for _, l := range Levels {
		if l.String() == s {
			return l, nil
		}
	}
	return 0, fmt.Errorf("unknown instruction-set level %q (want generic, avx2 or avx512)", s)
}

// Best is the highest level that this CPU has.
func Best() Level {
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA {
		return Generic
	}
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512VNNI && x.HasAVX512BF16 {
		return AVX512
	}
	return AVX2
}

var current atomic.Int32

func init() { current.Store(int32(Best())) }

// Current is the level that kernels dispatch on.
func Current() Level { return Level(current.Load()) }

// Use makes kernels run at level l from now on. It is an error to ask for what the CPU lacks. Not meant to be called while kernels run.
func Use(l Level) error {
	if l > Best() {
		return fmt.Errorf("this CPU has no %v: its best level is %v", l, Best())
	}
	current.Store(int32(l))
	return nil
}
