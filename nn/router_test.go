package nn

import (
	"math"
	"slices"
	"sort"
	"testing"

	"pgregory.net/rapid"
)

func chooseAll(r *Routing, affinity, bias []float32) ([]int32, []float32) {
	ids, weights := make([]int32, r.Used), make([]float32, r.Used)
	r.choose(ids, weights, affinity, bias, make([]float32, r.Experts), make([]float32, r.Groups))
	return ids, weights
}

func TestChoose(t *testing.T) {
	affinity := []float32{.1, .9, .2, .3, .8, .7, .5, .4}
	base := Routing{Experts: 8, Used: 2, Groups: 1, GroupsUsed: 1, Scale: 1}
	limited := base
	limited.Groups, limited.GroupsUsed = 4, 1 // groups of two: {.1 .9} {.2 .3} {.8 .7} {.5 .4}
	top2 := limited
	top2.GroupScore = GroupTop2
	scaled := base
	scaled.Normalize, scaled.Scale = true, 2.5
	for _, c := range []struct {
		name    string
		r       Routing
		bias    []float32
		ids     []int32
		weights []float32
	}{
		{"greedy", base, nil, []int32{1, 4}, []float32{.9, .8}},
		{"group by its best", limited, nil, []int32{0, 1}, []float32{.1, .9}},
		{"group by its two best", top2, nil, []int32{4, 5}, []float32{.8, .7}},
		{"bias chooses and does not weigh", base, []float32{2, 0, 0, 0, 0, 0, 0, 0}, []int32{0, 1}, []float32{.1, .9}},
		{"negative scores: masked is lower still", top2, []float32{-9, -9, -9, -9, -9, -9, -9, -9}, []int32{4, 5}, []float32{.8, .7}},
		{"normalised and scaled", scaled, nil, []int32{1, 4}, []float32{2.5 * .9 / 1.7, 2.5 * .8 / 1.7}},
	} {
		ids, weights := chooseAll(&c.r, affinity, c.bias)
		if !slices.Equal(ids, c.ids) {
			t.Errorf("%s: experts %v, want %v", c.name, ids, c.ids)
		}
		for i, w := range c.weights {
			near(t, c.name, float64(weights[i]), float64(w), 1e-6)
		}
	}
}

// Against the definition, by sorting: any sizes, ties included.
func TestChooseMatchesSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := rapid.IntRange(1, 5).Draw(t, "groups")
		size := rapid.IntRange(1, 7).Draw(t, "size")
		r := Routing{Experts: groups * size, Groups: groups, GroupsUsed: rapid.IntRange(1, groups).Draw(t, "used groups"), Scale: 1,
			GroupScore: GroupScore(rapid.IntRange(0, 1).Draw(t, "rule"))}
		r.Used = rapid.IntRange(1, r.GroupsUsed*size).Draw(t, "used")
		affinity := make([]float32, r.Experts)
		for i := range affinity {
			affinity[i] = float32(rapid.IntRange(-4, 4).Draw(t, "affinity"))
		}
		ids, _ := chooseAll(&r, affinity, nil)

		score := func(g int) float64 {
			in := slices.Clone(affinity[g*size:][:size])
			slices.Sort(in)
			if r.GroupScore == GroupTop2 && size > 1 {
				return float64(in[size-1] + in[size-2])
			}
			return float64(in[size-1])
		}
		order := make([]int, groups)
		for g := range order {
			order[g] = g
		}
		sort.SliceStable(order, func(i, j int) bool { return score(order[i]) > score(order[j]) })
		var legal []int32
		for _, g := range order[:r.GroupsUsed] {
			for e := g * size; e < (g+1)*size; e++ {
				legal = append(legal, int32(e))
			}
		}
		slices.Sort(legal)
		sort.SliceStable(legal, func(i, j int) bool { return affinity[legal[i]] > affinity[legal[j]] })
		want := slices.Clone(legal[:r.Used])
		slices.Sort(want)
		if !slices.Equal(ids, want) {
			t.Fatalf("chose %v, want %v (affinity %v, %+v)", ids, want, affinity, r)
		}
	})
}

func TestChooseSurvivesNaN(t *testing.T) {
	nan := float32(math.NaN())
	r := Routing{Experts: 4, Used: 2, Groups: 2, GroupsUsed: 1, GroupScore: GroupTop2, Normalize: true, Scale: 1}
	ids, _ := chooseAll(&r, []float32{nan, nan, nan, nan}, nil)
	if ids[0] < 0 || ids[1] > 3 || ids[0] >= ids[1] {
		t.Errorf("chose %v, want two different experts", ids)
	}
}
