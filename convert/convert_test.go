package convert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/model/zoo"
)

// network is a random checkpoint of a family, in a Hugging Face folder of type t.
func network(dir string, config fields, t dtype.Type, seed uint64, change func(name string, x []float32) []float32) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(dir, "config.json"), config); err != nil {
		return err
	}
	c, err := model.ReadHFConfig(dir)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(seed, 1))
	w := &safetensors.Writer{Metadata: map[string]string{"format": "pt"}}
	add := func(name string, shape []int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64()) / 8
		}
		if change != nil {
			if x = change(name, x); x == nil {
				return
			}
		}
		typ := t
		if strings.HasSuffix(name, routerBias) {
			typ = dtype.F32
		}
		data := make([]byte, typ.RowBytes(n))
		if err := dtype.Encode(typ, data, x); err != nil {
			panic(err)
		}
		w.AddTensor(safetensors.Tensor{Name: name, Type: typ, Shape: shape, Data: data})
	}
	for _, it := range inventory(c) {
		if it.layout != experts {
			add(it.name, it.shape)
			continue
		}
		for e := range c.MoE.Experts {
			add(it.expert(e), it.shape)
		}
	}
	return w.WriteFolder(dir, 1<<40)
}

// llama is the config.json of a small network whose rows are whole blocks of 32.
func llama() fields {
	return fields{"model_type": "llama", "vocab_size": 40, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
		"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
		"bos_token_id": 1, "eos_token_id": []int{2, 3}}
}

func deepseek() fields {
	return fields{"model_type": "deepseek_v3", "vocab_size": 24, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2,
		"num_attention_heads": 3, "num_key_value_heads": 3, "max_position_embeddings": 128, "rms_norm_eps": 1e-6, "q_lora_rank": 12,
		"kv_lora_rank": 16, "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "v_head_dim": 10, "n_routed_experts": 4, "n_shared_experts": 1,
		"num_experts_per_tok": 2, "n_group": 2, "topk_group": 1, "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": true,
		"routed_scaling_factor": 2.446, "first_k_dense_replace": 1, "moe_intermediate_size": 8, "num_nextn_predict_layers": 1,
		"rope_scaling": fields{"type": "yarn", "factor": 8, "original_max_position_embeddings": 16, "mscale": 0.707, "mscale_all_dim": 0.707,
			"beta_fast": 32, "beta_slow": 1}}
}

// drawConfig is a random network of any family.
func drawConfig(t *rapid.T) fields {
	number := func(name string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, name) }
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	kv := number("kv", 1, 3)
	f := fields{"vocab_size": number("vocab", 1, 40), "hidden_size": number("hidden", 1, 30), "intermediate_size": number("ff", 1, 30),
		"num_hidden_layers": number("layers", 1, 3), "num_attention_heads": kv * number("groups", 1, 3), "num_key_value_heads": kv,
		"head_dim": 2 * number("half", 1, 6), "max_position_embeddings": number("context", 1, 1<<20), "rms_norm_eps": 1e-5,
		"rope_theta": rapid.SampledFrom([]float64{10000, 500000, 1e6}).Draw(t, "theta"), "tie_word_embeddings": flag("tied")}
	arch := rapid.SampledFrom([]string{"llama", "qwen2", "qwen3", "qwen3_moe", "deepseek_v2", "deepseek_v3"}).Draw(t, "arch")
	f["model_type"] = arch
	experts := 2 * number("experts", 1, 4)
	switch arch {
	case "llama":
		f["attention_bias"], f["mlp_bias"] = flag("bias"), flag("mlp bias")
	case "qwen3_moe":
		f["num_experts"], f["num_experts_per_tok"], f["moe_intermediate_size"] = experts, number("used", 1, experts), number("width", 1, 9)
		f["norm_topk_prob"] = flag("normalised")
		if flag("some dense") {
			f["mlp_only_layers"] = []int{0}
		}
	case "deepseek_v2", "deepseek_v3":
		delete(f, "head_dim")
		f["num_key_value_heads"] = f["num_attention_heads"]
		f["kv_lora_rank"], f["qk_nope_head_dim"] = number("latent", 1, 20), number("nope", 1, 9)
		f["qk_rope_head_dim"], f["v_head_dim"] = 2*number("rope", 1, 4), number("v", 1, 9)
		if flag("q latent") {
			f["q_lora_rank"] = number("rank", 1, 12)
		}
		f["n_routed_experts"], f["num_experts_per_tok"], f["moe_intermediate_size"] = experts, 1, number("width", 1, 9)
		f["n_shared_experts"], f["first_k_dense_replace"] = number("shared", 0, 2), number("dense", 0, 1)
		f["n_group"], f["topk_group"], f["routed_scaling_factor"] = 2, number("groups used", 1, 2), 1.5
		if f["topk_method"], f["scoring_func"] = "group_limited_greedy", "softmax"; arch == "deepseek_v3" {
			f["topk_method"], f["scoring_func"], f["norm_topk_prob"] = "noaux_tc", "sigmoid", flag("normalised")
			f["num_nextn_predict_layers"] = number("mtp", 0, 1)
		}
		if flag("yarn") {
			f["rope_scaling"] = fields{"type": "yarn", "factor": 4, "original_max_position_embeddings": 64, "beta_fast": 32, "beta_slow": 1,
				"mscale": rapid.SampledFrom([]float64{0.707, 1}).Draw(t, "mscale"), "mscale_all_dim": rapid.SampledFrom([]float64{0.707, 1}).Draw(t, "all")}
		}
	}
	return f
}

