package zoo

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/nn"
)

// reference is the networks again, in float64, one token and one number at a time, straight from the formulas: nothing is shared with the code
// under test but the configuration and the rotary frequencies. Attention is expanded where the code under test absorbs it.
type reference struct {
	c *model.Config
	w map[string][][]float64 // by Hugging Face name; vectors have one row

	margin float64 // the smallest by which an expert or a group was chosen
	routed map[string][]routed
}

// routed is what a router made of one token.
type routed struct {
	affinity []float64
	chosen   []int
}

func newReference(c *model.Config, w *model.Weights) *reference {
	r := &reference{c: c, w: map[string][][]float64{}, margin: math.Inf(1), routed: map[string][]routed{}}
	w.Tensors(func(name string, t dtype.Type, shape []int, data []byte) {
		cols := shape[len(shape)-1]
		row := make([]float32, cols)
		for size := t.RowBytes(cols); len(data) > 0; data = data[size:] {
			dtype.Decode(t, row, data[:size])
			wide := make([]float64, cols)
			for i, v := range row {
				wide[i] = float64(v)
			}
			r.w[name] = append(r.w[name], wide)
		}
	})
	for name, scales := range r.w {
		if weight, ok := r.w[name[:max(0, len(name)-len("_scale_inv"))]]; ok && name[len(name)-4:] == "_inv" {
			for i, row := range weight {
				for j := range row {
					row[j] *= scales[i/128][j/128]
				}
			}
		}
	}
	return r
}

func (r *reference) mul(name string, x []float64) []float64 {
	y := make([]float64, len(r.w[name+".weight"]))
	for i, row := range r.w[name+".weight"] {
		for k, v := range row {
			y[i] += v * x[k]
		}
		if b := r.w[name+".bias"]; b != nil {
			y[i] += b[0][i]
		}
	}
	return y
}

func (r *reference) norm(name string, x []float64, eps float64) []float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v / math.Sqrt(sum/float64(len(x))+eps) * r.w[name+".weight"][0][i]
	}
	return y
}

func (r *reference) rotate(x []float64, pos int) []float64 {
	y, half := slices.Clone(x), len(x)/2
	for i, f := range r.c.Rope.Frequencies() {
		a, b := i, i+half
		if r.c.Rope.Layout == nn.Adjacent {
			a, b = 2*i, 2*i+1
		}
		sin, cos := math.Sincos(f * float64(pos))
		m := r.c.Rope.Magnitude()
		y[a], y[b] = m*(x[a]*cos-x[b]*sin), m*(x[a]*sin+x[b]*cos)
	}
	return y
}

// attend is softmax(q·k·scale)·v over all keys given.
func attend(q []float64, k, v [][]float64, scale float64) []float64 {
	p, sum := make([]float64, len(k)), 0.0
	for j := range k {
		for d := range q {
			p[j] += q[d] * k[j][d]
		}
		p[j] = math.Exp(p[j] * scale)
		sum += p[j]
	}
	out := make([]float64, len(v[0]))
	for j := range k {
		for d := range out {
			out[d] += p[j] / sum * v[j][d]
		}
	}
	return out
}

func (r *reference) gqa(p string, hs [][]float64) (out [][]float64) {
	c, d := r.c, r.c.HeadDim
	k, v := make([][][]float64, c.KVHeads), make([][][]float64, c.KVHeads)
	head := func(x []float64, h int, norm string) []float64 {
		x = x[h*d : (h+1)*d]
		if c.QKNorm && norm != "" {
			x = r.norm(norm, x, float64(c.NormEps))
		}
		return x
	}
	for t, h := range hs {
		kt, vt := r.mul(p+"k_proj", h), r.mul(p+"v_proj", h)
		for g := range c.KVHeads {
			k[g], v[g] = append(k[g], r.rotate(head(kt, g, p+"k_norm"), t)), append(v[g], head(vt, g, ""))
		}
		var heads []float64
		q := r.mul(p+"q_proj", h)
		for i := range c.Heads {
			g := i / (c.Heads / c.KVHeads)
			heads = append(heads, attend(r.rotate(head(q, i, p+"q_norm"), t), k[g], v[g], 1/math.Sqrt(float64(d)))...)
		}
		out = append(out, r.mul(p+"o_proj", heads))
	}
	return out
}

func (r *reference) mla(p string, hs [][]float64) (out [][]float64) {
	c, m := r.c, r.c.MLA
	k, v := make([][][]float64, c.Heads), make([][][]float64, c.Heads)
	for t, h := range hs {
		kv := r.mul(p+"kv_a_proj_with_mqa", h)
		rope := r.rotate(kv[m.KVLoRA:], t)
		up := r.mul(p+"kv_b_proj", r.norm(p+"kv_a_layernorm", kv[:m.KVLoRA], 1e-6))
		q := h
		if m.QLoRA > 0 {
			q = r.mul(p+"q_b_proj", r.norm(p+"q_a_layernorm", r.mul(p+"q_a_proj", h), 1e-6))
		} else {
			q = r.mul(p+"q_proj", h)
		}
		var heads []float64
		for i := range c.Heads {
			kn := up[i*(m.Nope+m.V):]
			k[i], v[i] = append(k[i], append(slices.Clone(kn[:m.Nope]), rope...)), append(v[i], kn[m.Nope:m.Nope+m.V])
			qi := q[i*c.HeadDim : (i+1)*c.HeadDim]
			qi = append(slices.Clone(qi[:m.Nope]), r.rotate(qi[m.Nope:], t)...)
			heads = append(heads, attend(qi, k[i], v[i], c.Rope.SoftmaxFactor()/math.Sqrt(float64(c.HeadDim)))...)
		}
		out = append(out, r.mul(p+"o_proj", heads))
	}
	return out
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func (r *reference) mlp(p string, h []float64) []float64 {
	g, u := r.mul(p+"gate_proj", h), r.mul(p+"up_proj", h)
	for i := range g {
		g[i] *= sigmoid(g[i]) * u[i]
	}
	return r.mul(p+"down_proj", g)
}

// best are the n positions of the greatest scores; what separates them from the rest is noted.
func (r *reference) best(scores []float64, n int) []int {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return scores[order[i]] > scores[order[j]] })
	if n < len(order) {
		r.margin = min(r.margin, scores[order[n-1]]-scores[order[n]])
	}
	return order[:n]
}

