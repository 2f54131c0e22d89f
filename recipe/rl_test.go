package recipe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/model/zoo"
	"github.com/pennyml/penny/rl"
	"github.com/pennyml/penny/run"
	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/train"
)

// vowels is a task: the answer is right if half of it is the letter of the prompt.
type vowels struct{}

func (vowels) Problems(q task.Query) iter.Seq2[task.Problem, error] {
	return func(yield func(task.Problem, error) bool) {
		r := task.NewRand(q.Seed, 0)
		for {
			c := string("aeo"[r.IntN(3)])
			if !yield(task.Problem{ID: c, Prompt: c, Key: c, Split: q.Split}, nil) {
				return
			}
		}
	}
}

func (vowels) Grade(p task.Problem, text string) (task.Verdict, error) {
	if 2*strings.Count(text, p.Prompt) >= max(1, len(text)) {
		return task.Verdict{Right: true, Reward: 1}, nil
	}
	return task.Verdict{Reward: float64(strings.Count(text, p.Prompt)) / 100}, nil
}

const learning = `
model: MODEL
tokenizer: {kind: char, special: ["<eos>"], eos: "<eos>"}
seed: 4
data: {sources: [{files: TEXT}], length: 16}
optimizer: {lr: 1e-2, weight_decay: 0}
checkpoint: {every: 3}
stages:
  - kind: pretrain
    budget: {steps: 4}
  - kind: rl
    name: reinforce
    budget: {steps: 7}
    schedule: {shape: constant}
    eval: {every: 4}
    rl: {task: vowels, prompts: 4, group: 4, max_tokens: 6, degenerate: 0, mu: 2, minibatches: 2, kl: {beta: 0.01}, heldout: {problems: 5, samples: 2},
      curriculum: {low: 0.01, high: 0.99}}
`

