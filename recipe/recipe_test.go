package recipe

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pennyml/penny/train"
	"github.com/pennyml/penny/train/optim"
)

const small = `# a comment
model: {arch: llama, hidden: 16, layers: 2, heads: 2, context: 64}
tokenizer:
  kind: char
data:
  sources:
    - files: text.txt
  length: 16
batch:
  global: 4
optimizer:
  lr: 1e-2
budget:
  steps: 12
`

func parse(t *testing.T, text string, settings ...string) *Recipe {
	t.Helper()
	r, err := Parse("r.yaml", "r", []byte(text), settings)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParse(t *testing.T) {
	r := parse(t, small)
	if len(r.Stages) != 1 || r.Stages[0].Kind != train.Pretrain || r.Stages[0].Optimizer.LR != 1e-2 || r.Stages[0].Data.Sources[0].Files[0] != "text.txt" ||
		r.Stages[0].Optimizer.Betas != optim.Default().Betas || r.Budget.Steps != 12 {
		t.Errorf("%+v", r)
	}
}

// TestMistakes: an error names the place and what was meant.
func TestMistakes(t *testing.T) {
	edit := func(old, new string) string { return strings.Replace(small, old, new, 1) }
	for _, c := range []struct{ text, want string }{
		{edit("optimizer:", "optimiser:"), "r.yaml:11: unknown key optimiser: did you mean optimizer?"},
		{edit("  lr: 1e-2", "  lr: 1e-2\n  weigth_decay: 0"), "r.yaml:13: unknown key optimizer.weigth_decay: did you mean optimizer.weight_decay?"},
		{edit("hidden: 16", "hiden: 16"), "r.yaml:2: unknown key model.hiden: did you mean model.hidden?"},
		{small + "lr: 1e-3\n", "r.yaml:15: unknown key lr: did you mean optimizer.lr?"},
		{small + "min_ratio: 0\n", "unknown key min_ratio: did you mean schedule.min_ratio?"},
		{edit("steps: 12", "steps: a dozen"), `r.yaml:14: budget.steps: want a whole number, found "a dozen"`},
		{edit("steps: 12", "steps: 12.5"), `r.yaml:14: budget.steps: want a whole number`},
		{edit("steps: 12", "steps: '12'"), `r.yaml:14: budget.steps: want a whole number`},
		{edit("global: 4", "[4]"), "r.yaml:10: batch: want keys with values, found a list"},
		{edit("lr: 1e-2", "betas: [0.9, 0.95, 0.99]"), "r.yaml:12: optimizer.betas: want a list of 2, found 3"},
		{edit("lr: 1e-2", "nesterov: 3"), "r.yaml:12: optimizer.nesterov: want true or false"},
		{edit("files: text.txt", "file: text.txt"), "r.yaml:7: unknown key data.sources[0].file: did you mean data.sources[0].files?"},
		{small + "budget:\n  steps: 1\n", "already defined"},
		{small + "stages:\n  - kind: pretrian\n", `kind: "pretrian", want pretrain, sft, rl, reject or distill`},
		{small + "stages:\n  - kind: pretrain\n    bach: {global: 2}\n", "r.yaml:17: unknown key stages[0].bach: did you mean stages[0].batch?"},
		{small + "stages:\n  - kind: pretrain\n  - kind: sft\n", "stages[0].budget: nothing ends the stage"},
		{edit("steps: 12", "steps: 0"), "budget: nothing ends the run"},
		{small + "precision: f16\n", `precision is "f16", want f32 or bf16`},
		{edit("kind: char", "kind: words"), `tokenizer: kind is "words"`},
		{edit("lr: 1e-2", "lr: -1"), "optimizer: lr is -1"},
		{edit("global: 4", "global: 0"), "batch.global: 0 rows"},
		{edit("arch: llama", "from: x, arch: llama"), "model: from names a checkpoint"},
		{"- 1\n", "want keys with values"},
		{"a: [\n", "r.yaml"},
		{"", "want one YAML document"},
	} {
		_, err := Parse("r.yaml", "r", []byte(c.text), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

func TestSettings(t *testing.T) {
	text := small + "stages:\n  - kind: pretrain\n    budget: {steps: 5}\n  - kind: sft\n    batch: {global: 2}\n"
	r := parse(t, text, "seed=7", "batch.micro=1", "batch.global=8", "stages.1.batch.micro=3", "data.sources[0].files=[a.txt, b.txt]", "stages.0.budget.steps=6",
		"lora={rank: 4, alpha: 8}", "stages.1.lora.rank=2")
	if r.Seed != 7 || r.Stages[0].Batch != (train.Batch{Global: 8, Micro: 1}) || r.Stages[1].Batch != (train.Batch{Global: 8, Micro: 3}) ||
		r.Stages[0].Data.Sources[0].Files[1] != "b.txt" || r.Stages[1].Data.Sources[0].Files[1] != "b.txt" || r.Stages[0].Budget.Steps != 6 ||
		r.Stages[0].LoRA.Rank != 4 || r.Stages[1].LoRA.Rank != 2 {
		t.Errorf("%+v", r.Stages)
	}
	for _, c := range []struct{ setting, want string }{
		{"seed", "want key=value"},
		{"=1", "want key=value"},
		{"sed=1", "--set sed=1: unknown key sed: did you mean seed?"},
		{"budget.step=1", "unknown key budget.step: did you mean budget.steps?"},
		{"budget.steps=x", "--set budget.steps=x: budget.steps: want a whole number"},
		{"data.sources.3.files=x", `data.sources has 1 elements, none of them "3"`},
		{"seed.x=1", "seed has no keys"},
		{"stages.2.name=x", "stages has 2 elements"},
	} {
		if _, err := Parse("r.yaml", "r", []byte(text), []string{c.setting}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.setting, err, c.want)
		}
	}
}

// TestResolvedAgain: the resolved recipe, read again, is the same.
func TestResolvedAgain(t *testing.T) {
	for _, text := range []string{small, small + "seed: 0\nloss: {mtp: 0}\noptimizer: {nesterov: false, groups: [{match: '*norm*', weight_decay: 0}]}\n",
		small + "checkpoint: {every: 3, keep_last: 0, keep_best: false}\nstages:\n  - kind: pretrain\n    budget: {steps: 5}\n    loss: {mtp: 0}\n  - kind: sft\n    batch: {global: 2}\n" +
			"    extend: {factor: 2}\n    optimizer: {weight_decay: 0, clip: 0}\n    lora: {rank: 3, alpha: 6, target: [q_proj]}\n"} {
		if strings.Count(text, "optimizer:") == 2 && !strings.Contains(text, "stages") {
			text = strings.Replace(text, "optimizer:\n  lr: 1e-2\n", "", 1)
		}
		first := parse(t, text)
		out, err := first.YAML()
		if err != nil {
			t.Fatal(err)
		}
		second, err := Parse("again.yaml", "r", out, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if !reflect.DeepEqual(first, second) {
			t.Errorf("%s\n%s", cmp.Diff(first, second), out)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"optimiser", "optimizer", 1}, {"weigth", "weight", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 1}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%s, %s: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := distance(c.b, c.a); got != c.want {
			t.Errorf("%s, %s: %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(small, "seed=1")
	f.Add(small, ".=1")
	f.Add(small+"stages:\n  - kind: sft\n", "data.sources.0.files=x")
	f.Fuzz(func(t *testing.T, text, setting string) {
		r, err := Parse("r.yaml", "r", []byte(text), []string{setting})
		if err != nil {
			return
		}
		if _, err := r.YAML(); err != nil {
			t.Errorf("%v", err)
		}
	})
}

// TestShipped: the recipes that come with the program are valid, and what they resolve to gives the same recipe.
func TestShipped(t *testing.T) {
	files, err := filepath.Glob("../recipes/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d recipes, %v", len(files), err)
	}
	for _, path := range files {
		r, err := Load(path, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		text, err := r.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again := parse(t, string(text))
		if b, err := again.YAML(); err != nil || string(b) != string(text) {
			t.Errorf("%s: %v: resolved\n%s\nresolved again\n%s", path, err, text, b)
		}
	}
}
