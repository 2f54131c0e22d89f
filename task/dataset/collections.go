package dataset

import (
	"archive/zip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/codegrade"
	"github.com/pennyml/penny/task/mathgrade"
)

const boxed = "\n\nReason step by step, and put your final answer within \\boxed{}."

// mathSources are the collections of mathematics. Those by contests of the MAA are for evaluation only.
var mathSources = map[string]source{
	"gsm8k":         {train: []string{"gsm8k/train.jsonl"}, held: []string{"gsm8k/test.jsonl"}, read: readGSM8K},
	"math":          {train: []string{"math/train7474.json"}, held: []string{"math/test.jsonl"}, read: readMath},
	"math500":       {held: []string{"math500/test.jsonl"}, read: readMath},
	"aime":          {held: []string{"aime/aime1983-2023.json"}, read: readMath},
	"aime24":        {held: []string{"aime/aime24.json"}, read: readMath},
	"amc":           {held: []string{"amc/amc83.json"}, read: readMath},
	"amc23":         {held: []string{"amc/amc23.jsonl"}, read: readMath},
	"olympiadbench": {held: []string{"olympiadbench/test.jsonl"}, read: readMath},
	"deepmath":      {train: []string{"deepmath/math_deepmath_4994.jsonl"}, read: readMath, byHash: true},
}

// Math opens a collection of mathematics by name.
func Math(name string, env Env, o *task.Options) (task.Task, error) {
	return newTask(name, env, mathSources[name]), o.Done()
}

func mathRecord(question, answer string) record {
	return record{question: question, prompt: question + boxed, answer: answer, details: details{Grader: "math"}}
}

func readGSM8K(path string) ([]record, error) {
	list, err := rows[struct{ Question, Answer string }](path)
	if err != nil {
		return nil, err
	}
	var out []record
	for i, x := range list {
		gold, ok := mathgrade.Marked(x.Answer)
		if !ok {
			return nil, fmt.Errorf("problem %d: its answer has no ####", i+1)
		}
		r := mathRecord(x.Question, gold)
		r.difficulty = float64(strings.Count(strings.TrimSpace(x.Answer), "\n")) // steps of the given solution
		out = append(out, r)
	}
	return out, nil
}

// mathRow is a problem in any of the forms that the collections have.
type mathRow struct {
	ID          any    `json:"id"`
	Unique      string `json:"unique_id"`
	Problem     string `json:"problem"`
	Question    string `json:"question"`
	Prompt      string `json:"prompt"`
	Context     string `json:"context"`
	Answer      any    `json:"answer"`
	FinalAnswer any    `json:"final_answer"`
	GroundTruth any    `json:"ground_truth"`
	Solution    any    `json:"solution"`
	Difficulty  any    `json:"difficulty"`
	Level       any    `json:"level"`
	Type        string `json:"type"`
	Subject     string `json:"subject"`
	Subfield    string `json:"subfield"`
	Error       any    `json:"error"` // how far the answer may be off
}

func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

