// Package zoo opens a checkpoint, whatever its format and architecture: the literal map from names to networks.
package zoo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/model/deepseek"
	"github.com/pennyml/penny/model/llama"
	"github.com/pennyml/penny/model/qwen"
)

// architectures maps a configuration's Arch to its network.
var architectures = map[string]func(*model.Config, *model.Weights, model.Options) (model.Model, error){
	"llama": llama.New, "qwen2": qwen.New, "qwen3": qwen.New, "qwen3_moe": qwen.New, "deepseek_v2": deepseek.New, "deepseek_v3": deepseek.New,
}

// Loaded is an open checkpoint. Exactly one of GGUF and Safetensors is set.
type Loaded struct {
	model.Model
	Path        string            // of the GGUF file or the Hugging Face folder, where tokenizer and template are found as well
	GGUF        *gguf.File        // of a GGUF file
	Safetensors *safetensors.File // of a Hugging Face folder
	file        io.Closer
}

// Close ends the network's workers and unmaps its weights.
func (l *Loaded) Close() error {
	return errors.Join(l.Model.Close(), l.file.Close())
}

// Open opens a GGUF file (of a split one, the first part) or a Hugging Face folder, which may be called by a file in it too (config.json,
// model.safetensors and their like). Weights stay where they are in the mapped files.
func Open(path string, o model.Options) (*Loaded, error) {
	l := &Loaded{Path: path}
	config, weights, err := l.read()
	if err != nil {
		return nil, err
	}
	build := architectures[config.Arch]
	if build == nil {
		err = fmt.Errorf("%s: architecture %q is not supported", path, config.Arch)
	} else {
		l.Model, err = build(config, weights, o)
	}
	if err != nil {
		return nil, errors.Join(err, l.file.Close())
	}
	return l, nil
}

// ReadConfig reads the configuration of a checkpoint of any format.
func ReadConfig(path string) (*model.Config, error) {
	l := &Loaded{Path: path}
	config, _, err := l.read()
	if err != nil {
		return nil, err
	}
	return config, l.file.Close()
}

// read opens the files and reads the configuration.
func (l *Loaded) read() (*model.Config, *model.Weights, error) {
	info, err := os.Stat(l.Path)
	if err != nil {
		return nil, nil, err
	}
	inFolder := strings.HasSuffix(l.Path, ".json") || strings.HasSuffix(l.Path, ".safetensors")
	if inFolder && !info.IsDir() {
		l.Path = filepath.Dir(l.Path)
	}
	if inFolder || info.IsDir() {
		config, err := model.ReadHFConfig(l.Path)
		if err != nil {
			return nil, nil, err
		}
		f, err := safetensors.Open(l.Path)
		if err != nil {
			return nil, nil, err
		}
		l.Safetensors, l.file = f, f
		return config, model.HFWeights(f), nil
	}
	f, err := gguf.Open(l.Path)
	if err != nil {
		return nil, nil, err
	}
	l.GGUF, l.file = f, f
	config, err := model.ReadGGUFConfig(f)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", l.Path, err), f.Close())
	}
	return config, model.GGUFWeights(f), nil
}