func learningFile(t *testing.T, network string) string {
	path := filepath.Join(t.TempDir(), "rl.yaml")
	text := strings.NewReplacer("MODEL", network, "TEXT", corpus(t)).Replace(learning)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func openVowels(spec string) (task.Task, error) {
	if spec != "vowels" {
		return nil, fmt.Errorf("no task %q", spec)
	}
	return vowels{}, nil
}

const chain = `
model: {arch: llama, hidden: 24, layers: 2, heads: 2, context: 64}
tokenizer: {kind: char, special: ["<eos>"], eos: "<eos>"}
seed: 4
data: {sources: [{files: TEXT}], length: 16}
optimizer: {lr: 1e-2, weight_decay: 0}
checkpoint: {every: 3, keep_last: 2}
rl: {task: vowels, prompts: 6, group: 8, max_tokens: 6, degenerate: 0, heldout: {problems: 5, samples: 2}}
stages:
  - {kind: pretrain, budget: {steps: 6}}
  - kind: reject
    name: sift
    rl: {temperature: 1.5, rejection: {problems: 60, keep: 4, min_tokens: 1}}
  - kind: sft
    name: again
    model: {from: "stage:1-pretrain"}
    data: {sources: [{stage: sift}], sample: documents, length: 16, epochs: 1}
  - kind: distill
    name: small
    model: {arch: llama, hidden: 16, layers: 1, heads: 2, context: 64}
    teacher: {from: "stage:again", share: 0.7, temperature: 2}
    budget: {steps: 5}
  - kind: distill
    name: own-answers
    data: {sources: []}
    teacher: {from: "stage:again", reverse: true}
    budget: {steps: 3}
`

// TestChain: rejection sampling leaves a dataset that a stage learns from; a smaller network learns from a teacher, of data and of its own answers. Stopped again
// and again it all comes to the same.
func TestChain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chain.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(chain, "TEXT", corpus(t), 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	want := mustRun(t, path, Options{Threads: 1, OpenTask: openVowels, Dir: dir})
	text, err := os.ReadFile(filepath.Join(dir, "data", "sift.jsonl"))
	if err != nil || bytes.Count(text, []byte("\n")) < 2 {
		t.Fatalf("dataset of %d bytes: %v", len(text), err)
	}
	seen := map[string]bool{}
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var e rl.Example
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		v, _ := vowels{}.Grade(task.Problem{Prompt: e.Prompt}, e.Completion)
		if key := e.Key + e.Completion; !v.Right || seen[key] || e.Tokens < 1 {
			t.Errorf("kept %+v", e)
		} else {
			seen[key] = true
		}
	}
	c, err := zoo.ReadConfig(filepath.Join(dir, train.ModelDir))
	if err != nil || c.Hidden != 16 {
		t.Errorf("the last network is %+v: %v", c, err)
	}
	points, err := run.ReadMetrics(filepath.Join(dir, run.MetricsFile))
	if err != nil {
		t.Fatal(err)
	}
	if last := points[len(points)-1]; last["loss"] <= 0 || last["answers"] != 48 {
		t.Errorf("last step %v", last)
	}
	o := Options{Threads: 2, OpenTask: openVowels, Dir: filepath.Join(t.TempDir(), "run"), Resume: true}
	for stops := 0; ; stops++ {
		r, err := Load(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		o.View = &stopper{after: time.Duration(stops%3) * 2 * time.Millisecond, cancel: cancel}
		got, err := r.Run(ctx, o)
		cancel()
		if err != nil || stops > 300 {
			t.Fatalf("after %d stops: %v", stops, err)
		}
		if got.Outcome == ledger.Done {
			if got.State != want.State {
				t.Errorf("stopped %d times: state %.12s, want %.12s", stops, got.State, want.State)
			}
			break
		}
	}
}

// TestSamplingForetold: a dry run says at most how much stages that sample answers do, and nearly that where every answer is as long as it may be.
func TestSamplingForetold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chain.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(chain, "TEXT", corpus(t), 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	o := Options{Threads: 1, OpenTask: openVowels}
	r, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := r.DryRun(o)
	if err != nil {
		t.Fatal(err)
	}
	steps := map[string]int{}
	for _, s := range plan.Stages {
		steps[s.Name+" by "+s.EndsBy] = s.Steps
	}
	if steps["sift by problems"] != 10 || steps["small by steps"] != 5 || steps["own-answers by steps"] != 3 || len(plan.Stages) != 5 {
		t.Errorf("stages %v", steps)
	}
	if notes := strings.Join(plan.Notes, "\n"); !strings.Contains(notes, "stage sift: its operations are stated as if every answer had 6 tokens") ||
		!strings.Contains(notes, "stage again: what an earlier stage will leave") {
		t.Errorf("notes %s", notes)
	}
	for _, c := range []struct{ name, stages string }{
		{"rl", "- {kind: rl, budget: {steps: 4}, rl: {mu: 2, minibatches: 2, kl: {beta: 0.1}}, eval: {every: 2}}"},
		{"reject", "- {kind: reject, rl: {rejection: {problems: 30}}}"},
		{"distill", "- {kind: distill, budget: {steps: 4}, data: {sources: []}, teacher: {from: \"stage:1-pretrain\"}}"},
	} {
		head, _, _ := strings.Cut(chain, "stages:")
		text := strings.Replace(head, "TEXT", corpus(t), 1) + "stages:\n  - {kind: pretrain, budget: {steps: 1}}\n  " + c.stages + "\n"
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if r, err = Load(path, nil); err != nil {
			t.Fatal(err)
		}
		if plan, err = r.DryRun(o); err != nil {
			t.Fatal(err)
		}
		got := mustRun(t, path, o)
		if real := got.FLOPs.Float(); real > plan.FLOPs || real < 0.8*plan.FLOPs || got.Steps != plan.Stages[0].Steps+plan.Stages[1].Steps {
			t.Errorf("%s: %g FLOPs in %d steps, foretold %g: %+v", c.name, real, got.Steps, plan.FLOPs, plan.Stages)
		}
	}
}

// stopper stops a run some time after a step: at once, or while the next is under way.
type stopper struct {
	after  time.Duration
	cancel func()
}

func (*stopper) Begin(run.Info, run.Progress) {}
func (*stopper) Tick(run.Progress)            {}
func (*stopper) Sample(run.Sample)            {}
func (*stopper) Event(name, text string)      {}
func (*stopper) End(*ledger.Receipt)          {}
func (s *stopper) Row(run.Row, run.Progress) {
	if s.after == 0 {
		s.cancel()
	} else {
		time.AfterFunc(s.after, s.cancel)
	}
}

// TestReinforced: threads, how many answers are under way, and being stopped at every step change no bit of where reinforcement learning ends.
func TestReinforced(t *testing.T) {
	for _, network := range []string{"{arch: llama, hidden: 16, layers: 2, heads: 2, context: 64}", mixture} {
		path := learningFile(t, network)
		dir := filepath.Join(t.TempDir(), "run")
		want := mustRun(t, path, Options{Threads: 1, OpenTask: openVowels, Dir: dir})
		if want.Steps != 11 || want.Outcome != ledger.Done {
			t.Fatalf("%+v", want)
		}
		points, err := run.ReadMetrics(filepath.Join(dir, run.MetricsFile))
		if err != nil || len(points) != 11 {
			t.Fatalf("%d rows of metrics: %v", len(points), err)
		}
		for _, name := range []string{"reward", "pass_at_1", "pass_at_4", "degenerate", "entropy", "truncated", "discarded_flops", "grad_norm", "kl_loss"} {
			if _, ok := points[10][name]; !ok {
				t.Errorf("metrics of the last step have no %s: %v", name, points[10])
			}
		}
		if _, ok := points[7]["heldout_pass_at_2"]; !ok {
			t.Errorf("metrics of step 8 have no figure of what is held out: %v", points[7])
		}
		if got := mustRun(t, path, Options{Threads: 2, OpenTask: openVowels}, "rl.sequences=3"); got.State != want.State {
			t.Errorf("two threads: state %.12s, want %.12s", got.State, want.State)
		}
		o := Options{Threads: 1, OpenTask: openVowels, Dir: filepath.Join(t.TempDir(), "run"), Resume: true}
		for stops := 0; ; stops++ {
			r, err := Load(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			o.View = &stopper{after: time.Duration(stops%3) * 3 * time.Millisecond, cancel: cancel}
			got, err := r.Run(ctx, o)
			cancel()
			if err != nil || stops > 200 {
				t.Fatalf("after %d stops: %v", stops, err)
			}
			if got.Outcome == ledger.Done {
				if got.State != want.State || stops < 5 {
					t.Errorf("stopped %d times: state %.12s, want %.12s", stops, got.State, want.State)
				}
				break
			}
		}
	}
}

func TestReinforcedRecipe(t *testing.T) {
	text := strings.NewReplacer("MODEL", "{arch: llama, hidden: 16, layers: 2, heads: 2}", "TEXT", "t.txt").Replace(learning)
	r := parse(t, text, "rl.prompts=5", "rl.epsilon_high=0.3")
	c := r.Stages[1].RL
	if c.Prompts != 5 || *c.EpsilonHigh != 0.3 || c.Group != 4 || c.Temperature != 1 || c.Degenerate != 0 || r.Stages[0].RL != nil {
		t.Errorf("%+v", c)
	}
	again, err := r.YAML()
	if err != nil {
		t.Fatal(err)
	}
	r2 := parse(t, string(again))
	if b, err := r2.YAML(); err != nil || string(b) != string(again) {
		t.Errorf("%v: resolved\n%s\nresolved again\n%s", err, again, b)
	}
	for _, c := range []struct{ old, new, want string }{
		{"prompts: 4", "promts: 4", "unknown key stages[1].rl.promts: did you mean stages[1].rl.prompts?"},
		{"mu: 2,", "mu: 2, lambda: 0.9,", "stages[1].rl: rl: grpo has no lambda"},
		{"mu: 2,", "mu: 2, algorithm: ppo,", "stages[1].rl: value_token"},
		{"task: vowels,", "", "stages[1].rl: task: none"},
		{"group: 4", "group: 0", "stages[1].rl: group: 0"},
		{"  - kind: rl\n", "  - kind: distill\n", "stages[1].teacher: a stage that distils needs one"},
		{"  - kind: rl\n", "  - kind: distill\n    teacher: {from: \"stage:x\"}\n", "stages[1].teacher.from: no stage before this one is called \"x\""},
		{"  - kind: rl\n", "  - kind: rl\n    model: {from: \"stage:reinforce\"}\n", "stages[1].model.from: no stage before this one is called \"reinforce\""},
		{"  - kind: rl\n", "  - kind: reject\n", "stages[1].rl: rejection: problems: 0"},
		{"[{files: TEXT}]", "[{stage: reinforce}]", "stages[0].data.sources: stage"},
	} {
		if _, err := Parse("r.yaml", "r", []byte(strings.Replace(strings.Replace(text, "t.txt", "TEXT", 1), c.old, c.new, 1)), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
	if _, err := Parse("r.yaml", "r", []byte(small+"stages:\n  - kind: rl\n"), nil); err == nil || !strings.Contains(err.Error(), "needs the section rl") {
		t.Errorf("error %v", err)
	}
}
