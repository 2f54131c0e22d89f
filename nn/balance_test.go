package nn

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/tensor"
)

// recorded is a file of reference gradients.
type recorded struct{ *safetensors.File }

// gradients opens NAME.safetensors of the reference gradients and reads NAME.json into meta.
func gradients(t *testing.T, name string, meta any) recorded {
	t.Helper()
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set: no reference gradients to compare with")
	}
	stem := filepath.Join(dir, "goldens", "gradients", name)
	text, err := os.ReadFile(stem + ".json")
	if err == nil {
		err = json.Unmarshal(text, meta)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(stem + ".safetensors")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return recorded{f}
}

func (r recorded) tensor(t *testing.T, name string, typ dtype.Type) []byte {
	t.Helper()
	x, ok := r.Tensor(name)
	if !ok || x.Type != typ {
		t.Fatalf("no %v tensor %s", typ, name)
	}
	return x.Data
}

func (r recorded) floats(t *testing.T, name string) []float32 {
	t.Helper()
	data := r.tensor(t, name, dtype.F32)
	x := make([]float32, len(data)/4)
	dtype.Decode(dtype.F32, x, data)
	return x
}

func (r recorded) ids(t *testing.T, name string) []int32 {
	t.Helper()
	var ids []int32
	for data := r.tensor(t, name, dtype.I64); len(data) > 0; data = data[8:] {
		ids = append(ids, int32(binary.LittleEndian.Uint64(data)))
	}
	return ids
}

func within(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !(math.Abs(float64(got[i])-float64(want[i])) <= tol) {
			t.Fatalf("%s[%d] is %v, want %v within %g", what, i, got[i], want[i], tol)
		}
	}
}

// TestRouterGradient: the recorded router, from the gradient of its weights to those of its input and matrix.
func TestRouterGradient(t *testing.T) {
	var meta struct {
		Router struct {
			Attributes struct {
				TopK  int     `json:"top_k"`
				Scale float32 `json:"scale"`
			} `json:"attributes"`
			Tolerance struct{ Weights, DX, DW float64 }
		} `json:"router"`
	}
	g := gradients(t, "ops", &meta)
	x, w, bias, dweights := g.floats(t, "router.x"), g.floats(t, "router.w"), g.floats(t, "router.bias"), g.floats(t, "router.dweights")
	tol, e := meta.Router.Tolerance, len(bias)
	r := Routing{Experts: e, Used: meta.Router.Attributes.TopK, Groups: 1, GroupsUsed: 1, Scoring: Sigmoid, Biased: true, Normalize: true,
		Scale: meta.Router.Attributes.Scale}
	rows := len(dweights) / r.Used
	d := len(x) / rows
	affinity := make([]float32, rows*e)
	exec := tensor.NewExec(1, tensor.F32)
	defer exec.Close()
	exec.MatMul(affinity, new(tensor.Input).Set(x, rows, d), tensor.FromF32(w, e, d))
	vec.Sigmoid(affinity, affinity)
	var ids []int32
	var weights []float32
	dx, dw := make([]float32, len(x)), make([]float32, len(w))
	for i := range rows {
		s, grad := affinity[i*e:][:e], make([]float32, e)
		id, weight := chooseAll(&r, s, bias)
		ids, weights = append(ids, id...), append(weights, weight...)
		r.weightsBackward(grad, s, id, dweights[i*r.Used:][:r.Used])
		r.Scoring.backward(grad, s)
		for n, v := range grad {
			vec.Axpy(dx[i*d:][:d], w[n*d:][:d], v)
			vec.Axpy(dw[n*d:][:d], x[i*d:][:d], v)
		}
	}
	if want := g.ids(t, "router.experts"); !slices.Equal(ids, want) {
		t.Fatalf("experts %v, want %v", ids, want)
	}
	within(t, "weights", weights, g.floats(t, "router.weights"), tol.Weights)
	within(t, "dx", dx, g.floats(t, "router.dx"), tol.DX)
	within(t, "dw", dw, g.floats(t, "router.dw"), tol.DW)
}

// sequence adds the gradient of the affinities of one sequence to ds and returns the loss.
func (b *Balance) sequence(ds, affinity []float32, ids []int32, experts int) (loss float64) {
	rows := len(affinity) / experts
	b.begin(ids, rows, experts)
	for r := range rows {
		loss += float64(b.row(ds[r*experts:][:experts], affinity[r*experts:][:experts]))
	}
	return loss
}

