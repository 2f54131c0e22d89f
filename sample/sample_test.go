package sample

import (
	"math"
	"slices"
	"testing"

	"github.com/pennyml/penny/kernel/vec"
	"pgregory.net/rapid"
)

func logitsGen(n int) *rapid.Generator[[]float32] {
	return rapid.SliceOfN(rapid.Float32Range(-20, 20), n, n)
}

func next(t testing.TB, p Params, logits []float32) (int32, float32) {
	s, err := New(p, len(logits))
	if err != nil {
		t.Fatal(err)
	}
	id, lp, err := s.Next(logits)
	if err != nil {
		t.Fatal(err)
	}
	return id, lp
}

func TestGreedyTakesFirstMaximum(t *testing.T) {
	id, lp := next(t, Params{}, []float32{1, 3, 3, 2})
	want := 3 - math.Log(math.Exp(1)+2*math.Exp(3)+math.Exp(2))
	if id != 1 || math.Abs(float64(lp)-want) > 1e-6 {
		t.Errorf("got %d %v, want 1 %v", id, lp, want)
	}
}

// allowed computes, the slow way, which ids the filters keep. Ids whose probabilities float32 cannot tell from the least of these are a tie
// that rounding decides, and stay allowed.
func allowed(p Params, logits []float32) map[int32]float64 {
	type pair struct {
		id int32
		p  float64
	}
	var all []pair
	top := float64(slices.Max(logits))
	for i, v := range logits {
		all = append(all, pair{int32(i), math.Exp((float64(v) - top) / p.Temp)})
	}
	slices.SortStableFunc(all, func(a, b pair) int {
		switch {
		case a.p > b.p:
			return -1
		case a.p < b.p:
			return 1
		}
		return 0
	})
	everything := all
	if p.TopK > 0 && p.TopK < len(all) {
		all = all[:p.TopK]
	}
	total := 0.0
	for _, x := range all {
		total += x.p
	}
	out, least, sum := map[int32]float64{}, all[0].p, 0.0
	for i, x := range all {
		if i > 0 && (x.p < p.MinP*all[0].p*(1-1e-5) || (p.TopP > 0 && p.TopP < 1 && sum >= p.TopP*total*(1+1e-5))) {
			break
		}
		out[x.id], sum, least = x.p, sum+x.p, x.p
	}
	for _, x := range everything {
		if x.p >= least*(1-1e-6) {
			out[x.id] = x.p
		}
	}
	return out
}

func TestDrawStaysInsideFilters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := logitsGen(rapid.IntRange(1, 40).Draw(t, "n")).Draw(t, "logits")
		p := Params{
			Temp: rapid.Float64Range(0.1, 2).Draw(t, "temp"), TopK: rapid.IntRange(0, 50).Draw(t, "k"),
			TopP: rapid.Float64Range(0, 1).Draw(t, "p"), MinP: rapid.Float64Range(0, 1).Draw(t, "min"), Seed: rapid.Uint64().Draw(t, "seed"),
		}
		s, err := New(p, len(logits))
		if err != nil {
			t.Fatal(err)
		}
		ok := allowed(p, logits)
		for range 5 {
			id, _, err := s.Next(logits)
			if err != nil {
				t.Fatal(err)
			}
			if _, in := ok[id]; !in {
				t.Fatalf("drew %d, which %+v excludes from %v", id, p, logits)
			}
		}
	})
}

func TestDrawFollowsTheDistribution(t *testing.T) {
	logits := []float32{0, 1, 2, -1, 0.5}
	for _, p := range []Params{{Temp: 1, Seed: 7}, {Temp: 0.7, TopK: 3, Seed: 8}, {Temp: 1.5, TopP: 0.8, Seed: 9}, {Temp: 1, MinP: 0.2, Seed: 10}} {
		s, err := New(p, len(logits))
		if err != nil {
			t.Fatal(err)
		}
		const n = 40000
		count := make([]float64, len(logits))
		for range n {
			id, _, err := s.Next(logits)
			if err != nil {
				t.Fatal(err)
			}
			count[id]++
		}
		ok, total := allowed(p, logits), 0.0
		for _, x := range ok {
			total += x
		}
		for id := range count {
			want := ok[int32(id)] / total
			if got := count[id] / n; math.Abs(got-want) > 0.012 {
				t.Errorf("%+v: id %d drawn %.3f of the time, want %.3f", p, id, got, want)
			}
		}
	}
}

