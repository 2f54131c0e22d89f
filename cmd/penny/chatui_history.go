package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// historySize is how many questions are kept from one chat to the next.
const historySize = 1000

// history is what the user typed before, oldest first, kept in a file with one JSON string a line.
type history struct {
	path    string // empty: not kept
	entries []string
	at      int    // the entry being shown; len(entries): none
	draft   string // what was typed before leafing
}

// openHistory reads the history in the cache folder. On an error the history works but is not kept.
func openHistory(home string) (*history, error) {
	h := &history{}
	if home == "" {
		return h, nil
	}
	path := filepath.Join(home, "chat_history.jsonl")
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		h.path = path
		return h, nil
	}
	if err != nil {
		return h, err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var entry string
		if json.Unmarshal(sc.Bytes(), &entry) == nil { // a torn last line is no reason to lose the others
			h.entries = append(h.entries, entry)
		}
	}
	if err := sc.Err(); err != nil {
		return h, err
	}
	h.path = path
	if len(h.entries) > 2*historySize {
		h.entries = h.entries[len(h.entries)-historySize:]
		err = h.rewrite()
	}
	h.at = len(h.entries)
	return h, err
}

func (h *history) rewrite() error {
	var b strings.Builder
	for _, e := range h.entries {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		b.Write(append(line, '\n'))
	}
	temp := h.path + ".new"
	if err := os.WriteFile(temp, []byte(b.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, h.path)
}

// add appends what was typed, unless it repeats the entry before.
func (h *history) add(entry string) error {
	defer func() { h.at, h.draft = len(h.entries), "" }()
	if entry == "" || len(h.entries) > 0 && h.entries[len(h.entries)-1] == entry {
		return nil
	}
	h.entries = append(h.entries, entry)
	if h.path == "" {
		return nil
	}
	line, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(h.path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(h.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// back returns the entry before the one shown. current is what stands in the input, to come back to.
func (h *history) back(current string) (string, bool) {
	if h.at == 0 {
		return "", false
	}
	if h.at == len(h.entries) {
		h.draft = current
	}
	h.at--
	return h.entries[h.at], true
}

// forward returns the entry after the one shown, at the end what was typed before leafing.
func (h *history) forward() (string, bool) {
	if h.at >= len(h.entries) {
		return "", false
	}
	if h.at++; h.at == len(h.entries) {
		return h.draft, true
	}
	return h.entries[h.at], true
}
