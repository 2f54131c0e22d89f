package meter

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/cpuid/v2"

	"github.com/pennyml/penny/ledger"
)

// powercap builds a directory as Linux shows it: zones by the name of their folder, each with name, counter and range.
func powercap(t *testing.T, zones map[string][3]string) string {
	t.Helper()
	root := t.TempDir()
	for dir, files := range zones {
		p := filepath.Join(root, dir)
		if err := os.MkdirAll(p, 0o777); err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{"name", "energy_uj", "max_energy_range_uj"} {
			if files[i] == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(p, name), []byte(files[i]+"\n"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

func set(t *testing.T, root, zone, value string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(root, zone, "energy_uj"), []byte(value), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestRAPL(t *testing.T) {
	root := powercap(t, map[string][3]string{
		"intel-rapl:0":      {"package-0", "1000000", "9999999"},
		"intel-rapl:0:0":    {"core", "500000", "9999999"}, // part of the package
		"intel-rapl:0:1":    {"dram", "2000000", "9999999"},
		"intel-rapl:1":      {"package-1", "9000000", "9999999"},
		"intel-rapl:1:0":    {"dram", "0", "9999999"},
		"intel-rapl:2":      {"psys", "1", "9999999"},            // contains the packages
		"intel-rapl-mmio:0": {"package-0", "1000000", "9999999"}, // the same package again
	})
	m, err := New(Options{CPUs: 1, Powercap: root})
	if err != nil {
		t.Fatal(err)
	}
	for _, zone := range []string{"package-0,", "package-0/dram", "package-1,", "package-1/dram"} {
		if !strings.Contains(m.Source(), zone) {
			t.Errorf("%s lacks %s", m.Source(), zone)
		}
	}
	if n := len(m.rapl.zones); n != 4 {
		t.Errorf("%d zones: %s", n, m.Source())
	}
	set(t, root, "intel-rapl-mmio:0", "3500000") // whichever of the two is read
	set(t, root, "intel-rapl:0", "3500000")      // 2.5 J
	set(t, root, "intel-rapl:0:0", "9000000")    // not counted
	set(t, root, "intel-rapl:0:1", "2250000")    // 0.25 J
	set(t, root, "intel-rapl:1", "500000")       // wrapped: 0.999999 + 0.5 J
	e := m.Lap().Energy
	if want := 2.5 + 0.25 + 1.499999; e.Label != ledger.Measured || math.Abs(e.Joules-want) > 1e-9 || e.Measured != e.Joules {
		t.Errorf("%+v, want %v J measured", e, want)
	}
	if e := m.Lap().Energy; e.Joules != 0 || e.Label != ledger.Measured {
		t.Errorf("nothing happened, yet %+v", e)
	}
	// A counter that can no longer be read: the model takes over, labelled.
	if err := os.Remove(filepath.Join(root, "intel-rapl:1", "energy_uj")); err != nil {
		t.Fatal(err)
	}
	if e := m.Lap().Energy; e.Label != ledger.Estimated || e.Measured != 0 {
		t.Errorf("%+v", e)
	}
	if !strings.HasPrefix(m.Source(), "model: ") {
		t.Error(m.Source())
	}
}

func TestNoRAPL(t *testing.T) {
	for name, zones := range map[string]map[string][3]string{
		"nothing":          {},
		"unreadable":       {"intel-rapl:0": {"package-0", "", "9999999"}},
		"no range":         {"intel-rapl:0": {"package-0", "1", ""}},
		"only memory":      {"intel-rapl:0": {"package-0", "", "9"}, "intel-rapl:0:0": {"dram", "1", "9999999"}},
		"only other zones": {"intel-rapl:0": {"psys", "1", "9999999"}, "dtpm": {"x", "1", "1"}},
	} {
		if r, _ := openRAPL(powercap(t, zones)); r != nil {
			t.Errorf("%s: %v", name, r)
		}
	}
}

func TestModel(t *testing.T) {
	m := newModel(Options{CPUs: 2}, chip{vendor: cpuid.AMD, family: 0x19, model: 0x11, brand: "AMD EPYC"})
	// Ten seconds on two threads, 15 processor seconds.
	e := m.energy(10, 15)
	if want := 10*2*0.33 + 15*(1.86-0.33); math.Abs(e.Joules-want) > 1e-9 || e.Label != ledger.Estimated {
		t.Errorf("%+v, want %v", e, want)
	}
	if want := 10*2*0.30 + 15*(1.64-0.30); math.Abs(e.Low-want) > 1e-9 {
		t.Errorf("low %v, want %v", e.Low, want)
	}
	if want := 10*2*0.40 + 15*(2.17*vectorHigh-0.40); math.Abs(e.High-want) > 1e-9 {
		t.Errorf("high %v, want %v", e.High, want)
	}
	if s := m.String(); !strings.Contains(s, "9004") || !strings.Contains(s, "SPECpower") {
		t.Error(s)
	}
	own := newModel(Options{CPUs: 4, Idle: 1, Busy: 5}, chip{})
	if e := own.energy(10, 40); e.Joules != 200 || e.Low != 200 || e.High != 200 {
		t.Errorf("%+v", e)
	}
	for _, o := range []Options{{}, {CPUs: -1}, {CPUs: 1, Idle: 2, Busy: 1}, {CPUs: 1, Idle: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		chip
		want power
	}{
		{chip{vendor: cpuid.AMD, family: 0x17, model: 0x31}, epyc2},
		{chip{vendor: cpuid.AMD, family: 0x19, model: 0x01}, epyc3},
		{chip{vendor: cpuid.AMD, family: 0x1a, model: 0x02}, epyc5},
		{chip{vendor: cpuid.AMD, family: 0x19, model: 0x61}, desktop},
		{chip{vendor: cpuid.AMD, family: 0x19, model: 0x74, laptop: true}, laptop},
		{chip{vendor: cpuid.Intel, family: 6, model: 0x8f}, sapphire},
		{chip{vendor: cpuid.Intel, family: 6, model: 0xb7}, desktop},
	} {
		if got := lookup(c.chip); got.name != c.want.name {
			t.Errorf("%+v: %s, want %s", c.chip, got.name, c.want.name)
		}
	}
	for _, p := range []power{epyc1, epyc2, epyc3, epyc4, epyc4c, epyc5, epyc5c, haswell, bdwell, skylake, icelake, sapphire, emerald, granite, desktop, laptop, apple, armCore, unknown} {
		for _, w := range []watts{p.idle, p.busy} {
			if !(0 < w.low && w.low <= w.typical && w.typical <= w.high) {
				t.Errorf("%s: %+v", p.name, w)
			}
		}
		if p.idle.typical >= p.busy.typical || p.idle.low >= p.busy.low || p.idle.high >= p.busy.high {
			t.Errorf("%s: draws no more busy than idle", p.name)
		}
	}
}

func TestLap(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no processor time here")
	}
	m, err := New(Options{CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	x := 1.0
	for time.Since(start) < 50*time.Millisecond {
		x = math.Sqrt(x + 1)
	}
	u := m.Lap()
	if u.Seconds < 0.05 || u.CPUSeconds <= 0 || u.Energy.Joules <= 0 || u.Energy.Label == "" {
		t.Errorf("%+v %v", u, x)
	}
	if again := m.Lap(); again.Seconds >= u.Seconds {
		t.Errorf("a lap counts from the lap before: %+v", again)
	}
	if p := PeakMemory(); p < 1<<20 {
		t.Errorf("peak memory %d", p)
	}
}