// readMath reads problems with a final answer, or with a solution that boxes it; those without either cannot be graded and are left out.
func readMath(path string) ([]record, error) {
	list, err := rows[mathRow](path)
	if err != nil {
		return nil, err
	}
	var out []record
	for _, x := range list {
		answer := first(plain(x.Answer), plain(x.FinalAnswer), plain(x.GroundTruth))
		if answer == "" {
			answer, _ = mathgrade.LastBox(plain(x.Solution))
		}
		if answer == "" { // MATH's training file has a few
			continue
		}
		question := first(x.Problem, x.Question, x.Prompt)
		if x.Context != "" {
			question = x.Context + "\n\n" + question
		}
		r := mathRecord(question, answer)
		r.difficulty, _ = strconv.ParseFloat(strings.TrimPrefix(first(plain(x.Difficulty), plain(x.Level)), "Level "), 64)
		r.details.Subject, r.details.Tolerance = first(x.Subject, x.Type, x.Subfield), plain(x.Error)
		if id := first(x.Unique, plain(x.ID)); id != "" {
			r.id = strings.TrimSuffix(id, ".json")
		}
		out = append(out, r)
	}
	return out, nil
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// choiceRecord puts options behind a question, each with its letter.
func choiceRecord(question string, options []string, gold byte) (record, error) {
	if len(options) < 2 || len(options) > 10 || gold < 'A' || gold >= 'A'+byte(len(options)) {
		return record{}, fmt.Errorf("%d options, answer %q", len(options), gold)
	}
	var b strings.Builder
	b.WriteString(question + "\n")
	for i, o := range options {
		fmt.Fprintf(&b, "\n%c. %s", letters[i], o)
	}
	return record{question: b.String(), prompt: b.String() + "\n\nThink step by step, then finish with \"The answer is X.\", where X is the letter of the right option.",
		answer: string(gold), details: details{Grader: "choice", Options: letters[len(options)-1 : len(options)], Stem: question, Choices: options}}, nil
}

// ARC opens the AI2 Reasoning Challenge.
func ARC(env Env, o *task.Options) (task.Task, error) {
	return newTask("arc", env, source{train: []string{"arc/ARC-Challenge-Dev.jsonl"}, held: []string{"arc/ARC-Challenge-Test.jsonl"}, read: readARC}), o.Done()
}

func readARC(path string) ([]record, error) {
	type row struct {
		ID       string
		Question struct {
			Stem    string
			Choices []struct{ Text, Label string }
		}
		AnswerKey string
	}
	list, err := rows[row](path)
	if err != nil {
		return nil, err
	}
	var out []record
	for i, x := range list {
		var options []string
		gold := byte(0)
		for j, c := range x.Question.Choices {
			options = append(options, c.Text)
			if c.Label == x.AnswerKey {
				gold = 'A' + byte(j)
			}
		}
		r, err := choiceRecord(x.Question.Stem, options, gold)
		if err != nil {
			return nil, fmt.Errorf("problem %d: %w", i+1, err)
		}
		r.id = x.ID
		out = append(out, r)
	}
	return out, nil
}

// MMLU opens the Massive Multitask test, all subjects or one: its development and validation questions train, its test questions are held out.
func MMLU(env Env, o *task.Options) (task.Task, error) {
	subject := o.String("subject", "")
	read := func(path string) ([]record, error) {
		out, err := readMMLU(path, subject)
		if err == nil && len(out) == 0 {
			err = fmt.Errorf("no subject %q", subject)
		}
		return out, err
	}
	return newTask("mmlu", env, source{train: []string{"mmlu/mmlu.zip"}, read: read}), o.Done()
}

func readMMLU(file, subject string) ([]record, error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	var out []record
	for _, f := range z.File {
		kind := path.Base(path.Dir(f.Name))
		name, ok := strings.CutSuffix(path.Base(f.Name), "_"+kind+".csv")
		if !ok || !slices.Contains([]string{"dev", "val", "test"}, kind) || subject != "" && name != subject {
			continue
		}
		split := task.Train
		if kind == "test" {
			split = task.HeldOut
		}
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		sheet := csv.NewReader(io.LimitReader(r, maxFile))
		sheet.LazyQuotes = true // some questions quote in the middle of a field
		list, err := sheet.ReadAll()
		_ = r.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		for i, row := range list {
			if len(row) != 6 || len(row[5]) != 1 {
				return nil, fmt.Errorf("%s: line %d: %d fields: want a question, four options and a letter", f.Name, i+1, len(row))
			}
			c, err := choiceRecord(row[0], row[1:5], row[5][0])
			if err != nil {
				return nil, fmt.Errorf("%s: line %d: %w", f.Name, i+1, err)
			}
			c.id, c.split, c.details.Subject = fmt.Sprintf("%s/%s/%d", kind, name, i), split, name
			out = append(out, c)
		}
	}
	return out, nil
}

// bbhParts are the parts of BIG-Bench Hard that are read.
var bbhParts = []string{"boolean_expressions", "date_understanding", "dyck_languages", "logical_deduction_three_objects", "multistep_arithmetic_two",
	"navigate", "object_counting", "web_of_lies", "word_sorting"}

// BBH opens BIG-Bench Hard, all parts or one.
func BBH(env Env, o *task.Options) (task.Task, error) {
	part := o.Choice("part", append([]string{"all"}, bbhParts...)...)
	s := source{read: readBBH}
	for _, p := range bbhParts {
		if part == "all" || part == p {
			s.held = append(s.held, "bbh/"+p+".json")
		}
	}
	return newTask("bbh", env, s), o.Done()
}

var bbhOption = regexp.MustCompile(`(?m)^\(([A-Z])\)`)

func readBBH(file string) ([]record, error) {
	type sheet struct {
		Examples []struct{ Input, Target string }
	}
	list, err := rows[sheet](file)
	if err != nil {
		return nil, err
	}
	subject := strings.TrimSuffix(filepath.Base(file), ".json")
	var out []record
	for _, x := range list[0].Examples {
		r := record{question: x.Input, answer: x.Target, details: details{Grader: "exact", Subject: subject},
			prompt: x.Input + "\n\nThink step by step, then give only the answer inside <answer> </answer>."}
		if _, err := strconv.Atoi(x.Target); err == nil {
			r.details.Grader, r.prompt = "math", x.Input+boxed
		}
		if o := bbhOption.FindAllStringSubmatch(x.Input, -1); len(o) > 1 && len(x.Target) == 3 {
			r.answer, r.details.Grader, r.details.Options = x.Target[1:2], "choice", o[len(o)-1][1]
			r.prompt = x.Input + "\n\nThink step by step, then finish with \"The answer is X.\", where X is the letter of the right option."
		}
		out = append(out, r)
	}
	return out, nil
}

// HumanEval opens OpenAI's programming problems in Python, or their translation to Go.
func HumanEval(env Env, o *task.Options) (task.Task, error) {
	return newTask("humaneval", env, source{held: []string{"humaneval/HumanEval.jsonl.gz"}, read: readHumanEval}), o.Done()
}

func readHumanEval(path string) ([]record, error) {
	type row struct {
		ID       string `json:"task_id"`
		Prompt   string `json:"prompt"`
		Entry    string `json:"entry_point"`
		Solution string `json:"canonical_solution"`
		Test     string `json:"test"`
	}
	list, err := rows[row](path)
	if err != nil {
		return nil, err
	}
	var out []record
	for _, x := range list {
		out = append(out, codeRecord(strings.TrimPrefix(x.ID, "HumanEval/"), x.Prompt, x.Prompt+x.Solution,
			codegrade.Job{Language: "python", Tests: jsonText(x.Test), Entry: x.Entry, Setup: x.Prompt}))
	}
	return out, nil
}

// HumanEvalGo opens MultiPL-E's translation of HumanEval to Go.
func HumanEvalGo(env Env, o *task.Options) (task.Task, error) {
	return newTask("humaneval-go", env, source{held: []string{"humaneval/humaneval-go.jsonl"}, read: readHumanEvalGo}), o.Done()
}

var goFunc = regexp.MustCompile(`(?m)^func (\w+)\(`)

func readHumanEvalGo(path string) ([]record, error) {
	list, err := rows[struct{ Name, Prompt, Tests string }](path)
	if err != nil {
		return nil, err
	}
	var out []record
	for i, x := range list {
		m := goFunc.FindAllStringSubmatch(x.Prompt, -1)
		if m == nil {
			return nil, fmt.Errorf("problem %d: the prompt has no function", i+1)
		}
		out = append(out, codeRecord(strings.TrimPrefix(x.Name, "HumanEval_"), x.Prompt, "",
			codegrade.Job{Language: "go", Tests: jsonText(x.Tests), Entry: m[len(m)-1][1]}))
	}
	return out, nil
}

func codeRecord(id, head, solution string, job codegrade.Job) record {
	return record{id: id, question: head, answer: solution, details: details{Grader: "code", Code: &job, Head: head},
		prompt: fmt.Sprintf("Complete this function. Give the whole program in one ```%s block.\n\n```%s\n%s```", job.Language, job.Language, strings.TrimRight(head, "\n")+"\n")}
}

func jsonText(s string) json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always has JSON
	}
	return b
}

