package convert

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/model"
)

// ExportOptions say how a network in memory is written.
type ExportOptions struct {
	Type    dtype.Type // F32, F16 or BF16; Invalid: F32
	Beside  string     // a folder whose tokenizer and template are copied; "": none
	Threads int        // 0: one for each CPU
}

// Export writes the network c of these tensors (model.Learner's Tensors) as a Hugging Face folder, which must not exist or be empty: config.json, the weights, and what
// belongs to the tokenizer. Published checkpoints hold copies of embedding and head in the multi-token prediction module; where the network shares
// them, so does this one. On failure nothing is left at out.
func Export(ctx context.Context, out string, c *model.Config, params []*grad.Param, o ExportOptions) (*Result, error) {
	if o.Type == dtype.Invalid {
		o.Type = dtype.F32
	}
	if torchTypes[o.Type] == "" {
		return nil, fmt.Errorf("type %v: a Hugging Face folder is written in f32, f16 or bf16", o.Type)
	}
	t, err := newTarget(o.Beside, out, 0)
	if err != nil {
		return nil, err
	}
	if t.gguf {
		return nil, fmt.Errorf("%s: export writes a Hugging Face folder; a GGUF file can be made of that", out)
	}
	views, err := inMemory(out, c, params)
	if err != nil {
		return nil, err
	}
	config, err := hfConfig(c, o.Type)
	if err != nil {
		return nil, err
	}
	j := &job{target: t, result: &Result{}, encoder: newEncoder(ctx, o.Threads, nil)}
	defer j.pool.Close()
	j.release = func() {}
	types := make([]dtype.Type, len(views))
	for i, v := range views {
		if types[i] = o.Type; strings.HasSuffix(v.name, routerBias) {
			types[i] = dtype.F32
		}
	}
	err = t.folder(func(dir string) error {
		if o.Beside != "" {
			if err := copyFolder(dir, o.Beside, o.Type); err != nil {
				return err
			}
		}
		if err := writeJSON(filepath.Join(dir, "config.json"), config); err != nil {
			return err
		}
		return j.writeTensors(dir, views, types)
	})
	if err != nil {
		return nil, err
	}
	j.result.addErrors(j.errors)
	return j.result, nil
}

// inMemory views the parameters in the order of the inventory, checked to be all and nothing else.
func inMemory(out string, c *model.Config, params []*grad.Param) ([]*view, error) {
	ms := make([]*matrix, len(params))
	for i, p := range params {
		typ, n, data := dtype.F32, len(p.Value), unsafe.Pointer(unsafe.SliceData(p.Value))
		if p.Value == nil {
			typ, n, data = dtype.BF16, len(p.Half), unsafe.Pointer(unsafe.SliceData(p.Half))
		}
		if n != p.Len() {
			return nil, fmt.Errorf("tensor %q: %d values for shape %v", p.Name, n, p.Shape)
		}
		ms[i] = newMatrix(p.Name, typ, p.Shape, unsafe.Slice((*byte)(data), typ.RowBytes(n)))
	}
	s := newStock(out, ms)
	original := map[string]string{"embed_tokens.weight": "model.embed_tokens.weight", "shared_head.head.weight": "lm_head.weight"}
	if c.Tied {
		original["shared_head.head.weight"] = "model.embed_tokens.weight"
	}
	var views []*view
	for _, it := range inventory(c) {
		names := []string{it.name}
		if it.layout == experts {
			names = nil
			for e := range c.MoE.Experts {
				names = append(names, it.expert(e))
			}
		}
		for _, name := range names {
			from := name
			if it.optional && s.tensors[name] == nil {
				from = original[name[len(fmt.Sprintf("model.layers.%d.", c.Layers)):]]
			}
			views = s.add(views, name, s.plain(from, it.shape))
		}
	}
	return views, s.done()
}
