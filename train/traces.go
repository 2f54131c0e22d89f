package train

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/pennyml/penny/internal/atomicfile"
	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/train/data"
)

var taskFile = regexp.MustCompile(`^(?:jsonl:file=)?(.+?\.(?:star|jsonl))(?:[:,].*)?$`)

// TaskFile is the file that a task is written in; empty where it is built in.
func TaskFile(spec string) string {
	if m := taskFile.FindStringSubmatch(spec); m != nil {
		return m[1]
	}
	return ""
}

// Traces makes the files of those sources that are demonstrations of a task, in dir. They are the same wherever they are made: what stands there
// under the name of the same task, count and seed is taken as it is. A task's own file is part of its name.
func Traces(sources []data.Source, dir string, seed uint64, open func(spec string) (task.Task, error)) error {
	for i := range sources {
		s := &sources[i]
		if s.Task == "" {
			continue
		}
		of := s.Seed
		if of == 0 {
			of = seed
		}
		key := fmt.Appendf(nil, "traces 1\n%s\n%d\n%d", s.Task, s.Count, of)
		if path := TaskFile(s.Task); path != "" {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			key = append(append(key, '\n'), text...)
		}
		sum := sha256.Sum256(key)
		s.Made = filepath.Join(dir, fmt.Sprintf("traces-%x.jsonl", sum[:8]))
		if _, err := os.Stat(s.Made); err == nil {
			continue
		}
		t, err := open(s.Task)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		if err := atomicfile.Write(s.Made, func(w io.Writer) error { return writeTraces(w, s.Task, t, s.Count, of) }); err != nil {
			return err
		}
	}
	return nil
}

// anew is the stream of seeds with which a task begins anew: none that a demonstration has.
const anew = 1 << 63

// writeTraces writes count demonstrations. A task that runs out of problems begins anew with another seed: a script then has others, a data set another order.
func writeTraces(w io.Writer, spec string, t task.Task, count int, seed uint64) error {
	d, ok := t.(task.Demonstrator)
	if !ok {
		return fmt.Errorf("task %s: %w to learn from", spec, task.ErrNoDemonstrations)
	}
	out := bufio.NewWriterSize(w, 1<<20)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for n, of := 0, seed; ; of = task.NewRand(of, anew).Uint64() {
		before := n
		for p, err := range t.Problems(task.Query{Seed: of, Split: task.Train}) {
			if err != nil {
				return err
			}
			text, err := d.Demonstrate(p, task.NewRand(seed, uint64(n)).Uint64())
			if err != nil {
				return err
			}
			if err := lines.Encode(struct {
				Prompt     string `json:"prompt"`
				Completion string `json:"completion"`
			}{p.Prompt, text}); err != nil {
				return err
			}
			if n++; n == count {
				return out.Flush()
			}
		}
		if n == before {
			return fmt.Errorf("task %s has no training problems", spec)
		}
	}
}
