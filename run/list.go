package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pennyml/penny/ledger"
)

// Listed is a run with its figures.
type Listed struct {
	Dir     string       `json:"dir"`
	Run     string       `json:"run"`
	Kind    string       `json:"kind"`
	Created string       `json:"created"`
	State   string       `json:"state"` // running, done, interrupted, failed, killed, broken
	Reason  string       `json:"reason,omitempty"`
	Steps   int64        `json:"steps"`
	Tokens  int64        `json:"tokens"`
	Loss    *float64     `json:"loss"`
	ValLoss *float64     `json:"val_loss"`
	FLOPs   ledger.FLOPs `json:"flops"`
	Seconds float64      `json:"seconds"`
	Joules  *float64     `json:"joules"`
	Label   string       `json:"joules_label"`
	Dollars float64      `json:"dollars"`
	SHA256  ledger.Hash  `json:"state_sha256,omitempty"`
}

// List finds the runs in a directory: itself, or any below it that is no more than depth folders down. They come oldest first.
func List(dir string) ([]Listed, error) {
	const depth = 3
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	var runs []Listed
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			if e != nil && e.IsDir() && path != dir {
				return fs.SkipDir // not ours to read
			}
			return err
		}
		if !e.IsDir() {
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if strings.Count(rel, string(filepath.Separator)) >= depth || rel != "." && strings.HasPrefix(e.Name(), ".") {
			return fs.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, ManifestFile)); err != nil {
			return nil
		}
		l, ok := Describe(path)
		if !ok {
			return nil
		}
		runs = append(runs, l)
		return fs.SkipDir
	})
	slices.SortStableFunc(runs, func(a, b Listed) int { return strings.Compare(a.Created, b.Created) })
	return runs, err
}

// Describe gives the figures of the run in a directory; false if it holds none. What is wrong with a run stands in its State and Reason.
func Describe(dir string) (Listed, bool) {
	m, _, err := ReadManifest(dir)
	l := Listed{Dir: dir, Run: m.Run, Kind: m.Kind, Created: m.Created}
	if err != nil || m.Run == "" {
		return l, false // somebody else's manifest.json
	}
	s, _, _, err := verify(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.State = "empty"
	case err != nil:
		l.State, l.Reason = "broken", err.Error()
		return l, true
	default:
		l.figures(s)
	}
	if locked(filepath.Join(dir, lockFile)) {
		l.State = "running"
	}
	points, err := ReadMetrics(filepath.Join(dir, MetricsFile))
	if err != nil {
		l.State, l.Reason = "broken", err.Error()
	}
	l.curve(points)
	return l, true
}

func (l *Listed) figures(s *ledger.Summary) {
	l.State = "killed"
	if s.Closed != nil {
		l.State, l.Reason = string(s.Closed.Outcome), s.Closed.Reason
	}
	t := s.Totals
	l.Steps, l.Tokens, l.FLOPs, l.Seconds, l.Dollars, l.SHA256 = t.Step, s.Tokens, t.All.FLOPs, t.All.Seconds, t.All.Dollars, s.State
	l.Joules, l.Label = t.All.Energy.Known(), string(t.All.Energy.Label)
}

func (l *Listed) curve(points []Point) {
	for _, p := range points {
		l.Steps, l.Tokens = max(l.Steps, int64(p["step"])), max(l.Tokens, int64(p["tokens"]))
		if v, ok := p["loss"]; ok {
			l.Loss = &v
		}
		if v, ok := p["val_loss"]; ok {
			l.ValLoss = &v
		}
	}
}

// NewPath is a path for a new run of a name below base that nothing stands at yet: base/name, or base/name-2 and so on.
func NewPath(base, name string) string {
	path := filepath.Join(base, name)
	for n := 2; ; n++ {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return path
		}
		path = filepath.Join(base, fmt.Sprintf("%s-%d", name, n))
	}
}
