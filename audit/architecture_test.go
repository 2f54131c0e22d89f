package audit

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/model"
)

func config(t *testing.T, d *Data, id string) (*model.Config, int) {
	t.Helper()
	for _, a := range d.Architectures {
		if a.ID == id {
			c, err := model.ParseHFConfig(a.Config)
			if err != nil {
				t.Fatal(err)
			}
			return c, a.Context
		}
	}
	t.Fatalf("no architecture %s", id)
	return nil, 0
}

// The counts of the DeepSeek family, as published or worked out from the papers.
func TestExactCounts(t *testing.T) {
	d := load(t)
	for id, want := range map[string][2]int64{"deepseek-v3": {671_026_419_200, 37_552_297_472}, "deepseek-v2": {235_741_434_880, 21_375_800_320},
		"moonlight": {15_960_110_208, 2_914_776_192}, "kimi-k2": {1_026_408_232_448, 32_861_500_928}} {
		c, context := config(t, d, id)
		if e := Count(c, context); e.Params != want[0] || e.Active != want[1] {
			t.Errorf("%s: %d and %d, want %v", id, e.Params, e.Active, want)
		}
	}
	// V3 by hand: an MLA layer has 187,105,280 weights in its products, a dense layer 3·7168·18432, an expert 3·7168·2048, the router 256·7168.
	c, context := config(t, d, "deepseek-v3")
	attention, expert, router := 187_105_280.0, 3*7168.0*2048, 256*7168.0
	weights := 61*attention + 3*3*7168*18432 + 58*(9*expert+router) + 129280*7168
	scores := 61 * 128 * (192 + 128) * 2048.5
	mtp := attention + 9*expert + router + 2*7168*7168 + 129280*7168 + 128*(192+128)*2048.5
	e := Count(c, context)
	for _, x := range []struct {
		name      string
		got, want float64
	}{{"weights", e.Weights, 2 * weights}, {"attention", e.Attention, 2 * scores}, {"mtp", e.MTP, 2 * mtp}, {"training", e.Training(), 6 * (weights + scores + mtp)}} {
		if math.Abs(x.got/x.want-1) > 1e-12 {
			t.Errorf("V3's %s: %g, want %g", x.name, x.got, x.want)
		}
	}
	if g := 3 * e.Forward() / 1e9; math.Abs(g-250) > 1 { // the maker's figure, without the prediction module
		t.Errorf("V3: %.1f GFLOP a token, the maker says 250", g)
	}
}

// What a network's shapes give agrees with what its maker says, for every claim whose network is known.
func TestArchitecturesMatchClaims(t *testing.T) {
	d := load(t)
	for _, a := range d.Architectures {
		for _, id := range a.Claims {
			r := auditOf(t, d, id)
			c, context := config(t, d, a.ID)
			e := Count(c, context)
			p := r.Sheet.Get("params").Central
			if ratio := float64(e.Params) / p; ratio < 0.97 || ratio > 1.03 {
				t.Errorf("%s: %d parameters by shape, %g claimed", id, e.Params, p)
			}
			if x, y := r.Sheet.Get("flop_exact"), r.Sheet.Get("flop_6nd"); x != nil && y != nil && (x.Central < 0.95*y.Central || x.Central > 1.3*y.Central) {
				t.Errorf("%s: %s by shape, %s by 6ND", id, x, y)
			}
		}
	}
}

// An independent count over the tensors of small networks: every matrix is multiplied once a token, of routed experts the used share.
func TestCountOverTensors(t *testing.T) {
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set: no reference networks to count")
	}
	folders, err := filepath.Glob(filepath.Join(dir, "goldens/networks/*/config.json"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("no networks: %v", err)
	}
	for _, path := range folders {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c, err := model.ParseHFConfig(text)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		f, err := safetensors.Open(filepath.Join(filepath.Dir(path), "model.safetensors"))
		if err != nil {
			continue // only a config
		}
		got := Count(c, 128).Weights
		if want := countTensors(f, c); math.Abs(got-want) > 0.5 {
			t.Errorf("%s: %g FLOP a token, its tensors give %g", filepath.Base(filepath.Dir(path)), got, want)
		}
		f.Close()
	}
}

func countTensors(f *safetensors.File, c *model.Config) float64 {
	total, head := 0.0, false
	for _, x := range f.Tensors {
		n := strings.TrimPrefix(x.Name, "model.")
		if len(x.Shape) != 2 || strings.HasSuffix(n, "_scale_inv") {
			continue
		}
		if rest, ok := strings.CutPrefix(n, "layers."); ok {
			layer, _, _ := strings.Cut(rest, ".")
			if len(layer) > 0 && atoi(layer) >= c.Layers {
				continue // a prediction module
			}
		}
		macs := float64(x.Shape[0]) * float64(x.Shape[1])
		switch {
		case strings.Contains(n, "embed_tokens"):
			continue
		case strings.Contains(n, ".experts."):
			macs *= float64(c.MoE.Used) / float64(c.MoE.Experts)
		case strings.HasPrefix(n, "lm_head"):
			head = true
		}
		total += 2 * macs
	}
	if !head { // tied to the embedding
		total += 2 * float64(c.Vocab) * float64(c.Hidden)
	}
	return total
}

func atoi(s string) (n int) {
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}

func TestServing(t *testing.T) {
	d := load(t)
	r := auditOf(t, d, "deepseek-v3")
	// The maker's own service: 88 sequences an accelerator at 4,989 tokens on 144, 14,800 tokens a second and node of eight for $16 an hour.
	if err := r.Serve(Service{Batch: 88 * 144, Context: 4989, GPUs: 144}); err != nil {
		t.Fatal(err)
	}
	speed := r.Sheet.Get("speed")
	if node := speed.Range.Scale(8. / 144); node.Low > 14800 || node.High < 14800 {
		t.Errorf("a node gives %v tokens a second, measured 14,800", node)
	}
	if p := r.Sheet.Get("decode_price").In(); p.Low > 0.30 || p.High < 0.30 {
		t.Errorf("a million tokens cost %v, measured $0.30", p)
	}
	if s := r.Sheet.Get("memory_time").Central; s < r.Sheet.Get("compute_time").Central {
		t.Error("decoding should wait for memory")
	}
	// A dense model without a known network.
	c, err := FromFlags(map[string]string{"params": "70b", "tokens": "1t"}, map[string]string{"gpu": "h100"})
	if err != nil {
		t.Fatal(err)
	}
	if r, err = d.Audit(c, Settings{}); err != nil {
		t.Fatal(err)
	}
	if err := r.Serve(Service{}); err != nil || !r.Sheet.Has("decode_price", "decode_joules") {
		t.Errorf("serving a dense model: %v", err)
	}
}
