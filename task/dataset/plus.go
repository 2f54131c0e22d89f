package dataset

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/codegrade"
)

//go:embed plus.py
var plusPy string

// HumanEvalPlus opens HumanEval with the inputs that EvalPlus adds: about 750 more a problem, or about 7 with inputs=mini.
func HumanEvalPlus(env Env, o *task.Options) (task.Task, error) {
	file := "humaneval/HumanEvalPlus.jsonl.gz"
	if o.Choice("inputs", "all", "mini") == "mini" {
		file = "humaneval/HumanEvalPlus-Mini.jsonl.gz"
	}
	return newTask("humanevalplus", env, source{held: []string{file}, read: readHumanEvalPlus}), o.Done()
}

func readHumanEvalPlus(path string) ([]record, error) {
	type row struct {
		ID       string            `json:"task_id"`
		Prompt   string            `json:"prompt"`
		Entry    string            `json:"entry_point"`
		Solution string            `json:"canonical_solution"`
		Base     []json.RawMessage `json:"base_input"`
		Plus     []json.RawMessage `json:"plus_input"`
		Within   float64           `json:"atol"`
	}
	list, err := rows[row](path)
	if err != nil {
		return nil, err
	}
	var out []record
	for _, x := range list {
		inputs, err := json.Marshal(append(x.Base, x.Plus...))
		if err != nil {
			return nil, err
		}
		solution := x.Prompt + x.Solution
		test := fmt.Sprintf("REFERENCE = %s\nNAME = %s\nINPUTS = %s\nTOLERANCE = %g\n", pythonText(solution), pythonText(x.Entry), pythonText(string(inputs)), x.Within)
		out = append(out, codeRecord(strings.TrimPrefix(x.ID, "HumanEval/"), x.Prompt, solution,
			codegrade.Job{Language: "python", Tests: jsonText(test + plusPy), Entry: x.Entry, Setup: x.Prompt, Limits: &codegrade.Limits{CPUSeconds: 60, MemoryMB: 2048}}))
	}
	return out, nil
}

// pythonText is a Python literal: JSON's escapes mean the same there, but for those of characters beyond the first plane, which JSON here leaves as they are.
func pythonText(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string always has JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}

const deepScalerSuffix = "Let's think step by step and output the final answer within \\boxed{}."

// DeepScaleR opens the subset of DeepScaleR that One-Shot-RLVR trains on.
func DeepScaleR(env Env, o *task.Options) (task.Task, error) {
	return newTask("deepscaler", env, source{train: []string{"deepscaler/dsr_sub.parquet"}, read: readDeepScaleR, byHash: true}), o.Done()
}

func readDeepScaleR(path string) (out []record, err error) {
	defer func() {
		if v := recover(); v != nil { // the library panics over some damaged files
			err = fmt.Errorf("damaged: %v", v)
		}
	}()
	type row struct {
		Prompt []struct {
			Content string `parquet:"content"`
		} `parquet:"prompt,list"`
		Reward struct {
			Truth string `parquet:"ground_truth"`
		} `parquet:"reward_model"`
	}
	list, err := parquet.ReadFile[row](path)
	if err != nil {
		return nil, err
	}
	for i, x := range list {
		if strings.TrimSpace(x.Reward.Truth) == "" { // cannot be graded
			continue
		}
		if len(x.Prompt) == 0 {
			return nil, fmt.Errorf("problem %d has no prompt", i+1)
		}
		question, _ := strings.CutSuffix(strings.TrimSpace(x.Prompt[len(x.Prompt)-1].Content), deepScalerSuffix)
		out = append(out, mathRecord(strings.TrimSpace(question), x.Reward.Truth))
	}
	return out, nil
}
