package rl

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pennyml/penny/engine"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/sample"
	"github.com/pennyml/penny/task/textgrade"
	"github.com/pennyml/penny/train"
)

// Rejection says which sampled answers become a dataset (DeepSeek-R1, 2501.12948, section 2.3.3): right ones, once each.
type Rejection struct {
	Problems  int     `yaml:"problems"`   // to sample answers to
	Keep      int     `yaml:"keep"`       // the most answers kept to a problem; 0: all
	MinTokens int     `yaml:"min_tokens"` // of a kept answer
	MaxTokens int     `yaml:"max_tokens"` // 0: no bound. Answers that were cut are never kept
	Strict    bool    `yaml:"strict"`     // right in form too
	Language  string  `yaml:"language"`   // code of the language that prose has to be in; empty: any
	Low       float64 `yaml:"low"`        // problems whose share of right answers is below, or above High, are too hard or too easy
	High      float64 `yaml:"high"`       // 0: no bounds
}

// Validate reports the first setting that makes no sense.
func (r *Rejection) Validate() error {
	for _, e := range []error{
		atLeast("problems", r.Problems, 1), atLeast("keep", r.Keep, 0), atLeast("min_tokens", r.MinTokens, 0), atLeast("max_tokens", r.MaxTokens, 0),
		within("low", r.Low, 0, 1), within("high", r.High, 0, 1),
	} {
		if e != nil {
			return fmt.Errorf("rejection: %w", e)
		}
	}
	if r.High != 0 && r.High < r.Low {
		return fmt.Errorf("rejection: high %v is below low %v", r.High, r.Low)
	}
	if r.MaxTokens != 0 && r.MaxTokens < r.MinTokens {
		return fmt.Errorf("rejection: max_tokens %d is below min_tokens %d", r.MaxTokens, r.MinTokens)
	}
	if r.Language != "" && !slices.Contains(textgrade.Languages(), r.Language) {
		return fmt.Errorf("rejection: language %q is unknown", r.Language)
	}
	return nil
}

// languageShare is how much of an answer's prose has to be in the language.
const languageShare = 0.9

// Sifted counts what became of answers.
type Sifted struct {
	Sampled, Kept                                                     int
	Wrong, Truncated, Short, Long, Foreign, Twice, Surplus, OutOfBand int
}

func (s *Sifted) numbers() map[string]float64 {
	return map[string]float64{"sampled": float64(s.Sampled), "kept": float64(s.Kept), "wrong": float64(s.Wrong), "cut": float64(s.Truncated), "short": float64(s.Short),
		"long": float64(s.Long), "foreign": float64(s.Foreign), "twice": float64(s.Twice), "surplus": float64(s.Surplus), "out_of_band": float64(s.OutOfBand)}
}

