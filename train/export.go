package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pennyml/penny/convert"
	"github.com/pennyml/penny/dtype"
)

// export leaves the network as others read it: a Hugging Face folder in the run's directory, called model, and a GGUF file where that is asked for. Where
// the stage keeps an average of the weights it is that.
func (t *trainer) export(ctx context.Context, e Export) error {
	if t.state.Average != nil {
		t.swap()
		defer t.swap()
	}
	typ := dtype.F32
	if e.Type == "bf16" {
		typ = dtype.BF16
	}
	dir := filepath.Join(t.Dir, ModelDir)
	temp := dir + ".writing"
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	_, err := convert.Export(ctx, temp, t.learner.Config(), t.learner.Tensors(), convert.ExportOptions{Type: typ, Beside: t.VocabDir, Threads: t.Pool.Threads()})
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

// ModelDir is the folder, in a run's directory, of the network that the run ends with.
const ModelDir = "model"
