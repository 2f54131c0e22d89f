package main

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/safetensors"
)

// writeBatch writes I64 [B,T] tensors.
func writeBatch(t *testing.T, tensors map[string][][]int64) string {
	t.Helper()
	var w safetensors.Writer
	for name, rows := range tensors {
		var data []byte
		for _, row := range rows {
			for _, v := range row {
				data = binary.LittleEndian.AppendUint64(data, uint64(v))
			}
		}
		w.AddTensor(safetensors.Tensor{Name: name, Type: dtype.I64, DType: "I64", Shape: []int{len(rows), len(rows[0])}, Data: data})
	}
	path := filepath.Join(t.TempDir(), "in.safetensors")
	if err := w.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestScoreBatch: the loss is that of the sequences scored one by one, and the gradients' file the same on any number of threads.
func TestScoreBatch(t *testing.T) {
	model, dir := tinyLlama(t, dtype.BF16), t.TempDir()
	in := writeBatch(t, map[string][][]int64{"input_ids": {{1, 5, 9, 80, 3}, {7, 7, 2, 4, 4}}, "labels": {{1, 5, -100, 80, 3}, {-100, -100, 2, 4, 4}}})
	want := 0.0
	for _, s := range []struct {
		ids    string
		learnt []int
	}{{"1,5,9,80,3", []int{0, 2, 3}}, {"7,7,2,4,4", []int{1, 2, 3}}} {
		lps := jsonOut(t, nil, "score", model, "--ids", s.ids, "--compute", "f32", "--json")["logprobs"].([]any)
		for _, i := range s.learnt {
			want -= lps[i].(float64) / 6
		}
	}
	var files []string
	for _, threads := range []string{"1", "2"} {
		out := filepath.Join(dir, threads)
		got := jsonOut(t, nil, "score", model, "--batch", in, "--grad", out, "--compute", "f32", "--threads", threads, "--json")
		if loss := got["loss"].(float64); math.Abs(loss-want) > 1e-6 {
			t.Errorf("loss %v, want %v", loss, want)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(data))
	}
	if files[0] != files[1] {
		t.Error("the gradients differ with the number of threads")
	}
	f, err := safetensors.Open(filepath.Join(dir, "1"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if x, ok := f.Tensor("grad.model.layers.1.mlp.down_proj.weight"); !ok || x.Type != dtype.F32 || len(f.Tensors) != 21 {
		t.Errorf("%d gradients, with that of a down projection: %v", len(f.Tensors), ok)
	}
}

// TestScoreBatchErrors: what cannot be scored is an error that says what and where.
func TestScoreBatchErrors(t *testing.T) {
	model := tinyLlama(t, dtype.F32)
	for _, c := range []struct {
		in   map[string][][]int64
		want string
	}{
		{map[string][][]int64{"labels": {{1, 2}}}, "input_ids: missing"},
		{map[string][][]int64{"input_ids": {{1}}}, "[B,T]"},
		{map[string][][]int64{"input_ids": {{1, 2, 3}}, "labels": {{1, 2}}}, "labels are [1, 2]"},
		{map[string][][]int64{"input_ids": {{1, 2, 999}}}, "id 999 at position 2"},
		{map[string][][]int64{"input_ids": {{1, 2, 1 << 40}}}, "1099511627776"},
		{map[string][][]int64{"input_ids": {{1, 2, 3}}, "labels": {{1, 2, -7}}}, "label -7 at position 2"},
		{map[string][][]int64{"input_ids": {{1, 2, 3}}, "labels": {{1, -100, -100}}}, "nothing is learnt"},
	} {
		if o := penny(t, "", nil, "score", model, "--batch", writeBatch(t, c.in)); o.code != 1 || !strings.Contains(o.stderr, c.want) {
			t.Errorf("%v: exit %d, %q, want %q", c.in, o.code, o.stderr, c.want)
		}
	}
	for args, want := range map[string]string{"--grad x": "--grad without --batch", "--batch /nowhere": "nowhere", "--compute q8 --batch " + writeBatch(t,
		map[string][][]int64{"input_ids": {{1, 2, 3}}}): "compute q8"} {
		if o := penny(t, "", nil, append([]string{"score", model}, strings.Fields(args)...)...); o.code != 1 || !strings.Contains(o.stderr, want) {
			t.Errorf("%s: exit %d, %q, want %q", args, o.code, o.stderr, want)
		}
	}
}
