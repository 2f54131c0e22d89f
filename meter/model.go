package meter

import (
	"fmt"
	"runtime"

	"github.com/klauspost/cpuid/v2"

	"github.com/pennyml/penny/ledger"
)

// watts is the draw of one hardware thread's share of a machine.
type watts struct{ low, typical, high float64 }

// power is what is known of a generation of processors.
type power struct {
	name       string
	idle, busy watts
	source     string
}

// The generations of servers are of SPECpower_ssj2008's published results (spec.org/power_ssj2008, as collected on 2026-03-09 in
// github.com/cloud-carbon-footprint/ccf-coefficients at b0032d9): watts at the wall of a whole server at active idle and at full load over its
// hardware threads; the lowest, the median and the highest of the servers tested. The others are shares of the maker's rated power.
const (
	specpower = "SPECpower_ssj2008 results up to 2026-03, whole server at the wall over its hardware threads"
	rated     = "maker's rated power over its hardware threads, a fifth of it when idle"
)

var (
	epyc1    = power{"AMD EPYC 7001", watts{0.61, 0.74, 1.61}, watts{2.09, 2.31, 4.34}, specpower}
	epyc2    = power{"AMD EPYC 7002", watts{0.28, 0.44, 0.79}, watts{1.48, 1.66, 1.99}, specpower}
	epyc3    = power{"AMD EPYC 7003", watts{0.30, 0.42, 0.75}, watts{1.59, 1.92, 2.33}, specpower}
	epyc4    = power{"AMD EPYC 9004", watts{0.30, 0.33, 0.40}, watts{1.64, 1.86, 2.17}, specpower}
	epyc4c   = power{"AMD EPYC 97x4 or 8004", watts{0.20, 0.28, 4.19}, watts{0.79, 1.53, 6.94}, specpower}
	epyc5    = power{"AMD EPYC 9005", watts{0.25, 0.35, 0.38}, watts{1.75, 1.98, 2.02}, specpower}
	epyc5c   = power{"AMD EPYC 9005 (dense)", watts{0.17, 0.21, 0.26}, watts{1.04, 1.15, 1.42}, specpower}
	haswell  = power{"Intel Xeon v3", watts{0.54, 0.65, 1.05}, watts{3.67, 3.81, 4.36}, specpower}
	bdwell   = power{"Intel Xeon v4", watts{0.46, 0.51, 0.66}, watts{2.74, 3.02, 3.76}, specpower}
	skylake  = power{"Intel Xeon Scalable, 1st or 2nd", watts{0.29, 0.57, 3.17}, watts{1.89, 4.08, 9.00}, specpower}
	icelake  = power{"Intel Xeon Scalable, 3rd", watts{0.40, 0.92, 2.29}, watts{2.92, 4.12, 6.77}, specpower}
	sapphire = power{"Intel Xeon Scalable, 4th", watts{0.60, 0.90, 3.59}, watts{2.65, 3.99, 6.56}, specpower}
	emerald  = power{"Intel Xeon Scalable, 5th", watts{0.52, 0.83, 1.95}, watts{2.20, 3.28, 8.15}, specpower}
	granite  = power{"Intel Xeon 6", watts{0.24, 0.52, 0.59}, watts{1.16, 2.29, 2.73}, specpower}

	desktop = power{"AMD Ryzen or Intel Core, desktop", watts{0.8, 1.3, 2.1}, watts{4.1, 6.5, 10.6}, rated} // 65 to 170 W, 16 to 32 threads
	laptop  = power{"AMD Ryzen or Intel Core, laptop", watts{0.2, 0.4, 1.1}, watts{1.0, 2.0, 5.6}, rated}   // 15 to 45 W, 8 to 16 threads
	apple   = power{"Apple silicon", watts{0.2, 0.5, 1.0}, watts{1.5, 3.0, 6.0}, rated}                     // 10 to 60 W, 8 to 16 cores
	armCore = power{"ARM server core", watts{0.17, 0.5, 1.0}, watts{1.0, 2.0, 4.0}, rated}
	// Of a processor that is not in the table nothing is known but that it is one: the extremes of the others.
	unknown = power{"a processor that is not in the table", watts{0.17, 0.5, 4.19}, watts{0.79, 2.3, 10.6}, "the extremes of all others in the table"}
)

