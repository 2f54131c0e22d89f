package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pennyml/penny/ledger"
	rundir "github.com/pennyml/penny/run"
)

// makeRun makes a finished run of a few steps.
func makeRun(t *testing.T, path string) {
	t.Helper()
	m, err := rundir.NewManifest("test", "train", version, 1)
	if err != nil {
		t.Fatal(err)
	}
	d, err := rundir.Create(path, m)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r, err := rundir.Record(d, rundir.Options{Threads: 1, Formula: "none"})
	if err != nil {
		t.Fatal(err)
	}
	r.Enter(ledger.Pretrain)
	for s := int64(1); s <= 20; s++ {
		r.Spend(ledger.Pretrain, 1e6, 64)
		if err := r.Step(rundir.Row{Step: s, Tokens: 64 * s, Loss: 3 / float64(s)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Checkpoint(20, 1280, ledger.HashOf(nil), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Close(ledger.Done, "steps"); err != nil {
		t.Fatal(err)
	}
}

func TestRunsPlotReceipt(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	makeRun(t, a)
	makeRun(t, b)
	o := penny(t, "", nil, "runs", dir, "--json")
	lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
	var l rundir.Listed
	if err := json.Unmarshal([]byte(lines[0]), &l); err != nil || len(lines) != 2 || l.State != "done" || l.Steps != 20 || l.Tokens != 1280 || l.FLOPs != ledger.Count(20e6) || *l.Loss != 0.15 {
		t.Errorf("%v: %+v", err, o)
	}
	if o = penny(t, "", nil, "runs", dir); o.code != 0 || !strings.Contains(o.stdout, "1.28k") || !strings.Contains(o.stdout, "0.1500") {
		t.Errorf("%+v", o)
	}
	for _, name := range []string{"c.svg", "c.png"} {
		file := filepath.Join(dir, name)
		if o := penny(t, "", nil, "plot", a, b, "--x", "flops", "--y", "loss", "--smooth", "0.5", "--out", file); o.code != 0 {
			t.Fatal(o.stderr)
		}
		text, err := os.ReadFile(file)
		if err != nil || !bytes.HasPrefix(text, []byte("<svg")) && !bytes.HasPrefix(text, []byte("\x89PNG")) {
			t.Errorf("%s: %v %.20q", name, err, text)
		}
	}
	if o := penny(t, "", nil, "plot", filepath.Join(a, rundir.MetricsFile), "--width", "60"); o.code != 0 || !strings.Contains(o.stdout, "⠉") || strings.Contains(o.stdout, "\x1b") {
		t.Errorf("%+v", o)
	}
	if o := penny(t, "", nil, "plot", filepath.Join(dir, "none")); o.code != 1 || !strings.Contains(o.stderr, "hint:") {
		t.Errorf("%+v", o)
	}
	if o := penny(t, "", nil, "plot", a, "--y", "fun"); o.code != 1 || !strings.Contains(o.stderr, "loss") {
		t.Errorf("%+v", o)
	}
	if o := penny(t, "", nil, "receipt", "verify", a); o.code != 0 || !strings.Contains(o.stdout, "sealed") || !strings.Contains(o.stdout, "20000000") {
		t.Errorf("%+v", o)
	}
}

// A changed ledger is noticed by every verb that reads it.
func TestReceiptOfAChangedRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "r")
	makeRun(t, dir)
	path := filepath.Join(dir, rundir.LedgerFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(`"tokens_seen":1280`), []byte(`"tokens_seen":1281`), 1), 0o666); err != nil {
		t.Fatal(err)
	}
	o := penny(t, "", nil, "receipt", "verify", dir, "--json")
	var r receiptOut
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil || o.code != 1 || r.OK || r.Entry == nil || !strings.Contains(o.stderr, "was changed") {
		t.Errorf("%v: %+v", err, o)
	}
	if o := penny(t, "", nil, "runs", dir); o.code != 0 || !strings.Contains(o.stdout, "broken") || !strings.Contains(o.stderr, "was changed") {
		t.Errorf("%+v", o)
	}
}
