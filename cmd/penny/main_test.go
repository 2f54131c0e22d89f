package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/sandbox"
)

// The test binary is penny itself when this is set, so that tests see exit codes and streams as users do.
const asPenny = "PENNY_TEST_AS_PENNY"

func TestMain(m *testing.M) {
	sandbox.Main()
	if os.Getenv(asPenny) != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

type outcome struct {
	stdout, stderr string
	code           int
}

// penny runs one command line; env entries are NAME=value.
func penny(t *testing.T, stdin string, env []string, args ...string) outcome {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(append(os.Environ(), asPenny+"=1", "PENNY_HOME="+t.TempDir()), env...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return outcome{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// jsonOut runs one command line that has to succeed and decodes what it prints.
func jsonOut(t *testing.T, env []string, args ...string) map[string]any {
	t.Helper()
	o := penny(t, "", env, args...)
	if o.code != 0 {
		t.Fatalf("penny %v: exit %d: %s", args, o.code, o.stderr)
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(o.stdout), &m); err != nil {
		t.Fatalf("penny %v printed %q: %v", args, o.stdout, err)
	}
	return m
}

// tinyLlama writes a random two-layer Llama as a Hugging Face folder without a tokenizer.
func tinyLlama(t *testing.T, typ dtype.Type) string {
	t.Helper()
	const vocab, hidden, inter, heads, kv, dim, layers = 96, 64, 96, 4, 2, 16, 2
	dir, rng := t.TempDir(), rand.New(rand.NewPCG(1, 1))
	config := fmt.Sprintf(`{"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":%d,"hidden_size":%d,"intermediate_size":%d,
		"num_attention_heads":%d,"num_key_value_heads":%d,"num_hidden_layers":%d,"rms_norm_eps":1e-5,"rope_theta":10000,"hidden_act":"silu",
		"max_position_embeddings":128,"tie_word_embeddings":false,"bos_token_id":1,"eos_token_id":2,"torch_dtype":"float32"}`,
		vocab, hidden, inter, heads, kv, layers)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	var w safetensors.Writer
	add := func(name string, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64()) * 0.15
			if len(shape) == 1 {
				x[i]++
			}
		}
		data := make([]byte, typ.RowBytes(n))
		if err := dtype.Encode(typ, data, x); err != nil {
			t.Fatal(err)
		}
		w.AddTensor(safetensors.Tensor{Name: name, Type: typ, DType: strings.ToUpper(typ.String()), Shape: shape, Data: data})
	}
	add("model.embed_tokens.weight", vocab, hidden)
	add("lm_head.weight", vocab, hidden)
	add("model.norm.weight", hidden)
	for l := range layers {
		p := fmt.Sprintf("model.layers.%d.", l)
		add(p+"input_layernorm.weight", hidden)
		add(p+"post_attention_layernorm.weight", hidden)
		add(p+"self_attn.q_proj.weight", heads*dim, hidden)
		add(p+"self_attn.k_proj.weight", kv*dim, hidden)
		add(p+"self_attn.v_proj.weight", kv*dim, hidden)
		add(p+"self_attn.o_proj.weight", hidden, heads*dim)
		add(p+"mlp.gate_proj.weight", inter, hidden)
		add(p+"mlp.up_proj.weight", inter, hidden)
		add(p+"mlp.down_proj.weight", hidden, inter)
	}
	if err := w.WriteFile(filepath.Join(dir, "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	return dir
}

const someIDs = "5,17,3,80,41,41,9,66,12,90,33,7,28,54,2,71,19,60"

// TestSameBits is the product's promise, from the command line: neither threads nor chunks nor the instruction-set level change a bit.
func TestSameBits(t *testing.T) {
	for _, typ := range []dtype.Type{dtype.F32, dtype.BF16} {
		model := tinyLlama(t, typ)
		for _, compute := range []string{"auto", "f32", "bf16", "q8"} {
			score := func(env []string, args ...string) string {
				m := jsonOut(t, env, append([]string{"score", model, "--ids", someIDs, "--json", "--compute", compute}, args...)...)
				return fmt.Sprint(m["logits_sha256"], m["bits"])
			}
			want := score([]string{"PENNY_ISA=generic"}, "--threads", "1")
			for _, l := range cpu.Levels {
				if l <= cpu.Best() && score([]string{"PENNY_ISA=" + l.String()}, "--threads", "2") != want {
					t.Errorf("%v --compute %s: level %v differs from the reference", typ, compute, l)
				}
			}
			for _, chunk := range []string{"1", "7", "64"} {
				if score(nil, "--chunk", chunk, "--threads", "2") != want {
					t.Errorf("%v --compute %s: --chunk %s differs", typ, compute, chunk)
				}
			}
		}
	}
}

func TestRunScoresWhatItSampled(t *testing.T) {
	model := tinyLlama(t, dtype.BF16)
	r := jsonOut(t, nil, "run", model, "--ids", someIDs, "-n", "12", "--temp", "0.9", "--top-p", "0.9", "--seed", "5", "--json")
	for _, key := range []string{"text", "reasoning", "prompt_ids", "ids", "logprobs", "finish_reason", "timings"} {
		if _, ok := r[key]; !ok {
			t.Errorf("no key %q in %v", key, r)
		}
	}
	ids := r["ids"].([]any)
	if len(ids) != 12 || r["finish_reason"] != "length" {
		t.Fatalf("%d ids, finish %v; want 12, length", len(ids), r["finish_reason"])
	}
	all := someIDs
	for _, id := range ids {
		all += fmt.Sprintf(",%v", id)
	}
	s := jsonOut(t, nil, "score", model, "--ids", all, "--chunk", "5", "--json")
	scored, sampled := s["logprobs"].([]any), r["logprobs"].([]any)
	if !slices.Equal(scored[len(scored)-12:], sampled) {
		t.Errorf("sampled %v, scored %v", sampled, scored[len(scored)-12:])
	}
	again := jsonOut(t, nil, "run", model, "--ids", someIDs, "-n", "12", "--temp", "0.9", "--top-p", "0.9", "--seed", "5", "--json", "--threads", "1")
	if !slices.Equal(again["ids"].([]any), ids) {
		t.Errorf("same seed: %v and %v", ids, again["ids"])
	}
}

func TestScoreWritesLogits(t *testing.T) {
	model, out := tinyLlama(t, dtype.F32), filepath.Join(t.TempDir(), "l.safetensors")
	s := jsonOut(t, nil, "score", model, "--ids", "1,2,3,4", "--logits", out, "--against", "f32", "--compute", "bf16", "--json")
	f, err := safetensors.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if l, ok := f.Tensor("logits"); !ok || !slices.Equal(l.Shape, []int{4, 96}) || l.Type != dtype.F32 {
		t.Errorf("logits: %+v", l.Shape)
	}
	a := s["against"].(map[string]any)
	if kl := a["mean_kl"].(float64); !(kl > 0 && kl < 0.05) {
		t.Errorf("bf16 against f32: mean KL %v", kl)
	}
}

func TestErrorsAndExitCodes(t *testing.T) {
	model := tinyLlama(t, dtype.F32)
	broken := filepath.Join(t.TempDir(), "x.gguf")
	if err := os.WriteFile(broken, []byte("GGUF\x03\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		env  []string
		args []string
		code int
		want string
	}{
		{"no verb", nil, nil, 2, "hint"},
		{"unknown flag", nil, []string{"run", model, "--nonsense"}, 2, "nonsense"},
		{"unknown compute", nil, []string{"run", model, "x", "--compute", "int3"}, 2, "compute"},
		{"no such model", nil, []string{"run", "no-such-model", "x"}, 1, "no-such-model"},
		{"broken file", nil, []string{"run", broken, "x"}, 1, "x.gguf"},
		{"no tokenizer", nil, []string{"run", model, "hello"}, 1, "--ids"},
		{"id outside the vocabulary", nil, []string{"score", model, "--ids", "1,96"}, 1, "96"},
		{"bad id", nil, []string{"score", model, "--ids", "1,x"}, 1, "entry 2"},
		{"beyond the context", nil, []string{"run", model, "--ids", "1,2", "-n", "4", "--ctx", "1000"}, 1, "128"},
		{"bad temperature", nil, []string{"run", model, "--ids", "1,2", "-n", "4", "--temp=-1"}, 1, "temperature"},
		{"bad level", []string{"PENNY_ISA=sse9"}, []string{"run", model, "--ids", "1,2", "-n", "1"}, 1, "sse9"},
	} {
		o := penny(t, "", c.env, c.args...)
		if o.code != c.code || !strings.Contains(o.stderr, c.want) || strings.Contains(o.stderr, "goroutine") {
			t.Errorf("%s: exit %d, want %d; stderr %q, want %q in it", c.name, o.code, c.code, o.stderr, c.want)
		}
	}
}

func TestInspect(t *testing.T) {
	m := jsonOut(t, nil, "inspect", tinyLlama(t, dtype.BF16), "--json", "--no-speed")
	if m["architecture"] != "llama" || m["params"] != m["active_params"] || len(m["tensors"].([]any)) != 3+2*9 || m["context"] != 128.0 {
		t.Errorf("inspect: %v", m)
	}
	if m["bytes"].(float64) != 2*m["params"].(float64) {
		t.Errorf("%v bytes of bf16 for %v parameters", m["bytes"], m["params"])
	}
}
