package script

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pennyml/penny/task"
)

func take(t *testing.T, k task.Task, q task.Query, n int) []task.Problem {
	t.Helper()
	var out []task.Problem
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

// TestExamples: the same seed gives the same problems, each file's own answers and demonstrations are right, others are not.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/tasks/*.star")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d example tasks, %v", len(files), err)
	}
	weak := map[string]bool{"nest.star": true, "walk.star": true} // their demonstrations are right now and then
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			k, err := Open(file)
			if err != nil {
				t.Fatal(err)
			}
			problems := take(t, k, task.Query{Seed: 3}, 100)
			if d := cmp.Diff(problems, take(t, k, task.Query{Seed: 3}, 100)); d != "" {
				t.Errorf("one seed, two sets of problems: %s", d)
			}
			if cmp.Equal(problems, take(t, k, task.Query{Seed: 4}, 100)) {
				t.Error("two seeds, one set of problems")
			}
			if file == "../../examples/tasks/brackets.star" && len(take(t, k, task.Query{Seed: 3, Split: task.HeldOut}, 10)) == 0 {
				t.Error("nothing is held out")
			}
			wrong, shown := 0, 0
			for i, p := range problems {
				reply := "<answer>" + p.Answer + "</answer>"
				if strings.Contains(file, "brackets") || weak[filepath.Base(file)] {
					reply = p.Answer
				}
				if v, err := k.Grade(p, reply); err != nil || !v.Right {
					t.Fatalf("%s\nits own answer %q: %+v, %v", p.Prompt, p.Answer, v, err)
				}
				if v, err := k.Grade(p, "I do not know 7"); err != nil || v.Right {
					t.Fatalf("%s: nonsense is graded %+v, %v", p.Prompt, v, err)
				}
				other := problems[(i+1)%len(problems)]
				if v, err := k.Grade(p, strings.Replace(reply, p.Answer, other.Answer, 1)); err != nil {
					t.Fatal(err)
				} else if !v.Right {
					wrong++
				}
				if strings.Contains(file, "roman") {
					continue
				}
				text, err := k.Demonstrate(p, uint64(i))
				if err != nil {
					t.Fatal(err)
				}
				if v, err := k.Grade(p, text); err == nil && v.Right {
					shown++
				} else if err != nil || !weak[filepath.Base(file)] {
					t.Fatalf("%s\nits demonstration\n%s\n%+v, %v", p.Prompt, text, v, err)
				}
			}
			if weak[filepath.Base(file)] && (shown < 5 || shown > 60) {
				t.Errorf("%d of 100 demonstrations are right, want a weak solver", shown)
			}
			if wrong < 80 {
				t.Errorf("only %d of 100 answers to other problems are refused", wrong)
			}
		})
	}
}

// head is a task that is in order; tests replace its grade.
const head = `def problems(seed):
    return [{"n": 1}]
def prompt(p):
    return "?"
`

// gradeWith grades with a body of code for grade(p, text), which starts at line 6.
func gradeWith(body string) (task.Verdict, error) {
	src := head + "def grade(p, text):\n    " + strings.ReplaceAll(body, "\n", "\n    ") + "\n"
	k, err := Parse("bad.star", []byte(src))
	if err != nil {
		return task.Verdict{}, err
	}
	return k.Grade(task.Problem{Data: []byte(`{"n":1}`)}, "text")
}

