package puzzle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/pennyml/penny/task"
)

var makers = map[string]func(*task.Options) (task.Task, error){
	"countdown": NewCountdown, "signs": NewSigns, "arithmetic": NewArithmetic, "sorting": NewSorting,
	"knights": NewKnights, "ordering": NewOrdering, "sudoku": NewSudoku,
}

func open(t testing.TB, spec string) task.Task {
	t.Helper()
	name, o, err := task.ParseSpec(spec)
	if err != nil {
		t.Fatal(err)
	}
	k, err := makers[name](o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func take(t testing.TB, k task.Task, q task.Query, n int) []task.Problem {
	t.Helper()
	out := make([]task.Problem, 0, n)
	for p, err := range k.Problems(q) {
		if err != nil {
			t.Fatal(err)
		}
		if out = append(out, p); len(out) == n {
			break
		}
	}
	return out
}

// specs are the settings that are tried throughout.
var specs = []string{
	"countdown", "countdown:operands=3,numbers=1-12,target=1-99,ops=+-*,form=chain,limit=99,style=compact", "countdown:operands=5,target=100-999",
	"countdown:operands=3,order=fixed,form=chain", "signs", "signs:style=words,tries=0", "arithmetic", "arithmetic:ops=+-*/,digits=1-9", "arithmetic:style=compact",
	"sorting", "sorting:kind=words,order=any", "knights", "knights:people=2-8", "ordering", "ordering:count=6", "sudoku", "sudoku:size=6", "sudoku:size=9",
}

// TestGenerated: every problem's own answer and demonstration are graded right, another problem's answer seldom is.
func TestGenerated(t *testing.T) {
	for _, spec := range specs {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			k := open(t, spec)
			n, misses := 60, 0
			for i, p := range take(t, k, task.Query{Seed: 7}, n) {
				reply := "<think>\nhm\n</think>\n<answer>" + p.Answer + "</answer>"
				if strings.Contains(spec, "compact") || spec == "signs" {
					if reply = ":" + p.Answer; strings.HasPrefix(spec, "arithmetic") {
						reply = p.Answer + "\n"
					}
				}
				if v, err := k.Grade(p, reply); err != nil || !v.Right || v.Reward != 1 {
					t.Fatalf("problem %d: %s\nits own answer %q: %+v, %v", i, p.Prompt, reply, v, err)
				}
				text, err := k.(task.Demonstrator).Demonstrate(p, uint64(i))
				if err != nil {
					t.Fatal(err)
				}
				v, err := k.Grade(p, text)
				if err != nil || !v.Right && !(spec == "signs" && v.Stage == "no answer") {
					t.Fatalf("problem %d: %s\nits demonstration\n%s\n%+v, %v", i, p.Prompt, text, v, err)
				}
				if !v.Right {
					misses++
				}
				for _, bad := range []string{"", "\n", "<answer></answer>", "the answer is 7 knights", strings.Repeat("(", 5000), "\\boxed{" + strings.Repeat("9", 5000) + "}"} {
					if v, err := k.Grade(p, bad); err != nil || v.Right {
						t.Fatalf("%q is graded %+v, %v", clip(bad), v, err)
					}
				}
			}
			if misses == n {
				t.Error("no demonstration hits")
			}
		})
	}
}

