package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pennyml/penny/ledger"
)

// pendingFile holds what was spent but not yet entered in the ledger. It is rewritten in place after each step, so that a kill loses no more than
// the step that it interrupts.
const pendingFile = "ledger.pending"

// pending is that file's content.
type pending struct {
	Seq  int64          `json:"seq"`  // of the entry that the first of Work would have become
	Work []*ledger.Work `json:"work"` // in the order in which they would have been entered
}

type pendingWriter struct{ f *os.File }

func openPending(path string) (*pendingWriter, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return nil, err
	}
	return &pendingWriter{f}, nil
}

// write replaces the content. A reader takes the first line only, so that a kill between the two calls does no harm.
func (p *pendingWriter) write(what pending) error {
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if _, err := p.f.WriteAt(text, 0); err != nil {
		return err
	}
	return p.f.Truncate(int64(len(text)))
}

// remove deletes the file: everything is in the ledger.
func (p *pendingWriter) remove() error { return errors.Join(p.f.Close(), os.Remove(p.f.Name())) }

// enterPending enters what a killed process had spent and not yet entered. The entries belong to that process: they come before the next open entry.
func enterPending(path string, l *ledger.Ledger) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || l.Closed() {
		return nil
	}
	if err != nil {
		return err
	}
	line, _, whole := bytes.Cut(text, []byte{'\n'})
	var p pending
	if err := json.Unmarshal(line, &p); err != nil || !whole {
		return nil // torn: all before it is in the ledger
	}
	next, _ := l.Head()
	entered := next - p.Seq
	if entered < 0 || entered > int64(len(p.Work)) {
		return nil
	}
	for _, w := range p.Work[entered:] {
		if err := l.Append(w); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}
