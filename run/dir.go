// Package run keeps a run's directory: what went in (manifest.json), what happened (metrics.jsonl), what it took (ledger.jsonl) and the receipt that
// seals them; and the Recorder that writes all of it. docs/RUNS.md describes the files.
package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pennyml/penny/internal/atomicfile"
	"github.com/pennyml/penny/ledger"
)

// Names of what stands in a run directory.
const (
	ManifestFile    = "manifest.json"
	RecipeFile      = "recipe.yaml" // resolved, as it ran
	MetricsFile     = "metrics.jsonl"
	LedgerFile      = "ledger.jsonl"
	ReceiptFile     = "receipt.json"
	CheckpointsDir  = "checkpoints"
	TensorBoardDir  = "tensorboard"
	lockFile        = "lock"
	manifestVersion = 1
)

// Dir is a run directory that this process may write to: it holds the directory's lock.
type Dir struct {
	Path     string
	Manifest Manifest

	sum  ledger.Hash // of manifest.json
	lock io.Closer
}

// ErrLocked says that another process writes to the run.
var ErrLocked = errors.New("another process is writing to this run")

// Create makes a run directory and takes its lock. The directory may exist, but not hold a run.
func Create(path string, m Manifest) (*Dir, error) {
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, err
	}
	lock, err := lockPath(filepath.Join(path, lockFile))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	d := &Dir{Path: path, Manifest: m, lock: lock}
	if err := d.writeManifest(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

func (d *Dir) writeManifest() error {
	for _, name := range []string{ManifestFile, LedgerFile, MetricsFile} {
		if _, err := os.Lstat(d.Join(name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s already holds a run (%s): resume it, or choose another directory", d.Path, name)
		}
	}
	d.Manifest.Format = manifestVersion
	text, err := json.MarshalIndent(d.Manifest, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	d.sum = ledger.HashOf(text)
	return atomicfile.Write(d.Join(ManifestFile), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// Open takes the lock of a run directory to go on with the run.
func Open(path string) (*Dir, error) {
	if _, err := os.Stat(filepath.Join(path, ManifestFile)); err != nil {
		return nil, fmt.Errorf("%s holds no run: %w", path, err)
	}
	lock, err := lockPath(filepath.Join(path, lockFile))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	m, sum, err := ReadManifest(path)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &Dir{Path: path, Manifest: m, sum: sum, lock: lock}, nil
}

// Join is the path of something in the directory.
func (d *Dir) Join(elem ...string) string { return filepath.Join(append([]string{d.Path}, elem...)...) }

// Close gives the lock back.
func (d *Dir) Close() error { return d.lock.Close() }
