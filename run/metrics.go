package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
)

// Row is what a step came to. The Recorder adds what it took.
type Row struct {
	Step     int64
	Tokens   int64 // seen in training so far
	Loss     float64
	ValLoss  *float64 // where the step was evaluated
	LR       float64
	GradNorm float64
	Extra    map[string]float64 // whatever else: reward, entropy, pass_at_1 ...
}

// Cost is what a run took so far, and how fast it goes, as rows of metrics.jsonl carry it. All work counts: evaluation, discarded work, and what a
// kill took back.
type Cost struct {
	TokensPerSecond float64  // since the row before, evaluation and checkpoints left out
	Utilisation     float64  // operations a second over the measured roof, likewise; 0 if no roof was given
	FLOPs           float64  // so far
	Joules          *float64 // so far; nil where not known
	JoulesLabel     string
	Dollars         float64 // so far
	Seconds         float64 // so far
}

// reserved are the names that Extra cannot take.
var reserved = []string{"step", "tokens", "loss", "val_loss", "lr", "grad_norm", "tokens_per_s", "flops", "joules", "joules_label", "dollars", "seconds", "utilisation"}

// number is a float64 that JSON can carry: what is not finite is null.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

type field struct {
	name  string
	value any
}

// line is the row's line in metrics.jsonl.
func (r Row) line(c Cost, flops any) ([]byte, error) {
	val := (*number)(r.ValLoss)
	fields := []field{{"step", r.Step}, {"tokens", r.Tokens}, {"loss", number(r.Loss)}, {"val_loss", val}, {"lr", number(r.LR)}, {"grad_norm", number(r.GradNorm)},
		{"tokens_per_s", number(c.TokensPerSecond)}, {"flops", flops}, {"joules", c.Joules}, {"joules_label", c.JoulesLabel}, {"dollars", c.Dollars}, {"seconds", c.Seconds}}
	if c.Utilisation > 0 {
		fields = append(fields, field{"utilisation", number(c.Utilisation)})
	}
	for _, k := range slices.Sorted(maps.Keys(r.Extra)) {
		if slices.Contains(reserved, k) {
			return nil, fmt.Errorf("metrics: %q is a name of the recorder's own", k)
		}
		fields = append(fields, field{k, number(r.Extra[k])})
	}
	var b bytes.Buffer
	for i, f := range fields {
		b.WriteByte("{,"[min(i, 1)])
		name, err := json.Marshal(f.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, fmt.Errorf("metrics: %s: %w", f.name, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}

// Point is a row of metrics.jsonl as its readers want it: every number by its name. What is null is left out.
type Point map[string]float64

// ReadMetrics reads the metrics of a run, which may be running: a last line that is not complete yet is left out. A run without metrics has none.
func ReadMetrics(path string) ([]Point, error) {
	points, _, err := readMetrics(path, math.MaxInt64)
	return points, err
}

// readMetrics reads the rows up to a step, and tells at which byte what follows them begins.
func readMetrics(path string, upTo int64) (points []Point, end int64, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	for n := 1; len(text) > 0; n++ {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		if !whole {
			break
		}
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			return nil, 0, fmt.Errorf("%s: line %d: %w", path, n, err)
		}
		p := Point{}
		for k, v := range fields {
			if f, ok := v.(float64); ok {
				p[k] = f
			}
		}
		step, ok := p["step"]
		if !ok {
			return nil, 0, fmt.Errorf("%s: line %d has no step", path, n)
		}
		if step > float64(upTo) {
			break
		}
		points = append(points, p)
		end += int64(len(line)) + 1
		text = rest
	}
	return points, end, nil
}

// openMetrics opens metrics.jsonl to append to, what follows a step cut off.
func openMetrics(path string, step int64) (*os.File, error) {
	_, end, err := readMetrics(path, step)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(end); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