// Networks of any size and family keep every bit on the way to GGUF and back, and both files open.
func TestRoundTripRandom(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue { // each writes six files to the disk
		if err := checks.Value.Set("30"); err != nil {
			t.Fatal(err)
		}
	}
	base := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		dir := filepath.Join(base, fmt.Sprint(n))
		defer os.RemoveAll(dir)
		in, there, back := filepath.Join(dir, "in"), filepath.Join(dir, "x.gguf"), filepath.Join(dir, "out")
		typ := rapid.SampledFrom([]dtype.Type{dtype.F32, dtype.BF16, dtype.F16}).Draw(t, "type")
		if err := network(in, drawConfig(t), typ, rapid.Uint64().Draw(t, "seed"), nil); err != nil {
			t.Fatal(err)
		}
		for _, step := range [][2]string{{in, there}, {there, back}} {
			if _, err := Run(context.Background(), step[0], step[1], Options{}); err != nil {
				t.Fatal(err)
			}
			m, err := zoo.Open(step[1], model.Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			m.Close()
		}
		want, err := os.ReadFile(filepath.Join(in, "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(back, "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Error("the tensors differ")
		}
		a, _ := model.ReadHFConfig(in)
		b, err := model.ReadHFConfig(back)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(a, b); d != "" {
			t.Error(d)
		}
	})
}

// A network of V3's family none of whose layers has experts is told from one of V2's.
func TestFamilyWithoutExperts(t *testing.T) {
	config := deepseek()
	config["first_k_dense_replace"], config["num_nextn_predict_layers"] = 2, 0
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "x.gguf")
	if err := network(in, config, dtype.F32, 1, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), in, out, Options{}); err != nil {
		t.Fatal(err)
	}
	m, err := zoo.Open(out, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if arch := m.Config().Arch; arch != "deepseek_v3" {
		t.Errorf("the architecture is %s", arch)
	}
}

// small makes the llama network in a folder of its own.
func small(t *testing.T, config fields, change func(name string, x []float32) []float32) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "in")
	if err := network(dir, config, dtype.F32, 1, change); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What cannot be converted is an error that names it, and leaves nothing behind.
