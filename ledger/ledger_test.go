package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func opening() *Open {
	return &Open{Run: "r", Manifest: HashOf([]byte("m")), Binary: HashOf([]byte("b")), Machine: "a machine", Rates: DefaultRates(2), Energy: "model"}
}

func work(p Purpose, step, flops int64) *Work {
	return &Work{Purpose: p, Step: step, FLOPs: Count(flops), Tokens: flops / 10, Seconds: 0.5, CPUSeconds: 0.9, Joules: 2, JoulesLow: 1, JoulesHigh: 4, Label: Estimated}
}

// write makes a ledger of the given bodies and returns its path.
func write(t *testing.T, bodies ...Body) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	l, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bodies {
		if err := l.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func sample() []Body {
	return []Body{opening(), work(Pretrain, 1, 1000), work(Evaluation, 1, 300), &Checkpoint{Step: 1, Tokens: 100, State: HashOf([]byte("s1")), Path: "checkpoints/1"},
		&Note{Step: 1, Event: "divergence", Text: "loss is \"NaN\"\nhere"}, work(Pretrain, 2, 2000), &Move{From: Pretrain, To: Discarded, Step: 2, FLOPs: Count(500), Tokens: 50, Reason: "filtered"},
		work(Other, 2, 0), &Close{Step: 2, Tokens: 300, Outcome: Done, Reason: "steps", State: HashOf([]byte("s2"))}}
}

func TestChain(t *testing.T) {
	path := write(t, sample()...)
	s, err := VerifyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if s.Entries != 9 || s.Opens != 1 || s.Closed == nil || s.State != HashOf([]byte("s2")) || s.Tokens != 300 || s.Torn != 0 {
		t.Errorf("summary %+v", s)
	}
	all := s.Totals
	if all.All.FLOPs != Count(3300) || all.For[Pretrain].FLOPs != Count(2500) || all.For[Discarded].FLOPs != Count(500) || all.For[Discarded].Tokens != 50 || all.Useful() != Count(2800) {
		t.Errorf("totals %+v", all)
	}
	if all.All.Seconds != 2 || all.All.Energy != (Energy{Estimated, 8, 4, 16, 0}) {
		t.Errorf("sums %+v", all.All)
	}
	r := DefaultRates(2)
	if want := 2.0 / 3600 * 2 * r.Machine; math.Abs(all.All.Dollars-want) > 1e-15 {
		t.Errorf("dollars %v, want %v", all.All.Dollars, want)
	}
	// An outsider checks the chain with no more than SHA-256 over lines.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before := strings.Repeat("0", 64)
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		var e struct {
			Seq  int
			Prev string
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Seq != i || e.Prev != before {
			t.Fatalf("line %d: %+v, want prev %s: %v", i, e, before, err)
		}
		before = string(HashOf([]byte(line)))
	}
	if before != string(s.Head) {
		t.Error("head")
	}
}

// Whatever is changed in a ledger, verification names the first entry that is wrong.
func TestTamper(t *testing.T) {
	text, err := os.ReadFile(write(t, sample()...))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	join := func(l ...string) string { return strings.Join(l, "") }
	edit := func(i int, old, new string) string {
		c := append([]string{}, lines...)
		if c[i] = strings.Replace(c[i], old, new, 1); c[i] == lines[i] {
			t.Fatalf("%q is not in %s", old, c[i])
		}
		return join(c...)
	}
	for name, c := range map[string]struct {
		text string
		seq  int64
		says string
	}{
		"flops":            {edit(1, `"flops":1000`, `"flops":900`), 1, "was changed"},
		"last flops":       {edit(5, `"flops":2000`, `"flops":1`), 5, "was changed"},
		"dollars":          {edit(1, `"dollars":0.00001388888888888889`, `"dollars":0.00002`), 1, "the rates make"},
		"rates":            {edit(0, `"machine_dollars_per_cpu_hour":0.05`, `"machine_dollars_per_cpu_hour":0.04`), 0, "was changed"},
		"label":            {edit(2, `"estimated"`, `"measured"`), 2, "was changed"},
		"unknown label":    {edit(2, `"estimated"`, `"guessed"`), 2, "label"},
		"state":            {edit(3, string(HashOf([]byte("s1"))), string(HashOf([]byte("s3")))), 3, "was changed"},
		"no state":         {edit(3, string(HashOf([]byte("s1"))), "0"), 3, "no hash"},
		"dropped":          {join(append(append([]string{}, lines[:4]...), lines[5:]...)...), 4, "entry 4 should stand here"},
		"dropped first":    {join(lines[1:]...), 0, "entry 0 should stand here"},
		"twice":            {join(append(append([]string{}, lines[:3]...), lines[2:]...)...), 3, "entry 3 should stand here"},
		"swapped":          {join(append([]string{lines[0], lines[2], lines[1]}, lines[3:]...)...), 1, "entry 1 should stand here"},
		"not canonical":    {edit(1, `,`, `, `), 1, "canonical"},
		"number's form":    {edit(1, `"seconds":0.5`, `"seconds":0.50`), 1, "canonical"},
		"negative":         {edit(1, `"seconds":0.5`, `"seconds":-0.5`), 1, "seconds"},
		"unknown field":    {edit(1, `"flops"`, `"flaps"`), 1, "flaps"},
		"unknown kind":     {edit(4, `"kind":"note"`, `"kind":"joke"`), 4, "joke"},
		"unknown purpose":  {edit(1, `"pretrain"`, `"pleasure"`), 1, "pleasure"},
		"bounds":           {edit(1, `"joules_low":1`, `"joules_low":3`), 1, "not within"},
		"moves too much":   {edit(6, `"moved_flops":500`, `"moved_flops":50000`), 6, "has 3000"},
		"no number":        {edit(1, `"seq":1`, `"seq":"one"`), 1, "seq"},
		"garbage":          {lines[0] + "garbage\n" + join(lines[1:]...), 1, "JSON"},
		"work after close": {join(lines...) + "\n" + string(following(t, lines, work(Pretrain, 3, 1))) + "\n", 9, "outside"},
		"another run":      {join(lines...) + "\n" + string(following(t, lines, &Open{Run: "else", Rates: DefaultRates(1)})) + "\n", 9, "opens run"},
	} {
		_, err := Verify(strings.NewReader(c.text))
		var bad *BadEntry
		if !errors.As(err, &bad) || bad.Seq != c.seq || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want entry %d and %q", name, err, c.seq, c.says)
		}
	}
}