func hashes(t *testing.T, k task.Task, n int) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, p := range take(t, k, task.Query{Seed: 1}, n) {
		if err := enc.Encode(p); err != nil {
			t.Fatal(err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

var update = flag.Bool("update", false, "record the hashes of generated problems anew")

// TestSameEverywhere holds the problems of one seed to recorded hashes: 2,000 of them, and 100,000 where PENNY_DATA asks for the long tests.
func TestSameEverywhere(t *testing.T) {
	const file = "testdata/problems.json"
	if *update {
		out := map[string][2]string{}
		for name := range makers {
			k := open(t, name)
			out[name] = [2]string{hashes(t, k, 2000), hashes(t, k, 100_000)}
		}
		raw, _ := json.MarshalIndent(out, "", "  ")
		if err := os.WriteFile(file, append(raw, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string][2]string
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	long := os.Getenv("PENNY_DATA") != ""
	for name := range makers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := open(t, name)
			if got := hashes(t, k, 2000); got != want[name][0] {
				t.Errorf("2000 problems: hash %s, recorded %s", got, want[name][0])
			}
			if !long {
				return
			}
			if got := hashes(t, k, 100_000); got != want[name][1] {
				t.Errorf("100000 problems: hash %s, recorded %s", got, want[name][1])
			}
		})
	}
}

// TestHeldOut: no key that is held out appears in training, whatever the seed and the wording.
func TestHeldOut(t *testing.T) {
	for _, pair := range [][2]string{
		{"countdown:operands=3,numbers=1-12,ops=+-*", "countdown:operands=3,numbers=1-12,ops=+-*,form=chain,style=compact"},
		{"signs", "signs:style=words"}, {"arithmetic:digits=1-2", "arithmetic:digits=1-2,style=compact"}, {"knights:people=2", "knights:people=2-3"},
		{"sudoku", "sudoku:empty=8"}, {"ordering", "ordering:count=3-4"}, {"sorting:count=2,numbers=1-30", "sorting:count=2-3,numbers=1-20"},
	} {
		trained := map[string]bool{}
		for _, p := range take(t, open(t, pair[0]), task.Query{Seed: 1, Split: task.Train}, 1500) {
			trained[p.Key] = true
		}
		for _, p := range take(t, open(t, pair[1]), task.Query{Seed: 2, Split: task.HeldOut}, 300) {
			if trained[p.Key] {
				t.Errorf("%s: %q is trained on and held out", pair, p.Key)
			}
		}
	}
}

func TestFilters(t *testing.T) {
	for _, p := range take(t, open(t, "countdown"), task.Query{Seed: 3, Min: 5, Max: 7}, 100) {
		if p.Difficulty < 5 || p.Difficulty > 7 {
			t.Errorf("difficulty %g", p.Difficulty)
		}
	}
	seen := map[string]bool{}
	n := 0
	for p, err := range open(t, "arithmetic:digits=1,ops=+").Problems(task.Query{Distinct: true}) {
		if err != nil {
			if n != 45 || !strings.Contains(err.Error(), "new") {
				t.Errorf("after %d problems: %v; there are 45 sums of two digits", n, err)
			}
			return
		}
		if seen[p.Key] {
			t.Errorf("%s comes twice", p.Key)
		}
		seen[p.Key] = true
		n++
	}
}

// TestOneSolution proves uniqueness again, by means other than the generator's.
func TestOneSolution(t *testing.T) {
	for _, p := range take(t, open(t, "sudoku"), task.Query{Seed: 11}, 100) {
		var c Sudoku
		if err := json.Unmarshal(p.Data, &c); err != nil {
			t.Fatal(err)
		}
		if n := bruteSudoku([]byte(c.Grid), 0); n != 1 {
			t.Fatalf("%s has %d solutions", c.Grid, n)
		}
	}
	for _, p := range take(t, open(t, "knights"), task.Query{Seed: 11}, 200) {
		k := open(t, "knights")
		var c Knights
		if err := json.Unmarshal(p.Data, &c); err != nil {
			t.Fatal(err)
		}
		n := 0
		for m := range 1 << len(c.Names) {
			kinds := make([]int, len(c.Names))
			for i := range kinds {
				kinds[i] = m >> i & 1
			}
			if v, err := k.Grade(p, "<answer>"+c.tell(kinds)+"</answer>"); err != nil {
				t.Fatal(err)
			} else if v.Right {
				n++
			}
		}
		if n != 1 {
			t.Fatalf("%d answers are right to\n%s", n, p.Prompt)
		}
	}
}

// bruteSudoku counts solutions of a 4x4 grid cell by cell, checking rows, columns and boxes directly.
func bruteSudoku(g []byte, i int) int {
	if i == len(g) {
		return 1
	}
	if g[i] != '.' {
		return bruteSudoku(g, i+1)
	}
	n := 0
	for d := byte('1'); d <= '4'; d++ {
		ok := true
		for j := range g {
			same := i/4 == j/4 || i%4 == j%4 || i/8 == j/8 && i%4/2 == j%4/2
			ok = ok && !(same && g[j] == d)
		}
		if ok {
			g[i] = d
			n += bruteSudoku(g, i+1)
			g[i] = '.'
		}
	}
	return n
}

func TestCountdownGrades(t *testing.T) {
	k := open(t, "countdown")
	p := task.Problem{ID: "x", Data: json.RawMessage(`{"numbers":[3,5,8,2],"target":10}`)}
	for text, want := range map[string]string{
		"<answer>(3 + 5) / 8 * 2 * 5</answer>":               "numbers",
		"<answer>8 + 5 - 3</answer>":                         "numbers",
		"<answer>(8 * 5) / (3 + 2)</answer>":                 "value",
		"<answer>8 + 5 - 3 + 2</answer>":                     "value",
		"<answer>(5 - 3) * (8 - 2) </answer>":                "value",
		"<answer>8 * 2 - (3 + 5)</answer>":                   "value",
		"<answer>(3 - 2) * (8 - 5)":                          "syntax",
		"<answer>8 / (5 - 3) + 2</answer>":                   "value",
		"<answer>8 + (5 - 3) ** 2</answer>":                  "syntax",
		"<answer>-(3 - 5) + 8 * 2 </answer>":                 "numbers",
		"<answer>8 / (5 - 3 - 2)</answer>":                   "value",
		"<answer>3 5 + 8 2</answer>":                         "syntax",
		"</think> So \\boxed{\\frac{8 \\times 5}{2} - 3}":    "value",
		"<answer>5 * (8 - 3 * 2) = 10</answer>":              "right",
		"The answer is 5 * (8 - 3 × 2).":                     "right",
		"<answer>5 * (8 - 3 * 2) = 11</answer>":              "syntax",
		"\\boxed{5 \\cdot \\left(8 - 3 \\times 2\\right)}":   "right",
		"<answer>5*(8-3*2)</answer> or <answer>8+2</answer>": "numbers",
		"<answer>5*(8-3*2)</answer></think>10":               "numbers",
		"":                                                   "no answer",
	} {
		v, err := k.Grade(p, text)
		stage := v.Stage
		if v.Right {
			stage = "right"
		}
		if err != nil || stage != want {
			t.Errorf("%s: %s (%s), %v; want %s", text, stage, v.Reason, err, want)
		}
	}
}

func TestHostileData(t *testing.T) {
	for name := range makers {
		k := open(t, name)
		for _, data := range []string{"", "null", "{}", `{"numbers":[1,2,3,4,5,6,7],"target":1}`, `{"a":1,"b":0,"op":"/"}`, `{"items":[]}`, `{"size":4,"grid":"9...............x"}`,
			`{"names":["a","b"],"says":[{"kind":"or"},{"kind":"is"}]}`, `{"names":["a","b"],"says":[{"kind":"is","a":9},{"kind":"is"}]}`, `{"names":["a","b"],"clues":[{"kind":"left","a":-1}]}`} {
			p := task.Problem{ID: "x", Data: json.RawMessage(data)}
			if v, err := k.Grade(p, "1 2 3"); err == nil && v.Right {
				t.Errorf("%s: %s is graded right", name, data)
			}
			_, _ = k.(task.Demonstrator).Demonstrate(p, 1)
		}
	}
}

func FuzzGrade(f *testing.F) {
	var tasks []task.Task
	var problems []task.Problem
	for _, spec := range specs {
		k := open(f, spec)
		tasks, problems = append(tasks, k), append(problems, take(f, k, task.Query{Seed: 5}, 1)...)
		f.Add(len(tasks)-1, "<answer>"+problems[len(tasks)-1].Answer+"</answer>")
	}
	f.Add(0, "\\boxed{\\frac{1}{2}}")
	f.Fuzz(func(t *testing.T, i int, text string) {
		i = (i%len(tasks) + len(tasks)) % len(tasks)
		v, err := tasks[i].Grade(problems[i], text)
		if err != nil || v.Right && v.Reward != 1 || !v.Right && v.Reward != 0 {
			t.Errorf("%q: %+v, %v", text, v, err)
		}
	})
}

func BenchmarkProblems(b *testing.B) {
	for _, spec := range append(specs, "countdown:operands=6") {
		b.Run(spec, func(b *testing.B) {
			k := open(b, spec)
			b.ResetTimer()
			take(b, k, task.Query{Seed: 9}, b.N)
		})
	}
}

func TestComparedTraces(t *testing.T) {
	for _, c := range []struct {
		steps  []string
		target int
		want   string
	}{
		{[]string{"9-4=5", "5+7=12"}, 12, "9<12-4=5<12+7=12=12"},
		{[]string{"10+2=12"}, 3, "10>3+2=12>3"},
	} {
		if got := compared(c.steps, c.target); got != c.want {
			t.Errorf("%v: %s, want %s", c.steps, got, c.want)
		}
	}
	signs, err := NewSigns(options(t, "signs:tries=1,notes=compare"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for p, err := range signs.Problems(task.Query{Seed: 5}) {
		if err != nil {
			t.Fatal(err)
		}
		text, err := signs.(task.Demonstrator).Demonstrate(p, uint64(n))
		if err != nil {
			t.Fatal(err)
		}
		v, err := signs.Grade(p, text)
		if err != nil || v.Right != strings.Contains(text, ":") {
			t.Fatalf("%s%s: right %v (%s), %v", p.Prompt, text, v.Right, v.Reason, err)
		}
		if two := "1<2;" + text; strings.Contains(text, ":") {
			if v, _ := signs.Grade(p, two); v.Right {
				t.Fatalf("two tries pass for one: %s", two)
			}
		}
		if n++; n == 200 {
			break
		}
	}
	quiet, err := NewSigns(options(t, "signs:tries=1,silence=0.25"))
	if err != nil {
		t.Fatal(err)
	}
	p := take(t, quiet, task.Query{Seed: 5}, 1)[0]
	for text, want := range map[string]float64{"1?2\n": 0.25, "1?2:1+1\n": 0, ":" + p.Answer: 1} {
		if v, err := quiet.Grade(p, text); err != nil || v.Reward != want || v.Right != (want == 1) {
			t.Errorf("%q: %+v %v, want the reward %v", text, v, err, want)
		}
	}
	if _, err := NewSigns(options(t, "signs:style=words,notes=compare")); err == nil {
		t.Error("notes=compare without style=compact was accepted")
	}
}

// With working=checked an answer counts only if all that is said on the way is true.
func TestWorkingChecked(t *testing.T) {
	signs, err := NewSigns(options(t, "signs:operands=2-4,notes=compare,working=checked,silence=0.33"))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range take(t, signs, task.Query{Seed: 9}, 200) {
		text, err := signs.(task.Demonstrator).Demonstrate(p, uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		want := 0.33
		if strings.Contains(text, ":") {
			want = 1
		}
		if v, err := signs.Grade(p, text); err != nil || v.Reward != want {
			t.Fatalf("%s%s: reward %v (%s), %v, want %v", p.Prompt, text, v.Reward, v.Reason, err, want)
		}
		working, _, _ := strings.Cut(strings.TrimSpace(text), ":")
		for at := range working { // another character anywhere is a falsehood, or cannot be read
			b := []byte(text)
			if b[at]++; b[at] == '9'+1 {
				b[at] = '0'
			}
			if v, err := signs.Grade(p, string(b)); err != nil || v.Reward != 0 || v.Right {
				t.Fatalf("%s%s: reward %v (%s), %v, want 0", p.Prompt, b, v.Reward, v.Reason, err)
			}
		}
	}
	if _, err := NewSigns(options(t, "signs:working=checked")); err == nil {
		t.Error("working=checked without notes=compare was accepted")
	}
}

func options(t *testing.T, spec string) *task.Options {
	t.Helper()
	_, o, err := task.ParseSpec(spec)
	if err != nil {
		t.Fatal(err)
	}
	return o
}