// TestBalanceGradient: the recorded balance loss. Variant "biased" is what the network selects.
func TestBalanceGradient(t *testing.T) {
	var meta struct {
		Batch, Tokens, Experts int
		Alpha                  float32
		Sequence               map[string]struct {
			Loss float64
			Per  []float64 `json:"per_sequence"`
		}
		Bias struct{ Gamma float32 } `json:"bias_update"`
	}
	g := gradients(t, "balance", &meta)
	affinity := g.floats(t, "balance.affinity")
	n := meta.Tokens * meta.Experts
	for variant, want := range meta.Sequence {
		ids := g.ids(t, "balance."+variant+".chosen")
		k := len(ids) / meta.Batch
		b := Balance{Weight: meta.Alpha / float32(meta.Batch)}
		d, loss := make([]float32, len(affinity)), 0.0
		for s := range meta.Batch {
			one := b.sequence(d[s*n:][:n], affinity[s*n:][:n], ids[s*k:][:k], meta.Experts)
			if math.Abs(one*float64(meta.Batch)-want.Per[s]) > 1e-6*want.Per[s] {
				t.Errorf("%s: loss of sequence %d is %v, want %v", variant, s, one*float64(meta.Batch), want.Per[s])
			}
			within(t, variant+" f", b.f, g.floats(t, "balance."+variant+".f")[s*meta.Experts:][:meta.Experts], 1e-6)
			loss += one
		}
		if math.Abs(loss-want.Loss) > 1e-6*want.Loss {
			t.Errorf("%s: loss %v, want %v", variant, loss, want.Loss)
		}
		const tol = 1e-11 // of gradients of about 1e-6
		within(t, variant+" d_affinity", d, g.floats(t, "balance."+variant+".d_affinity"), tol)
		for r := range len(d) / meta.Experts {
			Sigmoid.backward(d[r*meta.Experts:][:meta.Experts], affinity[r*meta.Experts:][:meta.Experts])
		}
		within(t, variant+" d_logits", d, g.floats(t, "balance."+variant+".d_logits"), tol)
	}
	bias, load := g.floats(t, "bias_update.before"), g.floats(t, "bias_update.load")
	counts := make([]int64, len(load))
	for i, v := range load {
		counts[i] = int64(2 * v) // the recorded loads have halves
	}
	UpdateBias(bias, counts, meta.Bias.Gamma)
	within(t, "bias", bias, g.floats(t, "bias_update.after"), 1e-7)
	if v := MaxViolation(counts); v != 1 {
		t.Errorf("violation %v, want 1: a load of 21 where the mean is 10.5", v)
	}
}

// TestRoutingDifferences holds the gradients against finite differences in float64, for every way to score and weigh.
func TestRoutingDifferences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		experts := rapid.IntRange(2, 9).Draw(t, "experts")
		r := Routing{Experts: experts, Used: rapid.IntRange(1, experts).Draw(t, "used"), Groups: 1, GroupsUsed: 1,
			Scoring: Scoring(rapid.IntRange(0, 1).Draw(t, "scoring")), Normalize: rapid.Bool().Draw(t, "normalize"), Scale: 1.5}
		draw := func(n int, name string) []float64 {
			return rapid.SliceOfN(rapid.Float64Range(-2, 2), n, n).Draw(t, name)
		}
		const rows = 3
		logits, upstream := draw(rows*experts, "logits"), draw(rows*r.Used, "upstream")
		b := Balance{Weight: 0.7}
		affinity, ids := make([]float32, len(logits)), make([]int32, 0, len(upstream))
		for i := range rows {
			s := affinity[i*experts:][:experts]
			for j, z := range logits[i*experts:][:experts] {
				s[j] = float32(z)
			}
			if r.Scoring == Sigmoid {
				vec.Sigmoid(s, s)
			} else {
				vec.Softmax(s, s)
			}
			id, _ := chooseAll(&r, s, nil)
			ids = append(ids, id...)
		}
		loss := func() float64 { return routed(&r, logits, upstream, ids, float64(b.Weight)) }
		grad := make([]float32, len(logits))
		for i := range rows {
			var dw []float32
			for _, u := range upstream[i*r.Used:][:r.Used] {
				dw = append(dw, float32(u))
			}
			r.weightsBackward(grad[i*experts:][:experts], affinity[i*experts:][:experts], ids[i*r.Used:][:r.Used], dw)
		}
		b.sequence(grad, affinity, ids, experts)
		for i := range rows {
			r.Scoring.backward(grad[i*experts:][:experts], affinity[i*experts:][:experts])
		}
		for i := range logits {
			const h = 1e-5
			z := logits[i]
			logits[i] = z + h
			up := loss()
			logits[i] = z - h
			down := loss()
			logits[i] = z
			if want := (up - down) / (2 * h); math.Abs(float64(grad[i])-want) > 1e-5 {
				t.Fatalf("gradient of logit %d is %v, want %v", i, grad[i], want)
			}
		}
	})
}

// routed is the sum of weights times upstream and the balance loss, in float64, with the choice given.
func routed(r *Routing, logits, upstream []float64, ids []int32, balance float64) float64 {
	e, rows := r.Experts, len(logits)/r.Experts
	f, p, total := make([]float64, e), make([]float64, e), 0.0
	for _, id := range ids {
		f[id] += float64(e) / float64(len(ids))
	}
	for i := range rows {
		s, sum, chosen := make([]float64, e), 0.0, 0.0
		for j, z := range logits[i*e:][:e] {
			s[j] = math.Exp(z)
			sum += s[j]
		}
		all := 0.0
		for j := range s {
			if r.Scoring == Sigmoid {
				s[j] /= 1 + s[j]
			} else {
				s[j] /= sum
			}
			all += s[j]
		}
		for _, id := range ids[i*r.Used:][:r.Used] {
			chosen += s[id]
		}
		for j := range s {
			p[j] += s[j] / all / float64(rows)
		}
		for k, id := range ids[i*r.Used:][:r.Used] {
			w := s[id]
			if r.Normalize {
				w /= chosen
			}
			total += w * float64(r.Scale) * upstream[i*r.Used+k]
		}
	}
	for j := range f {
		total += balance * f[j] * p[j]
	}
	return total
}