// MBPP opens Google's programming problems: the published test range (11 to 510) is held out.
func MBPP(env Env, o *task.Options) (task.Task, error) {
	return newTask("mbpp", env, source{train: []string{"mbpp/mbpp.jsonl"}, read: readMBPP}), o.Done()
}

func readMBPP(path string) ([]record, error) {
	type row struct {
		Text, Code string
		ID         int      `json:"task_id"`
		Setup      string   `json:"test_setup_code"`
		Tests      []string `json:"test_list"`
		Challenge  []string `json:"challenge_test_list"`
	}
	list, err := rows[row](path)
	if err != nil {
		return nil, err
	}
	var out []record
	for _, x := range list {
		tests, err := json.Marshal(append(append([]string{x.Setup}, x.Tests...), x.Challenge...))
		if err != nil {
			return nil, err
		}
		r := record{id: strconv.Itoa(x.ID), question: x.Text, answer: x.Code, split: task.Train,
			details: details{Grader: "code", Code: &codegrade.Job{Language: "python", Tests: tests}},
			prompt:  x.Text + "\n\nYour code must pass these tests:\n\n```python\n" + strings.Join(x.Tests, "\n") + "\n```\n\nGive the whole program in one ```python block."}
		if x.ID >= 11 && x.ID <= 510 {
			r.split = task.HeldOut
		}
		out = append(out, r)
	}
	return out, nil
}

