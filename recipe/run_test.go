package recipe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/meter"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/model/zoo"
	"github.com/pennyml/penny/run"
	"github.com/pennyml/penny/train"
)

// These make the test binary a program that runs the recipe named by the one, or says what it would take if the other is set too.
const (
	runEnv = "PENNY_TEST_RECIPE"
	dryEnv = "PENNY_TEST_DRY"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(runEnv); path != "" {
		if err := program(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// program runs a recipe and prints the peak of the memory it took, or what that would be.
func program(path string) error {
	r, err := Load(path, nil)
	if err != nil {
		return err
	}
	if os.Getenv(dryEnv) != "" {
		plan, err := r.DryRun(Options{Threads: 1})
		if err == nil {
			fmt.Println(plan.PeakMemory)
		}
		return err
	}
	_, err = r.Run(context.Background(), Options{Dir: filepath.Join(filepath.Dir(path), "run"), Threads: 1, Resume: true})
	fmt.Println(meter.PeakMemory())
	return err
}

// corpus writes a text that can be learnt and returns its path.
func corpus(t *testing.T) string {
	r := rand.New(rand.NewPCG(1, 1))
	var b strings.Builder
	for b.Len() < 6000 {
		fmt.Fprintf(&b, "the %s sees the %s.\n", []string{"cat", "dog", "bird"}[r.IntN(3)], []string{"tree", "house", "road"}[r.IntN(3)])
	}
	path := filepath.Join(t.TempDir(), "text.txt")
	if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// recipeFile writes the recipe of the tests, with the text's path, and more lines.
func recipeFile(t *testing.T, text, more string) string {
	dir := t.TempDir()
	path := filepath.Join(dir, "small.yaml")
	content := strings.Replace(small, "text.txt", text, 1) + more
	for _, key := range []string{"model", "batch", "optimizer", "budget"} { // the later stands
		if first := regexp.MustCompile("(?m)^" + key + ":.*\n( .*\n)*"); len(first.FindAllString(content, -1)) > 1 {
			at := first.FindStringIndex(content)
			content = content[:at[0]] + content[at[1]:]
		}
	}
	content = strings.Replace(content, "  length: 16\n", "  length: 16\n  sample: crops\n  val: {fraction: 0.1}\n", 1)
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustRun(t *testing.T, path string, o Options, settings ...string) *Result {
	t.Helper()
	r, err := Load(path, settings)
	if err != nil {
		t.Fatal(err)
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "run")
	}
	result, err := r.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// mixture is a network with latent attention, experts and a multi-token prediction module.
const mixture = "{arch: deepseek_v3, hidden: 16, layers: 2, heads: 2, context: 64, mtp: 1, moe: {experts: 4, used: 2, shared: 1, dense_layers: 1}}"

// TestSameState: threads, micro-batches, memory saved by computing again, and the instruction set change no bit of where a run ends.
func TestSameState(t *testing.T) {
	best := cpu.Best()
	defer func() { cpu.Use(best) }()
	path := recipeFile(t, corpus(t), "checkpoint: {every: 5}\n")
	for _, variant := range []string{"precision=f32", "optimizer.kind=muon", "optimizer.ema=0.9", "model=" + mixture} {
		want := mustRun(t, path, Options{Threads: 1}, variant)
		if !want.State.Valid() || want.Steps != 12 || want.ValLoss == nil || want.Tokens != 12*4*16 {
			t.Fatalf("%+v", want)
		}
		check := func(what string, o Options, settings ...string) {
			t.Helper()
			if got := mustRun(t, path, o, append(settings, variant)...); got.State != want.State || *got.ValLoss != *want.ValLoss {
				t.Errorf("%s, %s: state %.12s, validation %v; want %.12s, %v", variant, what, got.State, *got.ValLoss, want.State, *want.ValLoss)
			}
		}
		check("two threads", Options{Threads: 2})
		check("micro-batches of 1", Options{Threads: 1}, "batch.micro=1")
		check("micro-batches of 3", Options{Threads: 2}, "batch.micro=3")
		check("layers run again", Options{Threads: 2}, "recompute=true")
		for _, level := range cpu.Levels {
			if level < best {
				if err := cpu.Use(level); err != nil {
					t.Fatal(err)
				}
				check(level.String(), Options{Threads: 2})
			}
		}
		if err := cpu.Use(best); err != nil {
			t.Fatal(err)
		}
		if got := mustRun(t, path, Options{Threads: 1}, variant, "seed=2"); got.State == want.State {
			t.Errorf("%s: another seed came to the same state", variant)
		}
	}
}

// TestKilled: a run that is killed again and again, without warning, comes to the same state as one that never was.
func TestKilled(t *testing.T) {
	more := "checkpoint: {every: 2}\neval: {every: 3}\nbudget: {steps: 120}\n"
	path := recipeFile(t, corpus(t), more)
	want := mustRun(t, path, Options{Threads: 2})
	killed := 0
	for try := 0; ; try++ {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), runEnv+"="+path)
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(300+37*try)*time.Millisecond, func() { c.Process.Kill() })
		err := c.Wait()
		timer.Stop()
		if err == nil {
			break
		}
		if killed++; killed > 60 {
			t.Fatal("the run does not get on")
		}
	}
	dir := filepath.Join(filepath.Dir(path), "run")
	got := mustRun(t, path, Options{Threads: 1, Resume: true, Dir: dir}) // nothing is left to do
	if killed == 0 {
		t.Skip("the run ended before it could be killed")
	}
	if got.State != want.State || *got.ValLoss != *want.ValLoss || got.Steps != 120 {
		t.Errorf("killed %d times: state %.12s after %d steps, want %.12s", killed, got.State, got.Steps, want.State)
	}
	points, err := run.ReadMetrics(filepath.Join(dir, run.MetricsFile))
	if err != nil || len(points) != 120 {
		t.Errorf("%d rows of metrics (%v), want one a step", len(points), err)
	}
	if _, _, err := run.Verify(dir); err != nil {
		t.Errorf("the account: %v", err)
	}
	for _, name := range []string{"config.json", "model.safetensors", "tokenizer.json"} {
		a, err := os.ReadFile(filepath.Join(want.Model, name))
		b, err2 := os.ReadFile(filepath.Join(got.Model, name))
		if err != nil || err2 != nil || string(a) != string(b) {
			t.Errorf("%s of the exported model differs (%v, %v)", name, err, err2)
		}
	}
	t.Logf("killed %d times", killed)
}

// TestInterrupted: a run that is told to stop saves itself and can go on, with a larger budget too.
func TestInterrupted(t *testing.T) {
	path := recipeFile(t, corpus(t), "schedule: {steps: 20}\nmodel: "+mixture+"\n")
	want := mustRun(t, path, Options{Threads: 1}, "budget.steps=20")
	dir := filepath.Join(t.TempDir(), "run")
	r, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	stopped, err := r.Run(ctx, Options{Dir: dir, Threads: 1})
	if err != nil || stopped.Outcome != ledger.Interrupted || stopped.Steps != 1 || stopped.Model != "" {
		t.Fatalf("%+v, %v", stopped, err)
	}
	if _, err := r.Run(context.Background(), Options{Dir: dir, Threads: 1}); err == nil || !strings.Contains(err.Error(), "already holds a run") {
		t.Errorf("a run was begun in the place of another: %v", err)
	}
	if got := mustRun(t, path, Options{Dir: dir, Threads: 1, Resume: true}); got.Steps != 12 || got.Outcome != ledger.Done {
		t.Errorf("%+v", got)
	}
	if got := mustRun(t, path, Options{Dir: dir, Threads: 1, Resume: true}, "budget.steps=20"); got.Steps != 20 || got.State != want.State {
		t.Errorf("%+v, want the state %.12s", got, want.State)
	}
	other, err := Load(path, []string{"optimizer.lr=1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Run(context.Background(), Options{Dir: dir, Threads: 1, Resume: true}); err == nil || !strings.Contains(err.Error(), "another recipe") {
		t.Errorf("went on with another recipe: %v", err)
	}
}

// TestMemory: the peak is within a tenth of what the dry run says.
func TestMemory(t *testing.T) {
	for _, more := range []string{"model: {arch: llama, hidden: 256, layers: 5, heads: 4, context: 64}\n",
		"model: {arch: deepseek_v3, hidden: 128, layers: 5, heads: 4, context: 64, mtp: 1, moe: {experts: 8, dense_layers: 2}}\noptimizer: {ema: 0.9, kind: muon}\n",
		"model: {arch: llama, hidden: 256, layers: 5, heads: 4, context: 64}\nrecompute: true\nbatch: {micro: 16, global: 64}\n"} {
		path := recipeFile(t, corpus(t), more+"budget: {steps: 4}\n")
		size := func(env ...string) float64 {
			c := exec.Command(os.Args[0])
			c.Env = append(append(os.Environ(), runEnv+"="+path), env...)
			out, err := c.CombinedOutput()
			n, bad := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
			if err != nil || bad != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			return float64(n)
		}
		plan, real := size(dryEnv+"=1"), size()
		if real == 0 {
			t.Skip("this system does not tell what memory is taken")
		}
		t.Logf("%.1f MB, foretold %.1f MB", real/1e6, plan/1e6)
		if plan < 0.9*real || plan > 1.1*real {
			t.Errorf("%s: %.1f MB, foretold %.1f MB", more, real/1e6, plan/1e6)
		}
	}
}

func TestBudgets(t *testing.T) {
	path := recipeFile(t, corpus(t), "")
	whole := mustRun(t, path, Options{Threads: 1})
	flops := whole.FLOPs.Float()
	for _, c := range []struct {
		setting, reason string
		check           func(*Result) bool
	}{
		{"budget.tokens=200", "tokens", func(r *Result) bool { return r.Tokens == 256 }},
		{fmt.Sprintf("budget.flops=%g", flops/3), "flops", func(r *Result) bool { return r.Steps > 1 && r.Steps < 8 }},
		{"budget.dollars=1e-12", "dollars", func(r *Result) bool { return r.Steps <= 1 }},
		{"budget.minutes=1e-7", "minutes", func(r *Result) bool { return r.Steps <= 1 }},
		{"budget.steps=3", "steps", func(r *Result) bool { return r.Steps == 3 }},
	} {
		r := mustRun(t, path, Options{Threads: 2}, c.setting)
		if r.Reason != c.reason || !c.check(r) || r.Outcome != ledger.Done || r.ValLoss == nil || r.Model == "" {
			t.Errorf("%s: %+v", c.setting, r)
		}
	}
}

// TestLearns: what is learnt can be read by whoever opens the exported folder, and is better than chance.
func TestLearns(t *testing.T) {
	path := recipeFile(t, corpus(t), "export: {gguf: q8_0}\n")
	r := mustRun(t, path, Options{Threads: 2}, "budget.steps=60", "export.gguf=f32", "eval.first=true")
	if entries, err := os.ReadFile(filepath.Join(r.Dir, "ledger.jsonl")); err != nil || !strings.Contains(string(entries), "before the first step: val_loss ") {
		t.Errorf("the loss that it begins with is not recorded: %v", err)
	}
	if *r.ValLoss > 1.6 {
		t.Errorf("validation loss %v", *r.ValLoss)
	}
	for _, path := range []string{r.Model, r.Model + ".gguf"} {
		m, err := zoo.Open(path, model.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		c, err := m.NewCache(8)
		if err != nil {
			t.Fatal(err)
		}
		if logits, err := model.Prefill(m, c, []int32{1, 2, 3}, 0); err != nil || len(logits) != m.Config().Vocab {
			t.Errorf("%s: %d logits, %v", path, len(logits), err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestStages: a recipe of several stages, stopped in any, goes on to the same end; the second stage has a longer context.
func TestStages(t *testing.T) {
	more := "stages:\n  - kind: pretrain\n    budget: {steps: 7}\n  - kind: pretrain\n    name: longer\n    budget: {steps: 5}\n    extend: {factor: 2}\n    data: {length: 100}\n" +
		"    batch: {global: 1}\n  - kind: sft\n    budget: {steps: 3}\n    lora: {rank: 2, alpha: 4}\n    optimizer: {lr: 0.1}\n"
	path := recipeFile(t, corpus(t), more)
	want := mustRun(t, path, Options{Threads: 2}, "budget.steps=100")
	if want.Steps != 15 {
		t.Fatalf("%+v", want)
	}
	dir := filepath.Join(t.TempDir(), "run")
	for steps := 1; steps <= 15; steps += 3 {
		mustRun(t, path, Options{Dir: dir, Threads: 1, Resume: true}, fmt.Sprintf("budget.steps=%d", steps), "schedule.shape=constant")
	}
	want = mustRun(t, path, Options{Threads: 2}, "budget.steps=100", "schedule.shape=constant")
	got := mustRun(t, path, Options{Dir: dir, Threads: 1, Resume: true}, "budget.steps=100", "schedule.shape=constant")
	if got.State != want.State || got.Steps != 15 {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	for _, name := range []string{"model/model.safetensors", "stages/1-pretrain/model.safetensors", "stages/longer/model.safetensors", "model-adapter/adapter_model.safetensors"} {
		a, err := os.ReadFile(filepath.Join(want.Dir, name))
		b, err2 := os.ReadFile(filepath.Join(got.Dir, name))
		if err != nil || err2 != nil || string(a) != string(b) {
			t.Errorf("%s differs (%v, %v)", name, err, err2)
		}
	}
	text, err := os.ReadFile(filepath.Join(got.Model, "config.json"))
	var config struct {
		Context int `json:"max_position_embeddings"`
	}
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil || config.Context != 128 {
		t.Errorf("context %d after extending (%v)", config.Context, err)
	}
}

// TestDiverged: a run that comes to nothing stops and says so, or skips.
func TestDiverged(t *testing.T) {
	path := recipeFile(t, corpus(t), "divergence: {spike: 1.0001, window: 2}\n")
	r, err := Load(path, []string{"optimizer.lr=3"})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	_, err = r.Run(context.Background(), Options{Dir: dir, Threads: 1})
	if !errors.Is(err, train.ErrDiverged) || !strings.Contains(err.Error(), "step") {
		t.Errorf("error %v", err)
	}
	if s, _, err := run.Verify(dir); err != nil || s == nil {
		t.Errorf("the account of a failed run: %v", err)
	}
	got := mustRun(t, path, Options{Threads: 2}, "optimizer.lr=3", "divergence.policy=skip", "divergence.most=100")
	if got.Steps != 12 {
		t.Errorf("%+v", got)
	}
	points, err := os.ReadFile(filepath.Join(got.Dir, run.LedgerFile))
	if err != nil || !strings.Contains(string(points), `"skip"`) {
		t.Errorf("no skipped step in the account (%v)", err)
	}
}
