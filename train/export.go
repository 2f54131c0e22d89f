package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pennyml/penny/convert"
	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/safetensors"
)

// Where, in a run's directory, its networks are: that which the run ends with, and, below the second, those that stages before the last ended with.
const (
	ModelDir  = "model"
	StagesDir = "stages"
)

// export leaves the network in a folder as others read it: a Hugging Face folder, and a GGUF file beside it where that is asked for; of a stage that learnt by
// LoRA also what it added, as PEFT reads it. Where the stage keeps an average of the weights it is that.
func (t *trainer) export(ctx context.Context, dir string, e Export) error {
	if t.state.Average != nil {
		t.swap()
		defer t.swap()
	}
	typ := dtype.F32
	if e.Type == "bf16" {
		typ = dtype.BF16
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return err
	}
	temp := dir + ".writing"
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	tensors := t.learner.Tensors()
	if t.set.LoRA != nil {
		tensors = t.learner.Merged()
		if err := t.exportAdapter(dir + "-adapter"); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	_, err := convert.Export(ctx, temp, t.learner.Config(), tensors, convert.ExportOptions{Type: typ, Beside: t.VocabDir, Threads: t.Pool.Threads()})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(temp, dir)); err != nil {
		return err
	}
	if e.GGUF == "" {
		return nil
	}
	if _, err := convert.Run(ctx, dir, dir+".gguf", convert.Options{Type: e.GGUF, Threads: t.Pool.Threads()}); err != nil {
		return fmt.Errorf("export.gguf: %w", err)
	}
	return nil
}

// exportAdapter writes what LoRA added in the layout of the PEFT library.
func (t *trainer) exportAdapter(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	w := safetensors.Writer{Metadata: map[string]string{"format": "pt"}}
	var targets []string
	for _, p := range t.learner.Params() {
		w.Add(p.Name, dtype.F32, p.Shape, put(floatBytes(p.Value)))
		layer, _, _ := strings.Cut(p.Name, ".lora_")
		targets = append(targets, layer[strings.LastIndexByte(layer, '.')+1:])
	}
	slices.Sort(targets)
	config, err := json.MarshalIndent(map[string]any{"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": t.set.LoRA.Rank, "lora_alpha": t.set.LoRA.Alpha,
		"target_modules": slices.Compact(targets), "bias": "none", "lora_dropout": 0, "inference_mode": true, "base_model_name_or_path": t.Base}, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(w.WriteFile(filepath.Join(dir, adapterFile)), os.WriteFile(filepath.Join(dir, "adapter_config.json"), append(config, '\n'), 0o666))
}