// JSONL opens any file of problems: options name its fields and its grader.
func JSONL(env Env, o *task.Options) (task.Task, error) {
	file := o.String("file", "")
	grader := o.Choice("grader", graders[:3]...)
	question, answer, choices := o.String("question", "question"), o.String("answer", "answer"), o.String("choices", "choices")
	difficulty, suffix := o.String("difficulty", "difficulty"), o.String("suffix", map[string]string{"math": boxed}[grader])
	if err := o.Done(); err != nil {
		return nil, err
	}
	if file == "" {
		return nil, fmt.Errorf("task jsonl: want file=PATH, as in jsonl:file=problems.jsonl,grader=math,question=problem,answer=solution")
	}
	read := func(string) ([]record, error) {
		list, err := rows[map[string]any](file)
		if err != nil {
			return nil, err
		}
		var out []record
		for i, x := range list {
			r := record{question: plain(x[question]), answer: plain(x[answer]), details: details{Grader: grader}}
			r.prompt = r.question + suffix
			if r.question == "" || r.answer == "" {
				return nil, fmt.Errorf("problem %d: fields %q and %q: want texts", i+1, question, answer)
			}
			if grader == "choice" {
				if r, err = choiceFields(x, choices, r); err != nil {
					return nil, fmt.Errorf("problem %d: %w", i+1, err)
				}
			}
			r.difficulty, _ = strconv.ParseFloat(plain(x[difficulty]), 64)
			out = append(out, r)
		}
		return out, nil
	}
	dir, base := filepath.Split(file)
	env.Data = filepath.Clean("./" + dir)
	if filepath.IsAbs(file) {
		env.Data = filepath.Clean(dir)
	}
	name, _, _ := strings.Cut(base, ".")
	return newTask(name, env, source{train: []string{base}, read: read, byHash: true}), nil
}

// choiceFields reads options, and an answer that is a letter, a number from 0, or one of the options.
func choiceFields(x map[string]any, field string, r record) (record, error) {
	list, _ := x[field].([]any)
	options := make([]string, len(list))
	for i, o := range list {
		options[i] = plain(o)
	}
	gold := byte(0)
	if n, err := strconv.Atoi(r.answer); err == nil && n >= 0 && n < len(options) && !slices.Contains(options, r.answer) {
		gold = 'A' + byte(n)
	} else if i := slices.Index(options, r.answer); i >= 0 {
		gold = 'A' + byte(i)
	} else if len(r.answer) == 1 {
		gold = r.answer[0]
	}
	return choiceRecord(r.question, options, gold)
}
