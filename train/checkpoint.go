package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pennyml/penny/convert"
	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/model"
)

// Checkpoints is the folder of a run's checkpoints. Each is a folder of its own, named after its step: a Hugging Face checkpoint with the master
// values, and beside it optimizer.safetensors and state.json. Where LoRA learns, what it adds stands in place of the weights. A checkpoint appears under its name
// only once it is complete and on the disk.
type Checkpoints struct {
	Dir    string
	Policy Checkpoint
}

// Names of the files that a checkpoint has besides those of a model.
const (
	stateFile     = "state.json"
	optimizerFile = "optimizer.safetensors"
	adapterFile   = "adapter_model.safetensors"
	stepPrefix    = "step-"
	unfinished    = ".writing-" // a folder being written, or being removed
)

// maxShard bounds the files of weights.
const maxShard = 4 << 30

// Save writes the state of a run of the network config, with the files of its vocabulary, then removes what the policy does not keep. It returns the
// folder. What a kill leaves unfinished is removed by the next Save.
func (c *Checkpoints) Save(s *State, config *model.Config, vocab string) (string, error) {
	if err := os.MkdirAll(c.Dir, 0o777); err != nil {
		return "", err
	}
	temp := filepath.Join(c.Dir, fmt.Sprintf("%s%d", unfinished, s.Step))
	if err := os.RemoveAll(temp); err != nil {
		return "", err
	}
	if err := os.Mkdir(temp, 0o777); err != nil {
		return "", err
	}
	if err := s.write(temp, config, vocab); err != nil {
		return "", errors.Join(err, os.RemoveAll(temp))
	}
	path := filepath.Join(c.Dir, fmt.Sprintf("%s%08d", stepPrefix, s.Step))
	if err := c.remove(path); err != nil { // of the same step, before the end of its stage
		return "", err
	}
	if err := errors.Join(os.Rename(temp, path), syncFolder(c.Dir)); err != nil {
		return "", err
	}
	return path, c.prune()
}

func (s *State) write(dir string, config *model.Config, vocab string) error {
	text, err := convert.HFConfig(config, dtype.F32)
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(dir, "config.json"), text); err != nil {
		return err
	}
	if _, err := convert.WriteVocabulary(vocab, dir); err != nil {
		return err
	}
	if err := s.writeWeights(dir); err != nil {
		return err
	}
	w := safetensors.Writer{}
	s.moments(func(name string, v []float32) { w.Add(name, dtype.F32, []int{len(v)}, put(floatBytes(v))) })
	if err := w.WriteFile(filepath.Join(dir, optimizerFile)); err != nil {
		return err
	}
	if text, err = json.MarshalIndent(s.Progress, "", "  "); err != nil {
		return err
	}
	return errors.Join(writeSynced(filepath.Join(dir, stateFile), append(text, '\n')), syncFolder(dir))
}

// writeWeights writes what the network has learnt exactly, with the names and shapes of a Hugging Face checkpoint.
func (s *State) writeWeights(dir string) error {
	w := safetensors.Writer{Metadata: map[string]string{"format": "pt"}}
	if s.Adapted != nil {
		for _, p := range s.Adapted {
			w.Add(p.Name, dtype.F32, p.Shape, put(floatBytes(p.Value)))
		}
		return w.WriteFile(filepath.Join(dir, adapterFile))
	}
	for _, p := range s.Tensors {
		if p.Value == nil {
			w.Add(p.Name, dtype.BF16, p.Shape, put(halfBytes(p.Half)))
		} else {
			w.Add(p.Name, dtype.F32, p.Shape, put(floatBytes(p.Value)))
		}
	}
	return w.WriteFolder(dir, maxShard)
}

func put(b []byte) func(io.Writer) error {
	return func(w io.Writer) error { _, err := w.Write(b); return err }
}

// Latest is the folder of the newest checkpoint, or "" when there is none.
func (c *Checkpoints) Latest() (string, error) {
	steps, err := c.steps()
	if err != nil || len(steps) == 0 {
		return "", err
	}
	return c.path(steps[len(steps)-1]), nil
}