// why lists what became of answers that were not kept.
func (s *Sifted) why() string {
	var list []string
	for name, n := range s.numbers() {
		if n > 0 && name != "sampled" && name != "kept" {
			list = append(list, fmt.Sprintf("%s %.0f", name, n))
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// Example is a line of the dataset.
type Example struct {
	ID         string  `json:"id"`
	Key        string  `json:"key"`
	Prompt     string  `json:"prompt"`
	Completion string  `json:"completion"`
	Reward     float64 `json:"reward"`
	Tokens     int     `json:"tokens"`
	Success    float64 `json:"success"` // share of the problem's answers that are right
}

// kept are the answers in a dataset: of each problem, by its key, the texts up to white space. A task may pose the same problem more than once.
type kept map[string]map[string]bool

// folded is a text in which all white space is alike.
func folded(text string) string { return strings.Join(strings.Fields(text), " ") }

func (k kept) add(e *Example) {
	if k[e.Key] == nil {
		k[e.Key] = map[string]bool{}
	}
	k[e.Key][folded(e.Completion)] = true
}

// sift returns the answers to a problem that go into a dataset besides those in it, and adds them to these.
func (r *Rejection) sift(t *Tried, text Text, in kept, n *Sifted) ([]Example, error) {
	n.Sampled += len(t.Attempts)
	success := float64(t.right()) / float64(len(t.Attempts))
	if r.High > 0 && (success < r.Low || success > r.High) {
		n.OutOfBand += len(t.Attempts)
		return nil, nil
	}
	var out []Example
	for i := range t.Attempts {
		a := &t.Attempts[i]
		completion := text.Completion(a.IDs)
		foreign := false
		if r.Language != "" {
			v, err := textgrade.Language(completion, r.Language, languageShare)
			if err != nil {
				return nil, err
			}
			foreign = !v.Right
		}
		switch {
		case !a.Verdict.Right || r.Strict && !a.Verdict.Strict:
			n.Wrong++
		case a.Finish == engine.FinishLength:
			n.Truncated++
		case len(a.IDs) < r.MinTokens:
			n.Short++
		case r.MaxTokens > 0 && len(a.IDs) > r.MaxTokens:
			n.Long++
		case foreign:
			n.Foreign++
		case in[t.Problem.Key][folded(completion)]:
			n.Twice++
		case r.Keep > 0 && len(in[t.Problem.Key]) >= r.Keep:
			n.Surplus++
		default:
			n.Kept++
			out = append(out, Example{ID: t.Problem.ID, Key: t.Problem.Key, Prompt: t.Problem.Prompt, Completion: completion, Reward: a.Reward, Tokens: len(a.IDs), Success: success})
			in.add(&out[len(out)-1])
		}
	}
	return out, nil
}

// Rejecter is a stage of rejection sampling: its lessons teach nothing, but leave a dataset for a stage that follows.
type Rejecter struct {
	*Loop
	path string
	file *os.File
	mark rejectMark
	kept kept // what is in the file; nil: it has not been looked at
}

// rejectMark is where the next step begins.
type rejectMark struct {
	Mark
	Bytes int64  `json:"bytes"` // of the dataset
	Done  int    `json:"done"`  // problems
	Total Sifted `json:"total"`
}

// NewRejecter makes a Rejecter that writes to a file.
func NewRejecter(c Config, p Parts, path string) (*Rejecter, error) {
	if err := c.Rejection.Validate(); err != nil {
		return nil, fmt.Errorf("rl: %w", err)
	}
	l, err := NewLoop(c, p)
	if err != nil {
		return nil, err
	}
	r := &Rejecter{Loop: l, path: path}
	if err = os.MkdirAll(filepath.Dir(path), 0o777); err == nil {
		r.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Close closes the file.
func (r *Rejecter) Close() error {
	err := r.Loop.Close()
	if r.file != nil {
		err = errors.Join(err, r.file.Close())
	}
	return err
}

// cut takes off the dataset what was written after the mark, and reads what is left.
func (r *Rejecter) cut() error {
	info, err := r.file.Stat()
	if err == nil && info.Size() < r.mark.Bytes {
		err = fmt.Errorf("%s has %d bytes, the checkpoint knows of %d", r.path, info.Size(), r.mark.Bytes)
	}
	if err == nil {
		err = r.file.Truncate(r.mark.Bytes)
	}
	if err == nil {
		_, err = r.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	r.kept = kept{}
	lines := bufio.NewReader(r.file)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		var e Example
		if err == nil {
			err = json.Unmarshal(line, &e)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.path, err)
		}
		r.kept.add(&e)
	}
}

// Steps is how many the problems take.
func (r *Rejecter) Steps(train.Budget, train.Budget, int64) (int, error) {
	return r.c.rejections(), nil
}

// Mark notes where the next step begins. What the mark counts is on the disk.
func (r *Rejecter) Mark(p *train.Progress) error {
	r.mark.Mark = r.Loop.mark
	text, err := json.Marshal(r.mark)
	p.Mark = text
	return errors.Join(err, r.file.Sync())
}

// Resume goes there.
func (r *Rejecter) Resume(p *train.Progress) error {
	if err := json.Unmarshal(p.Mark, &r.mark); err != nil {
		return fmt.Errorf("rl: the mark of a checkpoint: %w", err)
	}
	return r.seek(r.mark.Mark)
}

// Gradient samples and sifts answers to some problems. It gives none.
func (r *Rejecter) Gradient(ctx context.Context) (train.Lesson, error) {
	out := train.Lesson{Empty: true, Last: true}
	if r.kept == nil {
		if err := r.cut(); err != nil {
			return out, err
		}
	}
	left := min(r.c.Prompts, r.c.Rejection.Problems-r.mark.Done)
	if left <= 0 {
		if r.mark.Total.Kept == 0 {
			return out, fmt.Errorf("rl: none of %d answers was kept: %s", r.mark.Total.Sampled, r.mark.Total.why())
		}
		return out, io.EOF
	}
	ps, err := r.problems.several(left)
	if err != nil {
		return out, err
	}
	seed := func(p, i int) uint64 { return sample.Seed(r.seed, 7, uint64(r.mark.Done+p), uint64(i)) }
	tried, err := r.sampler.try(ctx, ps, r.c.Group, ledger.Rollout, seed)
	if err != nil {
		return out, err
	}
	var s Stats
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false)
	for _, t := range tried {
		s.add(t)
		flops, _ := t.cost(r.sampler.config)
		out.FLOPs += flops
		kept, err := r.c.Rejection.sift(t, r.sampler.text, r.kept, &r.mark.Total)
		if err != nil {
			return out, err
		}
		for _, e := range kept {
			if err := lines.Encode(e); err != nil {
				return out, err
			}
		}
	}
	if _, err := r.file.WriteAt(text.Bytes(), r.mark.Bytes); err != nil {
		return out, err
	}
	r.mark.Bytes += int64(text.Len())
	r.mark.Done += len(ps)
	r.Loop.mark.Step++
	r.show(tried)
	out.Extra = s.numbers(r.c.Group)
	for name, v := range r.mark.Total.numbers() {
		out.Extra[name] = v
	}
	return out, nil
}

// Evaluate measures nothing: the network stays as it is.
func (r *Rejecter) Evaluate(context.Context) (train.Evaluation, error) {
	return train.Evaluation{}, nil
}
