package mathgrade

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/pennyml/penny/task"
)

var update = flag.Bool("update", false, "rewrite the table of decided lines in docs/GRADING.md")

type caseLine struct {
	ID       string          `json:"id"`
	Pred     json.RawMessage `json:"pred"`
	Gold     json.RawMessage `json:"gold"`
	Expected json.RawMessage `json:"expected"`
	Form     string          `json:"form"`
	Policy   string          `json:"policy"`
	Disputed bool            `json:"disputed"`
	Text     string          `json:"text"`
	Rule     string          `json:"rule"`
}

func data(t testing.TB) string {
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set: no conformance data")
	}
	return dir
}

func readLines[T any](t testing.TB, name string) []T {
	t.Helper()
	f, err := os.Open(filepath.Join(data(t), name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []T
	s := bufio.NewScanner(f)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// texts is a string, null (no answer) or a list of strings.
func texts(raw json.RawMessage) []string {
	var s *string
	var l []string
	if json.Unmarshal(raw, &s) == nil {
		if s == nil {
			return []string{""}
		}
		return []string{*s}
	}
	if err := json.Unmarshal(raw, &l); err != nil {
		panic(err)
	}
	return l
}

func gradeLine(l caseLine) task.Verdict {
	pred, gold := texts(l.Pred), texts(l.Gold)
	switch l.Form {
	case "text":
		return Grade(pred[0], gold[0], Options{})
	case "answer-list":
		return Answer(strings.Join(pred, ", "), strings.Join(gold, ", "), Options{})
	case "answer-any-of":
		var v task.Verdict
		for _, g := range gold {
			if v = Answer(pred[0], g, Options{}); v.Right {
				break
			}
		}
		return v
	}
	return Answer(pred[0], gold[0], Options{})
}

func TestVerdicts(t *testing.T) {
	all := readLines[caseLine](t, "conformance/maths/verdicts.jsonl")
	good, total := 0, 0
	byPolicy := map[string][2]int{}
	var table []string
	var slowest time.Duration
	for _, l := range all {
		want := string(l.Expected) == "true"
		start := time.Now()
		v := gradeLine(l)
		slowest = max(slowest, time.Since(start))
		if l.Disputed {
			continue
		}
		total++
		n := byPolicy[l.Policy]
		n[1]++
		if v.Right == want {
			good++
			n[0]++
		} else {
			t.Logf("%s %s want %v: pred %.150s gold %.150s got %q %s: %s", l.ID, l.Policy, want, tail(texts(l.Pred)), tail(texts(l.Gold)), v.Extracted, v.Stage, v.Reason)
			table = append(table, fmt.Sprintf("| %s | %s | %s | %s | %v | %v | %s |", l.ID, l.Policy, cell(texts(l.Pred)), cell(texts(l.Gold)), want, v.Right, why(l.ID, v)))
		}
		byPolicy[l.Policy] = n
	}
	t.Logf("%d of %d verdicts agree (%.1f %%), slowest %v", good, total, 100*float64(good)/float64(total), slowest)
	if good*100 < total*95 {
		t.Errorf("%d of %d verdicts agree, want 95 %%", good, total)
	}
	checkTable(t, table, byPolicy)
}

func tail(s []string) string {
	j := strings.Join(s, " ; ")
	if len(j) > 150 {
		j = "..." + j[len(j)-147:]
	}
	return j
}

func cell(s []string) string {
	return "`" + strings.NewReplacer("|", "\\|", "`", "'", "\n", " ").Replace(tail(s)) + "`"
}

func checkTable(t *testing.T, table []string, byPolicy map[string][2]int) {
	path := "../../docs/GRADING.md"
	doc, err := os.ReadFile(path)
	if err != nil {
		if *update {
			t.Fatal(err)
		}
		t.Skipf("no %s", path)
	}
	const head, foot = "<!-- decided: begin -->\n", "<!-- decided: end -->"
	i, j := strings.Index(string(doc), head), strings.Index(string(doc), foot)
	if i < 0 || j < i {
		t.Fatalf("%s has no table between %q and %q", path, head, foot)
	}
	var policies []string
	for p := range byPolicy {
		policies = append(policies, p)
	}
	sort.Strings(policies)
	var b strings.Builder
	b.WriteString("| Policy | Agree | Lines |\n|---|---|---|\n")
	for _, p := range policies {
		fmt.Fprintf(&b, "| %s | %d | %d |\n", p, byPolicy[p][0], byPolicy[p][1])
	}
	b.WriteString("\n| Line | Policy | Answer | Expected answer | Theirs | Ours | Our reason |\n|---|---|---|---|---|---|---|\n")
	b.WriteString(strings.Join(table, "\n") + "\n")
	if got := string(doc[i+len(head) : j]); got != b.String() {
		if !*update {
			t.Errorf("%s lists other lines than those decided against; run with -update and read the difference", path)
			return
		}
		if err := os.WriteFile(path, []byte(string(doc[:i+len(head)])+b.String()+string(doc[j:])), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// decided holds, for lines we decide against, the policy behind it where the verdict's own reason does not say enough.
var decided = map[string]string{
	"mv-0030": "A formula may span lines; theirs reads `\\( \\)` on one line only.", "mv-0300": "A formula may span lines; theirs reads `\\( \\)` on one line only.",
	"mv-0129": "Two digits do not stand for 1/3: a rounded decimal needs four. Theirs was told to compare two places.",
	"mv-0380": "Two digits do not stand for 1/3: a rounded decimal needs four. Theirs was told to compare two places.",
	"mv-0186": "Two boxes with `++++++` between them are not one answer: the last box counts.",
	"mv-0211": "A box that never closes is no answer.",
	"mv-0256": "1+1/e is not 1-1/e; the source verdict is wrong.",
	"mv-0464": "Items of a bare list come in any order: they are solutions. The strict verdict keeps the order.",
	"mv-0471": "Items of a bare list come in any order: they are solutions. The strict verdict keeps the order.",
	"mv-0543": "2 is a whole number and exact; it is no rounding of 2.0001.", "mv-0544": "75 is 0.75 only with a percent sign.",
	"mv-0569": "The last number is taken where nothing marks the answer; theirs wants a box.", "mv-0743": "The last number is taken where nothing marks the answer; theirs wants a marker.",
	"mv-0788": "A decimal of four or more digits may round the exact value (lenient only; the strict verdict refuses it).",
	"mv-1136": "A decimal of four or more digits may round the exact value (lenient only; the strict verdict refuses it).",
	"mv-0791": "50 % is 1/2.", "mv-1142": "50 % is 0.5.", "mv-0906": "`{,}` between digits is a thousands separator; theirs does not know it.",
	"mv-0978": "42 is 42.0.", "mv-0984": "4.0 is 4.", "mv-0985": "Words are compared without case (lenient only).",
	"mv-1027": "A tuple keeps its order; theirs was told that this one is an unordered list.",
	"mv-1089": "The expected sentence names option B; theirs compares it whole.",
}

func why(id string, v task.Verdict) string {
	if s := decided[id]; s != "" {
		return s
	}
	return strings.ReplaceAll(v.Stage+": "+v.Reason, "|", "\\|")
}
