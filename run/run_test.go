package run

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pennyml/penny/ledger"
)

// TestMain lets the test binary be a run that somebody kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PENNY_TEST_RUN"); dir != "" {
		runUntilKilled(dir)
	}
	os.Exit(m.Run())
}

func newDir(t *testing.T, path string) *Dir {
	t.Helper()
	m, err := NewManifest("test", "train", "1", 1)
	if err != nil {
		t.Fatal(err)
	}
	m.Seeds["init"] = 1
	d, err := Create(path, m)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func record(t *testing.T, d *Dir, o Options) *Recorder {
	t.Helper()
	o.Threads = 1
	r, err := Record(d, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// steps does what a training loop does.
func steps(t *testing.T, r *Recorder, from, to int64) {
	t.Helper()
	r.Enter(ledger.Pretrain)
	for s := from; s <= to; s++ {
		r.Spend(ledger.Pretrain, 600, 60)
		r.Spend(ledger.Pretrain, 400, 40)
		row := Row{Step: s, Tokens: s * 100, Loss: 5 / float64(s), LR: 1e-3, GradNorm: 1, Extra: map[string]float64{"reward": float64(s)}}
		if s%4 == 0 {
			before := r.Enter(ledger.Evaluation)
			r.Spend(ledger.Evaluation, 50, 10)
			v := row.Loss + 1
			row.ValLoss = &v
			r.Enter(before)
		}
		if err := r.Step(row); err != nil {
			t.Fatal(err)
		}
		if s%5 == 0 {
			if err := r.Checkpoint(s, s*100, ledger.HashOf(fmt.Append(nil, s)), fmt.Sprint("checkpoints/", s)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func closeAll(t *testing.T, r *Recorder, d *Dir) *ledger.Receipt {
	t.Helper()
	receipt, err := r.Close(ledger.Done, "steps")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return receipt
}

func TestRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r")
	d := newDir(t, path)
	r := record(t, d, Options{Budget: Budget{Steps: 10}, Formula: "2mnk"})
	steps(t, r, 1, 10)
	if by, out := r.Exhausted(); !out || by != "steps" {
		t.Error(by, out)
	}
	receipt := closeAll(t, r, d)
	if again, err := r.Close(ledger.Failed, "twice"); again != nil || err != nil {
		t.Error("closed twice")
	}
	all := receipt.Totals
	if all.All.FLOPs != ledger.Count(10*1000+2*50) || all.For[ledger.Evaluation].Tokens != 20 || receipt.State != ledger.HashOf([]byte("10")) || receipt.Tokens != 1000 || receipt.Memory < 1<<20 {
		t.Errorf("%+v", receipt)
	}
	points, err := ReadMetrics(filepath.Join(path, MetricsFile))
	if err != nil || len(points) != 10 {
		t.Fatal(len(points), err)
	}
	last := points[9]
	for k, want := range map[string]float64{"step": 10, "tokens": 1000, "loss": 0.5, "lr": 1e-3, "grad_norm": 1, "flops": 10100, "reward": 10} {
		if last[k] != want {
			t.Errorf("%s is %v, want %v", k, last[k], want)
		}
	}
	if _, ok := last["val_loss"]; ok || points[7]["val_loss"] != 5.0/8+1 {
		t.Error("val_loss where there was no evaluation, or none where there was one")
	}
	for _, k := range []string{"tokens_per_s", "dollars", "seconds", "joules"} {
		if !(last[k] > 0) {
			t.Errorf("%s is %v", k, last[k])
		}
	}
	s, sealed, err := Verify(path)
	if err != nil || sealed == nil || s.Totals.All.FLOPs != all.All.FLOPs {
		t.Fatal(err)
	}
	// What was sealed cannot be changed without notice.
	for _, name := range []string{MetricsFile, ManifestFile, LedgerFile} {
		file := filepath.Join(path, name)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), "1", "2", 1)), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Verify(path); err == nil {
			t.Errorf("%s was changed, and nobody notices", name)
		}
		if err := os.WriteFile(file, text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// What a run that goes on finds, and what it makes of it.
func TestResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r")
	d := newDir(t, path)
	r := record(t, d, Options{})
	steps(t, r, 1, 8) // checkpoint at 5
	if _, err := r.Close(ledger.Interrupted, "by the user"); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r = record(t, d, Options{Resume: true, Step: 5, Tokens: 500})
	if _, err := os.Stat(filepath.Join(path, ReceiptFile)); !errors.Is(err, os.ErrNotExist) {
		t.Error("the receipt of a run that goes on still stands")
	}
	if points, _ := ReadMetrics(filepath.Join(path, MetricsFile)); len(points) != 5 {
		t.Errorf("%d rows after resuming at step 5", len(points))
	}
	steps(t, r, 6, 10)
	receipt := closeAll(t, r, d)
	if f := receipt.Totals; f.For[ledger.Discarded].FLOPs != ledger.Count(3*1000+50) || f.Useful() != ledger.Count(10*1000+2*50) || receipt.Opens != 2 {
		t.Errorf("%+v", f)
	}
	points, err := ReadMetrics(filepath.Join(path, MetricsFile))
	if err != nil || len(points) != 10 || points[9]["flops"] != 13150 {
		t.Errorf("%d rows, %v: %v", len(points), points[9], err)
	}
	if _, _, err := Verify(path); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r")
	d := newDir(t, path)
	if _, err := Open(path); !errors.Is(err, ErrLocked) {
		t.Errorf("two writers: %v", err)
	}
	if _, err := Create(path, Manifest{}); !errors.Is(err, ErrLocked) {
		t.Errorf("two writers: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, Manifest{}); err == nil || !strings.Contains(err.Error(), "already holds a run") {
		t.Errorf("a run over a run: %v", err)
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Manifest.Kind != "train" || d.Manifest.Seeds["init"] != 1 || !d.Manifest.Binary.SHA256.Valid() {
		t.Errorf("%+v", d.Manifest)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("opened an empty directory")
	}
}

// runUntilKilled trains until somebody kills it, one line on stdout a step.
func runUntilKilled(dir string) {
	m, err := NewManifest("killed", "train", "1", 1)
	if err == nil {
		var d *Dir
		if d, err = Create(dir, m); err == nil {
			var r *Recorder
			if r, err = Record(d, Options{Threads: 1}); err == nil {
				r.Enter(ledger.Pretrain)
				for s := int64(1); ; s++ {
					time.Sleep(5 * time.Millisecond)
					r.Spend(ledger.Pretrain, 1000, 100)
					if err = r.Step(Row{Step: s, Tokens: s * 100, Loss: 1}); err != nil {
						break
					}
					if s == 20 {
						if err = r.Checkpoint(s, s*100, ledger.HashOf([]byte("20")), ""); err != nil {
							break
						}
					}
					fmt.Println(s)
				}
			}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// A run killed with kill -9 counts what it spent, and goes on.
func TestKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "r")
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "PENNY_TEST_RUN="+dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var done int64
	s0 := bufio.NewScanner(out)
	for s0.Scan() {
		done++
		if done == 30 && !locked(filepath.Join(dir, lockFile)) {
			t.Error("a run that runs is not locked")
		}
		if done == 150 {
			if err := c.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	for s0.Scan() {
		done++ // printed before the kill
	}
	_ = c.Wait() // killed
	s, _, err := Verify(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Closed != nil {
		t.Errorf("%+v", s)
	}
	if l, err := List(filepath.Dir(dir)); err != nil || len(l) != 1 || l[0].State != "killed" {
		t.Errorf("%+v %v", l, err)
	}
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := record(t, d, Options{Resume: true, Step: 20, Tokens: 2000})
	// No step is lost sight of that was completed; the one that was not may be.
	if all := r.Totals(); all.For[ledger.Discarded].FLOPs.Float() < float64(1000*(done-20)) || all.Useful() != ledger.Count(20*1000) || all.All.Seconds < 0.005*float64(done) {
		t.Errorf("after %d steps %+v", done, all)
	}
	steps(t, r, 21, 25)
	receipt := closeAll(t, r, d)
	if receipt.Totals.Useful() != ledger.Count(25*1000+50) || receipt.Opens != 2 {
		t.Errorf("useful %v: %+v", receipt.Totals.Useful(), receipt.Totals)
	}
}

func TestRows(t *testing.T) {
	r := Row{Step: 1, Loss: math.NaN(), GradNorm: math.Inf(1), Extra: map[string]float64{"z": 1, "a": math.NaN()}}
	line, err := r.line(Cost{JoulesLabel: "absent"}, ledger.Count(7))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"step":1,"tokens":0,"loss":null,"val_loss":null,"lr":0,"grad_norm":null,"tokens_per_s":0,"flops":7,"joules":null,"joules_label":"absent","dollars":0,"seconds":0,"a":null,"z":1}` + "\n"
	if string(line) != want {
		t.Errorf("%s", line)
	}
	var any map[string]any
	if err := json.Unmarshal(line, &any); err != nil {
		t.Error(err)
	}
	if _, err := (Row{Extra: map[string]float64{"loss": 1}}).line(Cost{}, 0); err == nil {
		t.Error("an extra field took the loss's name")
	}
}

func TestMetricsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), MetricsFile)
	if p, err := ReadMetrics(path); err != nil || p != nil {
		t.Error(p, err)
	}
	text := "{\"step\":1,\"loss\":2}\n{\"step\":2,\"loss\":null}\n{\"step\":3,\"loss\":1}\n{\"step\":4,\"lo"
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	if p, err := ReadMetrics(path); err != nil || len(p) != 3 || p[2]["loss"] != 1 || len(p[1]) != 1 {
		t.Error(p, err)
	}
	f, err := openMetrics(path, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("{\"step\":3,\"loss\":9}\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if p, err := ReadMetrics(path); err != nil || len(p) != 3 || p[2]["loss"] != 9 {
		t.Error(p, err)
	}
	for _, bad := range []string{"x\n{}\n", "{\"loss\":1}\n"} {
		if err := os.WriteFile(path, []byte(bad), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadMetrics(path); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestBudget(t *testing.T) {
	var totals ledger.Totals
	totals.Add(&ledger.Work{Purpose: ledger.Pretrain, FLOPs: ledger.Count(80), Seconds: 30, Dollars: 0.5})
	totals.Add(&ledger.Work{Purpose: ledger.Discarded, FLOPs: ledger.Count(20)})
	for _, c := range []struct {
		Budget
		share float64
		by    string
	}{{Budget{}, 0, ""}, {Budget{Steps: 10}, 0.1, "steps"}, {Budget{Steps: 10, Tokens: 50}, 0.2, "tokens"}, {Budget{FLOPs: 100, Steps: 10}, 0.8, "flops"},
		{Budget{Dollars: 0.4, FLOPs: 100}, 1.25, "dollars"}, {Budget{Minutes: 1}, 0.5, "minutes"}} {
		if share, by := c.used(1, 10, totals); share != c.share || by != c.by {
			t.Errorf("%+v: %v by %s", c.Budget, share, by)
		}
	}
}

func TestHashTree(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"b": "bb", "a": "a", "sub/c": "ccc"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	h, n, err := HashTree(dir)
	var lines []string
	for _, f := range [][2]string{{"a", "a"}, {"b", "bb"}, {"sub/c", "ccc"}} {
		lines = append(lines, string(ledger.HashOf([]byte(f[1])))+"  "+f[0]+"\n")
	}
	if want := ledger.HashOf([]byte(strings.Join(lines, ""))); err != nil || h != want || n != 6 {
		t.Errorf("%s %d %v, want %s", h, n, err, want)
	}
	if h, _, err := HashTree(filepath.Join(dir, "a")); err != nil || h != ledger.HashOf([]byte("a")) {
		t.Error(h, err)
	}
	if _, _, err := HashTree(filepath.Join(dir, "none")); err == nil {
		t.Error("hashed nothing")
	}
}