// TestBounds: whatever a script does, it ends soon, with an error that names file and line.
func TestBounds(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"endless loop":       {"while True:\n    pass\n", "bad.star:[56]:.*more than 20000000 steps"},
		"long range":         {"for i in range(1000000000000):\n    x = i\nreturn 1", "bad.star:[67]:.*more than 20000000 steps"},
		"huge string":        {`x = "a" * 1000000000`, "bad.star:6:13: in grade: a string of 1000000000 times"},
		"doubled string":     {"s = text\nfor i in range(60):\n    s = s + s\nreturn 1", "bad.star:8:15: in grade: a value of .* bytes: at most"},
		"doubled by +=":      {"s = text\nfor i in range(60):\n    s += s\nreturn 1", "bad.star:8:11: in grade: a value of"},
		"doubled list":       {"s = [1]\nfor i in range(60):\n    s += s\nreturn 1", "bad.star:8:11: in grade: a value of"},
		"extended list":      {"s = [1]\nfor i in range(60):\n    s.extend(s)\nreturn 1", "bad.star:8:"},
		"huge list":          {"return len([0] * 10000000000)", "bad.star:6:"},
		"list of a range":    {"return len(list(range(10000000000)))", "bad.star:6:.*elements"},
		"max of a range":     {"return max(range(10000000000))", "bad.star:6:.*elements"},
		"max by key":         {"return max(range(1000000), key=lambda x: max(range(1000000)))", "bad.star:6:.*steps"},
		"many kept":          {"keep = []\nfor i in range(1000000):\n    keep.append(\"x\" * 100000)\nreturn 1", "bad.star:8:.*more than 67108864 bytes"},
		"many slices":        {"x = [0] * 100000\nkeep = []\nwhile True:\n    keep.append(x[:])", "bad.star:9:.*more than 67108864 bytes"},
		"replace":            {"s = \"a\" * 100000\nreturn len(s.replace(\"a\", s))", "bad.star:7:.*a value of"},
		"join":               {"s = \"a\" * 100000\nreturn len(\"\".join([s] * 100000))", "bad.star:7:.*a value of"},
		"join method kept":   {"j = \"\".join\ns = \"a\" * 100000\nreturn len(j([s] * 100000))", "bad.star:8:.*a value of"},
		"join by getattr":    {"s = \"a\" * 100000\nreturn len(getattr(\"\", \"join\")([s] * 100000))", "bad.star:7:.*a value of"},
		"format":             {"s = \"a\" * 1000000\nreturn len((\"{0}\" * 1000).format(s))", "bad.star:7:.*a value of"},
		"percent":            {"s = \"a\" * 1000000\nreturn len((\"%s\" * 100) % tuple([s] * 100))", "bad.star:7:.*a value of"},
		"printed DAG":        {"x = [1]\nfor i in range(60):\n    x = [x, x]\nreturn len(str(x))", "bad.star:9:.*a value of"},
		"compared DAG":       {"x = [0] * 1000\ny = [x] * 1000\nz = [y] * 1000\nreturn z == [y] * 1000", "bad.star:9:.*a value of"},
		"hashed DAG":         {"x = (1,)\nfor i in range(60):\n    x = (x, x)\nreturn {x: 1}", "bad.star:8:.*a value of"},
		"deep value":         {"x = []\nfor i in range(1000000):\n    x = [x]\nreturn len(str(x))", "bad.star:9:.*nested more than 100"},
		"endless recursion":  {"return grade(p, text)", "bad.star:6:.*called recursively"},
		"big integer":        {"x = 3\nfor i in range(60):\n    x = x * x\nreturn 1", "bad.star:8:.*integers of"},
		"long number":        {"return int(\"9\" * 1000000)", "bad.star:6:.*characters"},
		"deep JSON":          {"return json.decode(\"[\" * 1000000)", "bad.star:6:.*JSON nested"},
		"encoded DAG":        {"x = [1]\nfor i in range(60):\n    x = [x, x]\nreturn len(json.encode(x))", "bad.star:9:.*a value of"},
		"spread":             {"return max(*range(100000000))", "bad.star:6:.*elements"},
		"failed with much":   {"fail([\"a\" * 1000000] * 1000)", "bad.star:6:.*a value of"},
		"wrong return type":  {`return "yes"`, "bad.star:5:1: grade returned a string: want True, False, a number from 0 to 1"},
		"no return":          {"x = 1", "bad.star:5:1: grade returned a NoneType"},
		"list returned":      {"return [1]", "bad.star:5:1: grade returned a list"},
		"reward too large":   {"return 1.5", "bad.star:5:1: grade returned the reward 1.5"},
		"reward not finite":  {`return float("nan")`, "bad.star:5:1: grade returned the reward nan"},
		"reason not text":    {"return (1, 2)", "bad.star:5:1: grade returned a tuple: want"},
		"odd dict":           {`return {"score": 1}`, "bad.star:5:1: grade returned a dict with \"score\""},
		"wrong parts":        {`return {"parts": {"a": 1}}`, "bad.star:5:1: grade returned the part"},
		"negative weight":    {`return {"parts": {"a": (-1, 1)}}`, "bad.star:5:1: .*weight -1"},
		"error in the code":  {`return p["missing"]`, `bad.star:6:13: in grade: key "missing" not in dict`},
		"global changed":     {"problems.x = 1", "bad.star:6:"},
		"problem changed":    {"p[\"n\"] = 2\nreturn 1", "bad.star:6:.*frozen"},
		"load":               {"return 1\nload(\"x.star\", \"y\")", "bad.star:7:.*load"},
		"call in a target":   {"x = [1]\nx[len(x) - 1] += 1\nreturn 1", "bad.star:7:.*put what it returns into a variable"},
		"syntax":             {"return (1", "bad.star:"},
		"undefined":          {"return nothing", "bad.star:6:12: undefined: nothing"},
		"clock":              {"return time.now()", "bad.star:6:12: undefined: time"},
		"other operand type": {"return 1 + \"a\"", "bad.star:6:14: in grade: unknown binary op: int \\+ string"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			v, err := gradeWith(c.body)
			if err == nil {
				t.Fatalf("no error but %+v", v)
			}
			if !regexp.MustCompile(c.want).MatchString(err.Error()) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v\nwant %s", err, c.want)
			}
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

// TestVerdicts: the forms that grade may return, and that rewritten operators mean what they meant.
func TestVerdicts(t *testing.T) {
	for body, want := range map[string]float64{
		"return True": 1, "return False": 0, "return 0.25": 0.25, `return (1, "well done")`: 1, `return {"reward": 0.5, "reason": "half"}`: 0.5,
		`return {"parts": {"a": (3, 1), "b": (1, 0.5)}}`: 0.875, `return {"parts": {"a": (3, False), "b": (1, 1)}, "gate": "a"}`: 0,
		"x = [1]\ny = x\ny += [2]\nreturn len(x) == 2":                                                              1, // += grows a list in place
		"x = {\"a\": [1, 2]}\nx[\"a\"][0] += 4\nreturn x == {\"a\": [5, 2]}":                                        1,
		"a, b = 7, 2\nreturn (a // b, a % b, a - b, a * b, -a, a / b) == (3, 1, 5, 14, -7, 3.5)":                    1,
		"return 3 in [1, 2, 3] and 4 not in (1, 2) and \"b\" in \"abc\" and 1 in {1: 2} and not 2 in set([1])":      1,
		"return (1 << 4 | 1, 6 & 3, 6 ^ 3, 9 >> 1) == (17, 2, 5, 4) and 1 < 2 and 2 >= 2 and 1 != 2":                1,
		"return \"%d %s\" % (3, \"x\") == \"3 x\" and \"{} {a}\".format(1, a=2) == \"1 2\"":                         1,
		"f = lambda x, y=2: x + y\nreturn f(1) == 3 and f(*[1, 1]) == 2 and f(**{\"x\": 4}) == 6":                   1,
		"return [x * 2 for x in range(3) if x != 1] == [0, 4] and {x: 1 for x in [1]} == {1: 1}":                    1,
		"return sorted([3, 1, 2], reverse=True) == [3, 2, 1] and list(zip([1], [2])) == [(1, 2)]":                   1,
		"return math_equal(\"1/2\", \"0.5\") and extract(\"so \\\\boxed{7}\") == \"7\"":                             1,
		"return json.decode(json.encode({\"a\": [1, None]})) == {\"a\": [1, None]} and text[1:3] == \"ex\"":         1,
		"r = rng(1)\nq = rng(1)\nreturn [r.int(1, 9) for _ in range(20)] == [q.int(1, 9) for _ in range(20)]":       1,
		"r = rng(1)\nreturn sorted(r.shuffle(range(9))) == list(range(9)) and len(set(r.sample(range(9), 4))) == 4": 1,
	} {
		v, err := gradeWith(body)
		if err != nil || v.Reward != want || v.Right != (want == 1) {
			t.Errorf("%s\n%+v, %v; want %g", body, v, err, want)
		}
	}
}

func TestMissingParts(t *testing.T) {
	for src, want := range map[string]string{
		"x = 1": "bad.star: it does not define", "def problems(): return []\ndef prompt(p): return 1\ndef grade(p, t): return 1": "bad.star:1:1: problems has 0 parameters",
		"problems = 1\nprompt = 1\ngrade = 1": "is a int, not a function", "while True: pass": "bad.star:1:.*steps", strings.Repeat("#", maxSource+1): "at most 65536",
	} {
		if _, err := Parse("bad.star", []byte(src)); err == nil || !regexp.MustCompile(want).MatchString(err.Error()) {
			t.Errorf("%.60s: %v, want %s", src, err, want)
		}
	}
	for src, want := range map[string]string{
		`return "abc"`: "problems returned a string: want a list", "return [lambda x: x]": "problems returned what JSON cannot hold", "return 7": "a list",
	} {
		k, err := Parse("bad.star", []byte("def problems(seed):\n    "+src+"\ndef prompt(p): return 1\ndef grade(p, t): return 1\n"))
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range k.Problems(task.Query{}) {
			if err == nil || !strings.Contains(err.Error(), "bad.star:1:1: "+want) && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", src, err, want)
			}
		}
	}
}

// FuzzScript: no program breaks the bounds or the interpreter.
func FuzzScript(f *testing.F) {
	for _, s := range []string{"return 1", "x = text * 3\nreturn len(x) > 2", "for c in text.elems():\n    x = [c] * 9\nreturn True", "return {\"parts\": {\"a\": (1, 1)}}",
		"r = rng(7)\nreturn r.choice([0, 1])", "a = [1, (2, 3)]\na[0] += 2\nreturn str(a)", "return max([x for x in range(9)], key=lambda v: -v)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		v, err := gradeWith(body)
		if err == nil && (v.Reward < 0 || v.Reward > 1) {
			t.Errorf("%+v", v)
		}
	})
}
