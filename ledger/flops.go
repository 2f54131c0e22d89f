package ledger

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
)

// FLOPs is a count of floating-point operations, a multiply-add as two. It is exact up to 2^128-1, because a cluster passes 2^64 in minutes.
type FLOPs struct{ hi, lo uint64 }

// Count is n operations. It panics if n is negative, for a derived count never is.
func Count(n int64) FLOPs {
	if n < 0 {
		panic(fmt.Sprintf("ledger: %d operations", n))
	}
	return FLOPs{lo: uint64(n)}
}

// Plus is f + g. It panics beyond 2^128-1, which no machine will do.
func (f FLOPs) Plus(g FLOPs) FLOPs {
	lo, carry := bits.Add64(f.lo, g.lo, 0)
	hi, over := bits.Add64(f.hi, g.hi, carry)
	if over != 0 {
		panic("ledger: more than 2^128 operations")
	}
	return FLOPs{hi, lo}
}

// Minus is f - g, and whether f is at least g.
func (f FLOPs) Minus(g FLOPs) (FLOPs, bool) {
	lo, borrow := bits.Sub64(f.lo, g.lo, 0)
	hi, under := bits.Sub64(f.hi, g.hi, borrow)
	return FLOPs{hi, lo}, under == 0
}

// Times is f · n. It panics beyond 2^128-1.
func (f FLOPs) Times(n uint64) FLOPs {
	over, hi := bits.Mul64(f.hi, n)
	carry, lo := bits.Mul64(f.lo, n)
	hi, c := bits.Add64(hi, carry, 0)
	if over != 0 || c != 0 {
		panic("ledger: more than 2^128 operations")
	}
	return FLOPs{hi, lo}
}

// Float is the nearest float64.
func (f FLOPs) Float() float64 { return math.Ldexp(float64(f.hi), 64) + float64(f.lo) }

// IsZero reports whether nothing was counted.
func (f FLOPs) IsZero() bool { return f == FLOPs{} }

func (f FLOPs) String() string {
	n := new(big.Int).SetUint64(f.hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(f.lo)).String()
}

// MarshalJSON writes a plain integer, however long.
func (f FLOPs) MarshalJSON() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalJSON reads a plain integer.
func (f *FLOPs) UnmarshalJSON(text []byte) error {
	n, ok := new(big.Int), false
	if len(text) <= 40 {
		n, ok = n.SetString(string(text), 10)
	}
	if !ok || n.Sign() < 0 || n.BitLen() > 128 {
		return fmt.Errorf("%.50q is no count of operations", text)
	}
	f.lo = new(big.Int).And(n, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	f.hi = n.Rsh(n, 64).Uint64()
	return nil
}
