package tensorboard

import (
	"bytes"
	"encoding/hex"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pennyml/penny/run"
)

func write(t *testing.T, dir string, step int64, at time.Time) string {
	t.Helper()
	w, err := Open(dir, step)
	if err != nil {
		t.Fatal(err)
	}
	w.now = func() time.Time { return at }
	for s := step + 1; s <= step+3; s++ {
		if err := w.Row(s, run.Point{"loss": 4 - float64(s), "reward": 0.5, "flops": 1e15}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Row(step+4, run.Point{"loss": math.NaN()}); err != nil {
		t.Fatal(err)
	}
	if err := w.Sample(run.Sample{Step: step + 3, Prompt: "2+2=", Text: "4\n", Verdict: "right"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.f.Name()
}

// The bytes of one event, as TensorFlow's own writer makes them.
func TestBytes(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "e"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := &Writer{f: f, now: func() time.Time { return time.Unix(1, 5e8) }}
	if err := w.Row(300, run.Point{"x": 0.5}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	event := "09000000000000f83f" + "10ac02" + "2a0a" + "0a08" + "0a0178" + "150000003f"
	if h := hex.EncodeToString(got[12 : len(got)-4]); h != event {
		t.Errorf("event %s, want %s", h, event)
	}
	if !bytes.Equal(got[:8], []byte{24, 0, 0, 0, 0, 0, 0, 0}) {
		t.Errorf("length %x", got[:8])
	}
	// RFC 3720's vector: the CRC of 32 zero bytes is 8a9136aa.
	crc := uint32(0x8a9136aa)
	if c := masked(make([]byte, 32)); c != (crc>>15|crc<<17)+0xa282ead8 {
		t.Errorf("crc %x", c)
	}
}

// What TensorBoard itself reads, where the environment names a Python that has it.
func TestTensorBoardReads(t *testing.T) {
	python := os.Getenv("PENNY_TENSORBOARD_PYTHON")
	if python == "" {
		t.Skip("PENNY_TENSORBOARD_PYTHON names no Python with tensorboard installed")
	}
	dir := t.TempDir()
	write(t, dir, 0, time.Unix(1_700_000_000, 0))
	write(t, dir, 2, time.Unix(1_700_000_100, 0)) // resumed at step 2: steps 3 and 4 of the first file are void
	out, err := exec.Command(python, "-c", `
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
import glob
a = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'tensors': 0}); a.Reload()
t = a.Tags()
print(sorted(t['scalars']), sorted(t['tensors']))
for tag in t['scalars']:
    for e in a.Scalars(tag):
        print(tag, e.step, e.value)
for tag in sorted(t['tensors']):
    for e in a.Tensors(tag):
        print(tag, e.step, e.tensor_proto.string_val[0])
n = sum(1 for f in glob.glob(sys.argv[1]+'/*') for _ in EventFileLoader(f).Load())
print('events', n)
`, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	for _, want := range []string{"train/loss 1 3.0", "train/loss 2 2.0", "train/loss 3 1.0", "train/loss 4 0.0", "train/loss 5 -1.0", "train/loss 6 nan", "reward 1 0.5",
		"cost/flops 5 999999986991104.0", `sample/sample 5 b'\t2+2=4\n\t\n\tright'`, "events 13"} {
		if !strings.Contains(string(out), want+"\n") {
			t.Errorf("TensorBoard does not see %q", want)
		}
	}
	if strings.Count(string(out), "train/loss 3 ") != 1 || strings.Contains(string(out), "train/loss 4 nan") {
		t.Error("what a resumed run took back is still shown")
	}
}
