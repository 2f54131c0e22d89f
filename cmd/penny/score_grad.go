package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/model/zoo"
	"github.com/pennyml/penny/tensor"
)

// gradOut is what a batch came to under the gradient.
type gradOut struct {
	Loss      float64 `json:"loss"` // mean over the predictions, and that of a multi-token prediction module times its weight
	Predicted int     `json:"predicted"`
	Main      float64 `json:"main_loss,omitempty"` // the parts, where there is such a module
	MTP       float64 `json:"mtp_loss,omitempty"`
	GradNorm  float64 `json:"grad_norm"` // of all parameters together
	Compute   string  `json:"compute"`
}

// scoreBatch gives the loss of a batch of equally long sequences and, with --grad, its gradient as to every tensor of the checkpoint.
func (c *scoreCmd) scoreBatch() error {
	o := model.LearnOptions{Threads: c.Threads}
	var err error
	if o.Compute, err = tensor.ParseCompute(c.Compute); err != nil {
		return err
	}
	if c.CacheType != "auto" && c.CacheType != "f32" {
		return hinted{fmt.Errorf("--cache-type %s: what learns keeps keys and values in f32", c.CacheType), "leave --cache-type out"}
	}
	batch, err := readBatch(c.Batch)
	if err != nil {
		return err
	}
	path, err := findModel(c.Model)
	if err != nil {
		return err
	}
	l, err := zoo.Learn(path, o)
	if err != nil {
		return err
	}
	defer l.Close()
	stats, err := learnBatch(l, batch, c.MTP)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Batch, err)
	}
	out := gradOut{Loss: stats.Loss, Predicted: stats.Predicted, Compute: c.Compute}
	if stats.AheadPredicted > 0 {
		out.Loss, out.Main, out.MTP = stats.Loss+stats.AheadLoss, stats.Loss, stats.AheadLoss/float64(c.MTP)
	}
	for _, p := range l.Params() {
		for _, g := range p.Grad {
			out.GradNorm += float64(g) * float64(g)
		}
	}
	out.GradNorm = math.Sqrt(out.GradNorm)
	if c.Grad != "" {
		if err := writeGradients(c.Grad, l); err != nil {
			return err
		}
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(out)
	}
	_, err = fmt.Printf("loss %.6f over %d predictions, gradient norm %.6f\n", out.Loss, out.Predicted, out.GradNorm)
	return err
}

// readBatch reads input_ids and labels, I64 [B,T], from a safetensors file. Without labels every id is learnt.
func readBatch(path string) ([]model.Sequence, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ids, err := readRows(f, "input_ids")
	if err != nil {
		return nil, err
	}
	batch := make([]model.Sequence, len(ids))
	for i := range batch {
		batch[i].IDs = ids[i]
	}
	if _, ok := f.Tensor("labels"); !ok {
		return batch, nil
	}
	labels, err := readRows(f, "labels")
	if err != nil {
		return nil, err
	}
	if len(labels) != len(ids) || len(labels[0]) != len(ids[0]) {
		return nil, fmt.Errorf("%s: labels are [%d, %d], input_ids [%d, %d]", path, len(labels), len(labels[0]), len(ids), len(ids[0]))
	}
	for i := range batch {
		batch[i].Labels = labels[i]
	}
	return batch, nil
}

// readRows reads an I64 [B,T] tensor.
func readRows(f *safetensors.File, name string) ([][]int32, error) {
	x, ok := f.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("%s: tensor %s: missing", f.Path, name)
	}
	if x.Type != dtype.I64 || len(x.Shape) != 2 || x.Shape[0] < 1 || x.Shape[1] < 2 {
		return nil, fmt.Errorf("%s: tensor %s is %s %v, want I64 [B,T] of at least 1 and 2", f.Path, name, x.DType, x.Shape)
	}
	rows := make([][]int32, x.Shape[0])
	for i := range rows {
		rows[i] = make([]int32, x.Shape[1])
		for t := range rows[i] {
			v := int64(binary.LittleEndian.Uint64(x.Data[8*(i*x.Shape[1]+t):]))
			if v < math.MinInt32 || v > math.MaxInt32 {
				return nil, fmt.Errorf("%s: tensor %s holds %d at [%d, %d]", f.Path, name, v, i, t)
			}
			rows[i][t] = int32(v)
		}
	}
	return rows, nil
}

// learnBatch takes the mean cross-entropy of a batch and its gradient, some sequences at a time. That of a prediction module, if there is one, takes
// part with a weight of its own.
func learnBatch(l *model.Learner, batch []model.Sequence, module float32) (model.Stats, error) {
	const tokens = 4096 // at a time
	predicted, ahead := 0, 0
	for i := range batch {
		predicted += batch[i].Predictions()
		ahead += batch[i].PredictionsAhead()
	}
	if _, ok := l.Model().(model.Ahead); ok && module != 0 && ahead > 0 {
		if err := l.LearnAhead(&model.CrossEntropy{Weight: module / float32(ahead)}); err != nil {
			return model.Stats{}, err
		}
	}
	if predicted == 0 {
		return model.Stats{}, fmt.Errorf("nothing is learnt: every label is %d", model.Unlearnt)
	}
	loss := &model.CrossEntropy{Weight: 1 / float32(predicted)}
	micro := max(1, tokens/len(batch[0].IDs))
	for at := 0; at < len(batch); at += micro {
		if _, err := l.Accumulate(batch[at:min(at+micro, len(batch))], loss); err != nil {
			return model.Stats{}, err
		}
	}
	return l.Finish(), nil
}

// writeGradients writes grad.TENSOR for each tensor that learns.
func writeGradients(path string, l *model.Learner) error {
	w := safetensors.Writer{Metadata: map[string]string{"format": "pt"}}
	for _, p := range l.Params() {
		w.Add("grad."+p.Name, dtype.F32, p.Shape, func(to io.Writer) error {
			data := make([]byte, 4*len(p.Grad))
			if err := dtype.Encode(dtype.F32, data, p.Grad); err != nil {
				return err
			}
			_, err := to.Write(data)
			return err
		})
	}
	return w.WriteFile(path)
}