func TestRefusals(t *testing.T) {
	only := func(name string, f func(x []float32) []float32) func(string, []float32) []float32 {
		return func(n string, x []float32) []float32 {
			if n == name {
				return f(x)
			}
			return x
		}
	}
	const up = "model.layers.1.mlp.up_proj.weight"
	set := func(v float32) func([]float32) []float32 {
		return func(x []float32) []float32 { x[70] = v; return x }
	}
	drop := func([]float32) []float32 { return nil }
	for _, c := range []struct {
		name, typ, out string
		change         func(string, []float32) []float32
		config         fields
		want           []string
	}{
		{"unknown type", "q9_9", "x.gguf", nil, nil, []string{"q9_9", "q4_k_m"}},
		{"quantised folder", "q8_0", "x", nil, nil, []string{"q8_0", "GGUF"}},
		{"no type for a cast", "", "x", nil, nil, []string{"type"}},
		{"NaN", "", "x.gguf", only(up, set(float32(math.NaN()))), nil, []string{up, "row 1, column 6", "NaN"}},
		{"infinite", "q8_0", "x.gguf", only(up, set(float32(math.Inf(1)))), nil, []string{up, "row 1, column 6", "Inf"}},
		{"infinite in a head that is permuted", "", "x.gguf", only("model.layers.0.self_attn.q_proj.weight", set(float32(math.Inf(1)))), nil,
			[]string{"self_attn.q_proj", "row 1, column 6", "Inf"}},
		{"too large for f16", "f16", "x.gguf", only(up, set(1e6)), nil, []string{up, "row 1, column 6", "1e+06", "f16"}},
		{"too large for f16 in a folder", "f16", "x", only(up, set(1e6)), nil, []string{up, "1e+06", "f16"}},
		{"missing", "", "x.gguf", only(up, drop), nil, []string{up, "missing"}},
		{"unknown architecture", "", "x.gguf", nil, fields{"model_type": "mamba"}, []string{"mamba"}},
		{"other shape", "", "x.gguf", nil, fields{"intermediate_size": 95}, []string{"mlp.gate_proj.weight", "[96 64]", "[95 64]"}},
		{"surplus", "", "x.gguf", nil, fields{"num_hidden_layers": 1}, []string{"model.layers.1.", "not part"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := small(t, llama(), c.change)
			if c.config != nil {
				config := llama()
				for k, v := range c.config {
					config[k] = v
				}
				if err := writeJSON(filepath.Join(in, "config.json"), config); err != nil {
					t.Fatal(err)
				}
			}
			out := filepath.Join(t.TempDir(), c.out)
			_, err := Run(context.Background(), in, out, Options{Type: c.typ})
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
			if left, _ := os.ReadDir(filepath.Dir(out)); len(left) > 0 {
				t.Errorf("%v is left behind", left)
			}
		})
	}
}

// A mix with a type that cannot be encoded is refused before anything is written.
func TestNoEncoder(t *testing.T) {
	config := llama()
	config["hidden_size"], config["intermediate_size"] = 256, 256
	out := filepath.Join(t.TempDir(), "x.gguf")
	_, err := Run(context.Background(), small(t, config, nil), out, Options{Type: "iq2_xxs"})
	if err == nil || !strings.Contains(err.Error(), "importance matrix") || !strings.Contains(err.Error(), "iq2_xxs") {
		t.Error(err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a file was written")
	}
}

// A target that exists is taken only if nothing is lost by it.
func TestTargets(t *testing.T) {
	in := small(t, llama(), nil)
	dir := t.TempDir()
	x := filepath.Join(dir, "x.gguf")
	run(t, in, x, Options{})
	if _, err := Run(context.Background(), x, x, Options{Type: "f16"}); err == nil {
		t.Error("a file was written over itself")
	}
	if _, err := Run(context.Background(), x, in, Options{}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Error("a folder with files:", err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, x, empty, Options{})
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if _, err := Run(ctx, in, filepath.Join(dir, "y"), Options{Type: "f16"}); !errors.Is(err, context.Canceled) {
		t.Error("interrupted:", err)
	}
	before, err := os.ReadFile(x)
	if err != nil {
		t.Fatal(err)
	}
	bad := small(t, llama(), func(name string, v []float32) []float32 { v[0] = float32(math.NaN()); return v })
	if _, err := Run(context.Background(), bad, x, Options{}); err == nil {
		t.Error("NaN was written")
	}
	if after, _ := os.ReadFile(x); !bytes.Equal(before, after) {
		t.Error("a failure changed the file that was there")
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Error("left:", left)
	}
}

// A split file holds the same as a single one.
func TestSplit(t *testing.T) {
	in, dir := small(t, deepseek(), nil), t.TempDir()
	run(t, in, filepath.Join(dir, "one.gguf"), Options{SplitBytes: 1 << 30})
	run(t, in, filepath.Join(dir, "more.gguf"), Options{SplitBytes: 9000})
	one := openGGUF(t, filepath.Join(dir, "one.gguf"))
	parts, _ := filepath.Glob(filepath.Join(dir, "more-00001-of-*.gguf"))
	if len(parts) != 1 {
		t.Fatal("no first part")
	}
	more := openGGUF(t, parts[0])
	if more.Parts() < 3 || len(more.Tensors) != len(one.Tensors) {
		t.Errorf("%d parts, %d tensors of %d", more.Parts(), len(more.Tensors), len(one.Tensors))
	}
	for _, w := range one.Tensors {
		if g, ok := more.Tensor(w.Name); !ok || !bytes.Equal(g.Data, w.Data) {
			t.Errorf("%s differs", w.Name)
		}
	}
	run(t, parts[0], filepath.Join(dir, "back"), Options{})
	sameFile(t, filepath.Join(in, "model.safetensors"), filepath.Join(dir, "back", "model.safetensors"))
	if left, _ := os.ReadDir(dir); len(left) != more.Parts()+2 {
		t.Error("left:", left)
	}
}

func sameFile(t *testing.T, want, got string) {
	t.Helper()
	a, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("%s differs from %s", got, want)
	}
}

// The figures told are those found by reading the file again, and any number of workers makes the same file.
func TestQuantise(t *testing.T) {
	in := small(t, llama(), nil)
	for _, typ := range []string{"f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k_m", "q6_k", "iq4_nl", "mxfp4"} {
		dir := t.TempDir()
		x, y := filepath.Join(dir, "x.gguf"), filepath.Join(dir, "y.gguf")
		r := run(t, in, x, Options{Type: typ, Threads: 1})
		if again := run(t, in, y, Options{Type: typ, Threads: 2}); !cmp.Equal(r, again) {
			t.Errorf("%s: the figures depend on the number of workers: %s", typ, cmp.Diff(r, again))
		}
		sameFile(t, x, y)
		plain := filepath.Join(dir, "f32.gguf")
		run(t, in, plain, Options{})
		checkFigures(t, typ, r, openGGUF(t, plain), openGGUF(t, x))
	}
}

// checkFigures measures the error of a file anew.
func checkFigures(t *testing.T, label string, r *Result, source, f *gguf.File) {
	t.Helper()
	var squares, references, worst float64
	n, size := 0, int64(0)
	for _, g := range f.Tensors {
		w, ok := source.Tensor(g.Name)
		if !ok {
			t.Fatalf("%s: no %s", label, g.Name)
		}
		x, y := make([]float32, w.Cols()*w.Rows()), make([]float32, w.Cols()*w.Rows())
		dtype.Decode(w.Type, x, w.Data)
		dtype.Decode(g.Type, y, g.Data)
		for i := range x {
			d := float64(x[i]) - float64(y[i])
			squares, references, worst = squares+d*d, references+float64(x[i])*float64(x[i]), max(worst, math.Abs(d))
		}
		n, size = n+len(x), size+int64(len(g.Data))
	}
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Abs(b) }
	e := r.Error
	if !near(e.RMSE, math.Sqrt(squares/float64(n))) || !near(e.Relative, math.Sqrt(squares/references)) || e.Max != worst {
		t.Errorf("%s: told %+v, found rmse %v, relative %v, max %v", label, e.Figures, math.Sqrt(squares/float64(n)), math.Sqrt(squares/references), worst)
	}
	if e.Relative == 0 || e.Relative > 0.5 || r.Tensors != len(f.Tensors) || r.Bytes != size {
		t.Errorf("%s: %+v", label, r)
	}
}

