package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pennyml/penny/ledger"
)

func join(dir, name string) string { return filepath.Join(dir, name) }

// verify verifies a run's ledger and hashes what a receipt seals beside it.
func verify(dir string) (s *ledger.Summary, manifest, metrics ledger.Hash, err error) {
	if s, err = ledger.VerifyFile(join(dir, LedgerFile)); err != nil {
		return nil, "", "", err
	}
	if manifest, _, err = HashFile(join(dir, ManifestFile)); err != nil {
		return nil, "", "", err
	}
	metrics, _, err = HashFile(join(dir, MetricsFile))
	return s, manifest, metrics, err
}

// Verify checks a run: the chain and sums of its ledger, that the manifest is the one it was opened with, and, where the run was sealed, every
// figure and hash of the receipt. The receipt is nil where there is none (yet).
func Verify(dir string) (*ledger.Summary, *ledger.Receipt, error) {
	s, manifest, metrics, err := verify(dir)
	if err != nil {
		return nil, nil, err
	}
	if s.Manifest != manifest {
		return s, nil, fmt.Errorf("%s: SHA-256 %.12s; the ledger was opened with %.12s", join(dir, ManifestFile), manifest, s.Manifest)
	}
	path := join(dir, ReceiptFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil, nil
	}
	if err != nil {
		return s, nil, err
	}
	var r ledger.Receipt
	if err := json.Unmarshal(text, &r); err != nil {
		return s, nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.Manifest != manifest {
		return s, &r, fmt.Errorf("%s: seals manifest %.12s, which is %.12s", path, r.Manifest, manifest)
	}
	if r.Metrics != metrics {
		return s, &r, fmt.Errorf("%s: %s was changed after it was sealed: SHA-256 %.12s, sealed %.12s", path, MetricsFile, metrics, r.Metrics)
	}
	if err := r.Check(s); err != nil {
		return s, &r, fmt.Errorf("%s: %w", path, err)
	}
	return s, &r, nil
}