// chip is a processor by its own account.
type chip struct {
	vendor        cpuid.Vendor
	family, model int
	brand         string
	laptop        bool
}

// identify asks the processor. In a virtual machine the brand may say little, but family and model are the hardware's.
func identify() chip {
	return chip{cpuid.CPU.VendorID, cpuid.CPU.Family, cpuid.CPU.Model, cpuid.CPU.BrandName, onBattery()}
}

// servers are the processors that SPECpower knows, by what CPUID says of them.
var servers = []struct {
	vendor    cpuid.Vendor
	family    int
	low, high int // models
	power
}{
	{cpuid.AMD, 0x17, 0x00, 0x0f, epyc1},
	{cpuid.AMD, 0x17, 0x30, 0x3f, epyc2},
	{cpuid.AMD, 0x19, 0x00, 0x0f, epyc3},
	{cpuid.AMD, 0x19, 0x10, 0x1f, epyc4},
	{cpuid.AMD, 0x19, 0xa0, 0xaf, epyc4c},
	{cpuid.AMD, 0x1a, 0x00, 0x0f, epyc5},
	{cpuid.AMD, 0x1a, 0x10, 0x1f, epyc5c},
	{cpuid.Intel, 6, 0x3f, 0x3f, haswell},
	{cpuid.Intel, 6, 0x4f, 0x4f, bdwell},
	{cpuid.Intel, 6, 0x55, 0x55, skylake},
	{cpuid.Intel, 6, 0x6a, 0x6c, icelake},
	{cpuid.Intel, 6, 0x8f, 0x8f, sapphire},
	{cpuid.Intel, 6, 0xcf, 0xcf, emerald},
	{cpuid.Intel, 6, 0xad, 0xae, granite},
}

// lookup finds the generation of a processor.
func lookup(c chip) power {
	for _, s := range servers {
		if c.vendor == s.vendor && c.family == s.family && c.model >= s.low && c.model <= s.high {
			return s.power
		}
	}
	switch {
	case c.vendor == cpuid.AMD || c.vendor == cpuid.Intel:
		if c.laptop {
			return laptop
		}
		return desktop
	case runtime.GOARCH == "arm64" && runtime.GOOS == "darwin":
		return apple
	case runtime.GOARCH == "arm64":
		return armCore
	}
	return unknown
}

// vectorHigh raises the upper bound of a busy thread: matrix products in wide vectors may draw more than SPECpower's Java does (assumed).
const vectorHigh = 1.25

// model estimates energy: each thread that the work keeps draws its idle share all the time, and the difference to its busy share while it works.
type model struct {
	cpus int
	power
}

func newModel(o Options, c chip) model {
	m := model{o.CPUs, lookup(c)}
	if o.Busy > 0 {
		m.power = power{"the user's measurement", watts{o.Idle, o.Idle, o.Idle}, watts{o.Busy, o.Busy, o.Busy}, "given"}
		return m
	}
	m.busy.high *= vectorHigh
	return m
}

// energy of so many seconds in which the processors worked for so many.
func (m model) energy(seconds, cpu float64) ledger.Energy {
	joules := func(idle, busy float64) float64 { return seconds*float64(m.cpus)*idle + cpu*(busy-idle) }
	e := ledger.Energy{Label: ledger.Estimated, Joules: joules(m.idle.typical, m.busy.typical)}
	e.Low = min(joules(m.idle.low, m.busy.low), e.Joules)
	e.High = max(joules(m.idle.high, m.busy.high), e.Joules)
	return e
}

func (m model) String() string {
	return fmt.Sprintf("model: %d hardware threads of %s, each %.2f W idle (%.2f to %.2f) and %.2f W busy (%.2f to %.2f), by seconds and processor seconds; %s",
		m.cpus, m.name, m.idle.typical, m.idle.low, m.idle.high, m.busy.typical, m.busy.low, m.busy.high, m.source)
}