// The head of a tied network is not read by anybody, so it is left out, and that is told.
func TestTiedHead(t *testing.T) {
	in := small(t, llama(), nil) // with a head
	config := llama()
	config["tie_word_embeddings"] = true
	if err := writeJSON(filepath.Join(in, "config.json"), config); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "x.gguf")
	r := run(t, in, out, Options{})
	if _, there := openGGUF(t, out).Tensor("output.weight"); there || !strings.Contains(strings.Join(r.Notes, "\n"), "lm_head") {
		t.Errorf("head written: %t, notes %q", there, r.Notes)
	}
}

// A folder in another type keeps its other files, and says the new type.
func TestCast(t *testing.T) {
	in, out := small(t, llama(), nil), filepath.Join(t.TempDir(), "out")
	for name, text := range map[string]string{"tokenizer_config.json": "{}", "chat_template.jinja": "x", "model.py": "no", "pytorch_model.bin.index.json": "{}"} {
		if err := os.WriteFile(filepath.Join(in, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, in, out, Options{Type: "bf16"})
	var names []string
	entries, _ := os.ReadDir(out)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"chat_template.jinja", "config.json", "model.safetensors", "tokenizer_config.json"}; !cmp.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
	var c map[string]any
	text, _ := os.ReadFile(filepath.Join(out, "config.json"))
	if err := json.Unmarshal(text, &c); err != nil || c["torch_dtype"] != "bfloat16" {
		t.Error(err, c)
	}
	for _, x := range openHF(t, out).Tensors {
		if x.Type != dtype.BF16 {
			t.Errorf("%s is %v", x.Name, x.Type)
		}
	}
}