func TestPenalties(t *testing.T) {
	s, err := New(Params{Repeat: 2, Presence: 0.5, Frequency: 0.25, LastN: 2}, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []int32{0, 1, 1} { // the window of two has forgotten 0
		s.Observe(id)
	}
	got := s.adjusted([]float32{4, 4, -4})
	if want := []float32{4, 4/2 - 0.5 - 2*0.25, -4}; !slices.Equal(got, want) {
		t.Errorf("penalised logits %v, want %v", got, want)
	}
	if s.Observe(2); s.adjusted([]float32{0, 0, -4})[2] != -8-0.5-0.25 {
		t.Errorf("a negative logit is multiplied: got %v", s.row)
	}
}

func TestSameSeedSameTokens(t *testing.T) {
	draw := func() (ids []int32) {
		s, err := New(Params{Temp: 1, TopP: 0.9, Seed: 42}, 50)
		if err != nil {
			t.Fatal(err)
		}
		logits := make([]float32, 50)
		for i := range logits {
			logits[i] = float32(i%7) * 0.3
		}
		for range 12 {
			id, _, err := s.Next(logits)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		return ids
	}
	if a, b := draw(), draw(); !slices.Equal(a, b) {
		t.Errorf("same seed gave %v and %v", a, b)
	}
}

// TestDistribution: what a token is drawn from, and nothing else, has a finite logit; the probabilities are those of the draw.
func TestDistribution(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := logitsGen(rapid.IntRange(2, 40).Draw(t, "n")).Draw(t, "logits")
		p := Params{
			Temp: rapid.SampledFrom([]float64{0, 0.3, 1, 1.7}).Draw(t, "temp"), TopK: rapid.IntRange(0, 50).Draw(t, "k"),
			TopP: rapid.Float64Range(0, 1).Draw(t, "p"), MinP: rapid.Float64Range(0, 1).Draw(t, "min"), Seed: rapid.Uint64().Draw(t, "seed"),
		}
		if rapid.Bool().Draw(t, "ban") {
			p.Banned = []int32{rapid.Int32Range(0, int32(len(logits)-1)).Draw(t, "banned")}
		}
		s, err := New(p, len(logits))
		if err != nil {
			t.Fatal(err)
		}
		d := slices.Clone(logits)
		s.Distribution(d)
		barred := slices.Clone(logits)
		for _, id := range p.Banned {
			barred[id] = float32(math.Inf(-1))
		}
		sum, lse, ok := 0.0, vec.LogSumExp(d), map[int32]float64(nil)
		if p.Temp > 0 {
			ok = allowed(p, barred)
		}
		for i, v := range d {
			sum += math.Exp(float64(v - lse))
			if _, in := ok[int32(i)]; p.Temp > 0 && !in && !math.IsInf(float64(v), -1) {
				t.Fatalf("%+v keeps %d of %v: %v", p, i, logits, d)
			}
		}
		if math.Abs(sum-1) > 1e-5 {
			t.Fatalf("%+v: probabilities %v add up to %v", p, d, sum)
		}
		for range 5 {
			id, _, err := s.Next(logits)
			if err != nil {
				t.Fatal(err)
			}
			if math.IsInf(float64(d[id]), -1) {
				t.Fatalf("%+v drew %d of %v, which its distribution %v excludes", p, id, logits, d)
			}
		}
		if p.Temp > 0 && !p.filters() && len(p.Banned) == 0 {
			for i := range d {
				want := (float64(logits[i]) - float64(slices.Max(logits))) / p.Temp
				if math.Abs(float64(d[i])-want) > 1e-4 {
					t.Fatalf("%+v: %v became %v", p, logits, d)
				}
			}
		}
	})
}

// TestReset: a sampler that is used again draws what a new one would.
func TestReset(t *testing.T) {
	logits := []float32{0, 1, 2, -1, 0.5, 1.5, 0.2}
	used, err := New(Params{Temp: 1}, len(logits))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range []Params{{Temp: 1, Seed: 4}, {Temp: 1, TopP: 0.9, Seed: 5}, {Temp: 1, Repeat: 1.3, Presence: 1, LastN: 3, Seed: 6}, {Temp: 2, Seed: 7},
		{Temp: 1, Banned: []int32{2, 5}, Seed: 8}, {Temp: 1, Frequency: 2, Seed: 9}} {
		if err := used.Reset(p); err != nil {
			t.Fatal(err)
		}
		fresh, err := New(p, len(logits))
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			a, _, _ := used.Next(logits)
			b, _, _ := fresh.Next(logits)
			if a != b || slices.Contains(p.Banned, a) {
				t.Fatalf("case %d: drew %d, a new sampler %d", i, a, b)
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { used.Reset(Params{Temp: 1, TopP: 0.9}) }); n != 0 {
		t.Errorf("%v allocations a reset", n)
	}
}

func TestRefusals(t *testing.T) {
	if _, err := New(Params{TopP: 1.5}, 4); err == nil {
		t.Error("top-p 1.5 was accepted")
	}
	if _, err := New(Params{Temp: math.NaN()}, 4); err == nil {
		t.Error("a NaN temperature was accepted")
	}
	for _, banned := range [][]int32{{4}, {-1}, {0, 1, 2, 3}} {
		if _, err := New(Params{Temp: 1, Banned: banned}, 4); err == nil {
			t.Errorf("banning %v of 4 was accepted", banned)
		}
	}
	s, err := New(Params{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Next([]float32{float32(math.NaN()), 1}); err == nil {
		t.Error("NaN logits were accepted")
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	logits := make([]float32, 1000)
	for i := range logits {
		logits[i] = float32(i%13) - 6
	}
	for _, p := range []Params{{}, {Temp: 1}, {Temp: 0.6, TopP: 0.95}, {Temp: 0.6, TopK: 40, MinP: 0.05}} {
		s, err := New(p, len(logits))
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(50, func() { s.Next(logits) }); n != 0 {
			t.Errorf("%+v: %v allocations a token", p, n)
		}
	}
}