func (r *reference) moe(p string, h []float64) []float64 {
	e := r.c.MoE
	s := r.mul(p+"gate", h)
	sum := 0.0
	for i := range s {
		if e.Scoring == nn.Sigmoid {
			s[i] = sigmoid(s[i])
		} else {
			s[i] = math.Exp(s[i])
			sum += s[i]
		}
	}
	choice := make([]float64, len(s))
	for i := range s {
		if e.Scoring == nn.Softmax {
			s[i] /= sum
		}
		if choice[i] = s[i]; e.Biased {
			choice[i] += r.w[p+"gate.e_score_correction_bias"][0][i]
		}
	}
	if size := e.Experts / e.Groups; e.GroupsUsed < e.Groups {
		score := make([]float64, e.Groups)
		for g := range score {
			in := slices.Clone(choice[g*size:][:size])
			slices.Sort(in)
			if score[g] = in[size-1]; e.GroupScore == nn.GroupTop2 && size > 1 {
				score[g] += in[size-2]
			}
		}
		kept := r.best(score, e.GroupsUsed)
		for i := range choice {
			if !slices.Contains(kept, i/size) {
				choice[i] = -1e9
			}
		}
	}
	chosen, total := r.best(choice, e.Used), 0.0
	r.routed[p] = append(r.routed[p], routed{s, chosen})
	for _, i := range chosen {
		total += s[i]
	}
	y := make([]float64, len(h))
	add := func(x []float64, w float64) {
		for d, v := range x {
			y[d] += w * v
		}
	}
	for _, i := range chosen {
		w := s[i] * float64(e.Scale)
		if e.Normalize {
			w /= total
		}
		add(r.mlp(fmt.Sprintf("%sexperts.%d.", p, i), h), w)
	}
	if e.Shared > 0 {
		add(r.mlp(p+"shared_experts.", h), 1)
	}
	return y
}

// logits runs a whole sequence.
func (r *reference) logits(ids []int32) (all []float64) {
	for _, x := range r.states(ids) {
		all = append(all, r.mul(r.head(), x)...)
	}
	return all
}

func (r *reference) head() string {
	if r.c.Tied {
		return "model.embed_tokens"
	}
	return "lm_head"
}

// states are those behind the logits of a whole sequence.
func (r *reference) states(ids []int32) [][]float64 {
	var xs [][]float64
	for _, id := range ids {
		xs = append(xs, slices.Clone(r.w["model.embed_tokens.weight"][id]))
	}
	for l := range r.c.Layers {
		r.layer(l, xs)
	}
	return r.normAll("model.norm", xs)
}

func (r *reference) normAll(name string, xs [][]float64) (ys [][]float64) {
	for _, x := range xs {
		ys = append(ys, r.norm(name, x, float64(r.c.NormEps)))
	}
	return ys
}

func (r *reference) layer(l int, xs [][]float64) {
	c, p := r.c, fmt.Sprintf("model.layers.%d.", l)
	attention := r.gqa
	if c.MLA != nil {
		attention = r.mla
	}
	for t, y := range attention(p+"self_attn.", r.normAll(p+"input_layernorm", xs)) {
		addTo(xs[t], y)
		h := r.norm(p+"post_attention_layernorm", xs[t], float64(c.NormEps))
		if c.IsSparse(l) {
			addTo(xs[t], r.moe(p+"mlp.", h))
		} else {
			addTo(xs[t], r.mlp(p+"mlp.", h))
		}
	}
}

// ahead are the logits of the multi-token prediction module, of whose rows the last has nothing to predict.
func (r *reference) ahead(ids []int32, states [][]float64) (all [][]float64) {
	p := fmt.Sprintf("model.layers.%d.", r.c.Layers)
	embedding, head := r.w[p+"embed_tokens.weight"], p+"shared_head.head"
	if embedding == nil {
		embedding = r.w["model.embed_tokens.weight"]
	}
	if r.w[head+".weight"] == nil {
		head = r.head()
	}
	var xs [][]float64
	for i := range len(ids) - 2 {
		e := r.norm(p+"enorm", embedding[ids[i+1]], float64(r.c.NormEps))
		xs = append(xs, r.mul(p+"eh_proj", append(e, r.norm(p+"hnorm", states[i], float64(r.c.NormEps))...)))
	}
	r.layer(r.c.Layers, xs)
	for _, x := range r.normAll(p+"shared_head.norm", xs) {
		all = append(all, r.mul(head, x))
	}
	return all
}

func addTo(x, y []float64) {
	for i, v := range y {
		x[i] += v
	}
}