// following is a line that continues the chain, whatever it says.
func following(t *testing.T, lines []string, b Body) []byte {
	t.Helper()
	if w, ok := b.(*Work); ok {
		w.Machine, w.Power, w.Dollars = DefaultRates(2).Dollars(w.Seconds, w.Joules)
	}
	line, err := Entry{Seq: int64(len(lines)), Prev: HashOf([]byte(lines[len(lines)-1])), Body: b}.encode()
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// A ledger cut off at any byte resumes: whole lines stay, the torn one goes, the chain continues.
func TestTorn(t *testing.T) {
	text, err := os.ReadFile(write(t, sample()[:6]...))
	if err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut <= len(text); cut += 7 {
		path := filepath.Join(t.TempDir(), "ledger.jsonl")
		if err := os.WriteFile(path, text[:cut], 0o666); err != nil {
			t.Fatal(err)
		}
		whole := bytes.LastIndexByte(text[:cut], '\n') + 1
		l, err := Resume(path)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if l.Torn() != int64(cut-whole) {
			t.Fatalf("cut at %d: torn %d, want %d", cut, l.Torn(), cut-whole)
		}
		before := l.Totals().All.FLOPs
		for _, b := range []Body{opening(), work(SFT, 7, 70)} {
			if err := l.Append(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		s, err := VerifyFile(path)
		if err != nil || s.Totals.All.FLOPs != before.Plus(Count(70)) || s.Closed != nil {
			t.Fatalf("cut at %d: %v, %+v", cut, err, s)
		}
	}
	// Blocks that a power loss left empty are torn as well; a changed line is not.
	path := filepath.Join(t.TempDir(), "l")
	if err := os.WriteFile(path, append(bytes.Clone(text), 0, 0, 0, '\n'), 0o666); err != nil {
		t.Fatal(err)
	}
	if l, err := Resume(path); err != nil || l.Torn() != 4 {
		t.Fatalf("%v", err)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(`"flops":300`), []byte(`"flops":301`), 1), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Resume(path); err == nil || !strings.Contains(err.Error(), "entry 2") {
		t.Fatalf("resumed a ledger that was changed: %v", err)
	}
}

func TestSince(t *testing.T) {
	l, err := Resume(write(t, opening(), work(Pretrain, 1, 100), &Checkpoint{Step: 1, State: HashOf(nil)}, work(Pretrain, 2, 10), work(Evaluation, 2, 7)))
	if err != nil {
		t.Fatal(err)
	}
	show := func(m map[Purpose]Sums) string { return fmt.Sprint(m[Pretrain].FLOPs, m[Evaluation].FLOPs, len(m)) }
	if got := show(l.Since(1)); got != "10 7 2" {
		t.Error(got)
	}
	if got := show(l.Since(0)); got != "110 7 2" {
		t.Error(got)
	}
	if got := l.Since(5); len(got) != 0 {
		t.Error(got)
	}
	for p, s := range l.Since(1) {
		if err := l.Append(&Move{From: p, To: Discarded, FLOPs: s.FLOPs, Tokens: s.Tokens, Reason: "resumed"}); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.Since(1); len(got) != 0 {
		t.Errorf("taken back twice: %v", got)
	}
	if l.Closed() {
		t.Error("closed")
	}
}

func TestReceipt(t *testing.T) {
	s, err := VerifyFile(write(t, sample()...))
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Seal(s.Manifest, HashOf(nil), "2 · m · n · k")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	read := func(old, new string) *Receipt {
		var r Receipt
		if err := json.Unmarshal([]byte(strings.Replace(string(text), old, new, 1)), &r); err != nil {
			t.Fatal(err)
		}
		return &r
	}
	if err := read("", "").Check(s); err != nil {
		t.Errorf("as written: %v", err)
	}
	for _, c := range [][3]string{{`"flops":3300`, `"flops":3200`, "totals"}, {`"steps":2`, `"steps":3`, "steps"}, {`"outcome":"done"`, `"outcome":"failed"`, "outcome"},
		{string(s.Head), string(HashOf(nil)), "changed after"}, {`"ledger_entries":9`, `"ledger_entries":8`, "9 entries"}, {`"joules":8`, `"joules":7`, "totals"},
		{string(s.State), string(HashOf(nil)), "state"}} {
		if err := read(c[0], c[1]).Check(s); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s: %v", c[1], err)
		}
	}
	if s, err = VerifyFile(write(t, sample()[:4]...)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Seal("", "", ""); err == nil {
		t.Error("sealed a run that goes on")
	}
}

func TestRefusals(t *testing.T) {
	l, err := Create(filepath.Join(t.TempDir(), "l"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(work(Pretrain, 0, 1)); err == nil {
		t.Error("work before an open entry")
	}
	if err := l.Append(opening()); err != nil {
		t.Fatal(err)
	}
	nan := work(Pretrain, 0, 1)
	nan.Seconds = math.NaN()
	for _, b := range []Body{nan, work("fun", 0, 1), &Checkpoint{State: "x"}, &Move{From: Pretrain, To: Discarded, FLOPs: Count(1)}, &Open{Run: "r"}} {
		if err := l.Append(b); err == nil {
			t.Errorf("%+v was taken", b)
		}
	}
	if err := l.Append(work(Pretrain, 1, 5)); err != nil {
		t.Errorf("after refusals: %v", err)
	}
	if _, err := Create(l.f.Name()); err == nil {
		t.Error("created over a ledger")
	}
	if Require(nil) == nil || Require((*Tally)(nil)) == nil || Require(&Tally{}) != nil {
		t.Error("Require")
	}
}

func TestEnergyLabels(t *testing.T) {
	m, e, a := Energy{Measured, 3, 3, 3, 3}, Energy{Estimated, 2, 1, 4, 0}, Energy{Label: Absent}
	for _, c := range []struct {
		sum  Energy
		want Label
	}{{m.Plus(m), Measured}, {m.Plus(e), Estimated}, {e.Plus(m), Estimated}, {m.Plus(a), Absent}, {a.Plus(e), Absent}, {Energy{}.Plus(m), Measured}, {e.Plus(Energy{}), Estimated}} {
		if c.sum.Label != c.want {
			t.Errorf("%+v, want %s", c.sum, c.want)
		}
	}
	if s := m.Plus(e); s.Joules != 5 || s.Low != 4 || s.High != 7 || s.Measured != 3 || s.Known() == nil {
		t.Errorf("%+v", s)
	}
	if m.Plus(a).Known() != nil {
		t.Error("part of it is absent, yet it is known")
	}
}

func TestFLOPs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64Min(0).Draw(t, "a"), rapid.Int64Min(0).Draw(t, "b")
		n := rapid.Uint64Max(1<<60).Draw(t, "n")
		f := Count(a).Times(n).Plus(Count(b))
		back, ok := f.Minus(Count(b))
		if !ok || back != Count(a).Times(n) {
			t.Fatalf("%v - %d = %v", f, b, back)
		}
		var g FLOPs
		text, _ := json.Marshal(f)
		if err := json.Unmarshal(text, &g); err != nil || g != f {
			t.Fatalf("%s: %v %v", text, g, err)
		}
		if want := float64(a)*float64(n) + float64(b); math.Abs(f.Float()-want) > 1e-15*want {
			t.Fatalf("%v is %g, want %g", f, f.Float(), want)
		}
	})
	for _, bad := range []string{"-1", "1.5", `"1"`, "340282366920938463463374607431768211456", strings.Repeat("9", 1000)} {
		var g FLOPs
		if json.Unmarshal([]byte(bad), &g) == nil {
			t.Errorf("%.50s was read as %v", bad, g)
		}
	}
	if _, ok := Count(1).Minus(Count(2)); ok {
		t.Error("1 - 2")
	}
}

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		`{ "b": 1, "a": [true, null, -0, 0.10, 1E3, 1e-7, 12345678901234567890] }`: `{"a":[true,null,0,0.1,1000,1e-7,12345678901234567890],"b":1}`,
		`"\u00e9\u2028<\/\u0001\t\""`:   "\"é\u2028</\\u0001\\t\\\"\"",
		`{"\ue000":1,"\ud83d\ude00":2}`: "{\"😀\":2,\"\ue000\":1}", // by UTF-16
	} {
		got, err := canonicalise([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s %v, want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{`{`, `1 2`, `1e999`, ``} {
		if _, err := canonicalise([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// The price list has what is charged by default, dated and with a source that it lists.
func TestPrices(t *testing.T) {
	if err := DefaultRates(1).Check(); err != nil {
		t.Error(err)
	}
	var list struct{ Sources map[string]any }
	if err := json.Unmarshal(PriceFile, &list); err != nil {
		t.Fatal(err)
	}
	for _, p := range Prices() {
		if p.Date == "" || len(p.Sources) == 0 || !(p.Value > 0) {
			t.Errorf("%+v", p)
		}
		for _, s := range p.Sources {
			if list.Sources[s] == nil {
				t.Errorf("%s: source %q is not listed", p.Item, s)
			}
		}
	}
	own := Rates{CPUs: 4, Machine: 0.01, MachineSource: "mine", Power: 0.2, PowerSource: "bill"}
	if m, p, d := own.Dollars(1800, 3.6e6); m != 0.02 || p != 0.2 || d != 0.22 {
		t.Error(m, p, d)
	}
	if (Rates{CPUs: 1, Machine: math.NaN(), MachineSource: "x", PowerSource: "x"}).Check() == nil || (Rates{CPUs: 1}).Check() == nil || (Rates{MachineSource: "x", PowerSource: "x"}).Check() == nil {
		t.Error("rates that price nothing")
	}
}

func FuzzVerify(f *testing.F) {
	path := filepath.Join(f.TempDir(), "l")
	l, err := Create(path)
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range sample() {
		if err := l.Append(b); err != nil {
			f.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	for _, line := range bytes.SplitAfter(text, []byte("\n")) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Verify(bytes.NewReader(text))
		if err == nil && s.Closed != nil {
			if _, err := s.Seal("", "", ""); err != nil {
				t.Error(err)
			}
		}
	})
}