func (c *Checkpoints) path(step int) string {
	return filepath.Join(c.Dir, fmt.Sprintf("%s%08d", stepPrefix, step))
}

// steps lists the steps of the checkpoints, ascending.
func (c *Checkpoints) steps() ([]int, error) {
	entries, err := os.ReadDir(c.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var steps []int
	for _, e := range entries {
		if n, err := strconv.Atoi(strings.TrimPrefix(e.Name(), stepPrefix)); err == nil && strings.HasPrefix(e.Name(), stepPrefix) {
			steps = append(steps, n)
		}
	}
	slices.Sort(steps)
	return steps, nil
}

// prune removes the checkpoints that the policy does not keep, and what a kill left unfinished.
func (c *Checkpoints) prune() error {
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinished) {
			if err := os.RemoveAll(filepath.Join(c.Dir, e.Name())); err != nil {
				return err
			}
		}
	}
	steps, err := c.steps()
	if err != nil || c.Policy.KeepLast == 0 {
		return err
	}
	best := -1
	if c.Policy.KeepBest {
		if best, err = c.best(steps); err != nil {
			return err
		}
	}
	for i, step := range steps {
		if i < len(steps)-c.Policy.KeepLast && step != best {
			if err := c.remove(c.path(step)); err != nil {
				return err
			}
		}
	}
	return nil
}

// best is the step of the checkpoint with the least validation loss of its stage, among those of the newest stage that has any.
func (c *Checkpoints) best(steps []int) (int, error) {
	best, least, stage := -1, 0.0, -1
	for _, step := range steps {
		p, err := ReadProgress(c.path(step))
		if err != nil {
			return 0, err
		}
		if p.ValLoss != nil && (p.Stage > stage || p.Stage == stage && *p.ValLoss < least) {
			best, least, stage = step, *p.ValLoss, p.Stage
		}
	}
	return best, nil
}

// remove removes a checkpoint so that no part of it is ever seen under its name.
func (c *Checkpoints) remove(path string) error {
	gone := filepath.Join(c.Dir, unfinished+filepath.Base(path))
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	if err := os.Rename(path, gone); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

// ReadProgress reads how far the run of a checkpoint had come.
func ReadProgress(dir string) (Progress, error) {
	path := filepath.Join(dir, stateFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return Progress{}, err
	}
	var p Progress
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// Restore fills from a checkpoint what its network, which the state's tensors have been read from, does not hold: the optimiser, the average, and what LoRA
// adds.
func (s *State) Restore(dir string) error {
	p, err := ReadProgress(dir)
	if err != nil {
		return err
	}
	err = fill(filepath.Join(dir, optimizerFile), s.moments)
	if s.Adapted != nil {
		err = errors.Join(err, fill(filepath.Join(dir, adapterFile), func(f func(name string, v []float32)) {
			for _, a := range s.Adapted {
				f(a.Name, a.Value)
			}
		}))
	}
	s.Progress = p
	s.Optimizer.Resume(p.Updates)
	if s.Average != nil {
		s.Average.Resume(p.Updates)
	}
	return err
}

// fill reads a file into tensors that each shows; it must hold these and no others.
func fill(path string, each func(f func(name string, v []float32))) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	var errs []error
	n := 0
	each(func(name string, v []float32) {
		n++
		t, ok := f.Tensor(name)
		if !ok || t.Type != dtype.F32 {
			errs = append(errs, fmt.Errorf("%s: no f32 tensor %s", path, name))
		} else if err := setFloats(v, t.Data); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", path, name, err))
		}
	})
	if n != len(f.Tensors) {
		errs = append(errs, fmt.Errorf("%s: %d tensors where %d belong: is the recipe another?", path, len(f.Tensors), n))
	}
	return errors.Join(append(errs, f.Close())...)
}

// writeSynced writes a small file to the disk.
func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncFolder waits until the names in a folder are on the disk.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
