package audit

import (
	"math"
	"strings"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Abs(b) }

func TestParseQuantities(t *testing.T) {
	tokens, hours, money := Field{Name: "--tokens", Unit: "tokens"}, Field{Name: "--hours", Unit: "GPU-hours"}, Field{Name: "--dollars", Unit: "$"}
	days, flop, energy, mass := Field{Name: "--days", Unit: "days"}, Field{Name: "--flop", Unit: "FLOP"}, Field{Name: "--energy", Unit: "MWh"}, Field{Name: "--co2", Unit: "t"}
	peak, price := Field{Name: "--peak", Unit: "TFLOP/s/GPU", PerDevice: true}, Field{Name: "--price", Unit: "$/GPU-hour", PerDevice: true}
	share := Field{Name: "--mfu", Unit: "%", Fraction: true}
	for _, c := range []struct {
		f    Field
		in   string
		want float64 // in base units; 0: an error that names the field
	}{
		{tokens, "14.8t", 14.8e12}, {tokens, "14.8 trillion", 14.8e12}, {tokens, "14.8 Trillion tokens", 14.8e12}, {tokens, "14800b tokens", 14.8e12},
		{tokens, "1.48e13", 14.8e12}, {tokens, "14,800,000,000,000", 14.8e12}, {tokens, "fourteen point eight trillion tokens", 14.8e12},
		{tokens, "two hundred billion", 200e9}, {tokens, "300bn", 300e9}, {tokens, "14.8 thousand billion", 14.8e12}, {tokens, "11t words", 11e12},
		{tokens, "14.8t params", 0}, {tokens, "14.8 kWh", 0}, {tokens, "lots", 0}, {tokens, "", 0}, {tokens, "-3b", 0}, {tokens, "0", 0}, {tokens, "1,5t", 0},
		{tokens, "1e999", 0}, {tokens, "NaN", 0}, {tokens, "inf", 0}, {tokens, "14.8 tx", 0}, {tokens, "14.8t tokens/s", 0},
		{hours, "2.664m", 2.664e6 * 3600}, {hours, "2.664M GPU-hours", 2.664e6 * 3600}, {hours, "2.664 million gpu hours", 2.664e6 * 3600},
		{hours, "111000 GPU-days", 111000 * 86400}, {hours, "355 V100-years", 355 * 365.25 * 86400}, {hours, "2788K H800 hours", 2788e3 * 3600},
		{hours, "54 days", 0}, {hours, "2.664m hours", 0}, {hours, "$5m", 0}, {hours, "2048 GPUs", 0},
		{money, "$5.576m", 5.576e6}, {money, "5.576M", 5.576e6}, {money, "5.6 million dollars", 5.6e6}, {money, "US$1.6bn", 1.6e9}, {money, "5.576m$", 5.576e6},
		{money, "€5m", 0}, {money, "5m eur", 0}, {money, "5.6 hours", 0}, {money, "$5 kWh", 0}, {money, "$2/hour", 0},
		{days, "54.2", 54.2 * 86400}, {days, "two months", 2 * 365.25 / 12 * 86400}, {days, "8 weeks", 56 * 86400}, {days, "5m", 0}, {days, "3 GPU-days", 0}, {days, "90 min", 5400},
		{flop, "3.3e24", 3.3e24}, {flop, "3640 petaflop/s-days", 3640e15 * 86400}, {flop, "3640 PF-days", 3640e15 * 86400}, {flop, "3640 pfs-days", 3640e15 * 86400},
		{flop, "3.3 yottaflop", 3.3e24}, {flop, "3e24 FLOPs", 3e24}, {flop, "3e24 FLOP/s", 0}, {flop, "3640 petaflop/s", 0}, {flop, "3640 petaflops", 3640e15},
		{energy, "1287", 1287e6 * 3600}, {energy, "1.287 GWh", 1287e6 * 3600}, {energy, "500000 kWh", 5e5 * 3.6e6}, {energy, "5 MW", 0}, {energy, "5k kWh", 5e3 * 3.6e6}, {energy, "2 TJ", 2e12},
		{mass, "552", 552e6}, {mass, "552t", 552e6}, {mass, "20.4 kt CO2e", 20.4e9}, {mass, "552 tonnes", 552e6}, {mass, "24 tCO2eq", 24e6}, {mass, "552 kWh", 0},
		{peak, "989.4", 989.4e12}, {peak, "1979 TFLOPS", 1979e12}, {peak, "1.979 PFLOP/s", 1979e12}, {peak, "989 TFLOP/s per GPU", 989e12}, {peak, "700 W", 0},
		{price, "2", 2.0 / 3600}, {price, "$2/h", 2.0 / 3600}, {price, "$2/GPU-hour", 2.0 / 3600}, {price, "$48/day", 2.0 / 3600}, {price, "$2", 0},
		{share, "40%", 0.4}, {share, "0.4", 0.4}, {share, "40 percent", 0.4}, {share, "40", 0}, {share, "120%", 1.2},
	} {
		q, err := c.f.Parse(c.in)
		switch {
		case c.want == 0 && err == nil:
			t.Errorf("%s %q: %v, want a refusal", c.f.Name, c.in, q)
		case c.want == 0 && !strings.HasPrefix(err.Error(), c.f.Name):
			t.Errorf("%s %q: the error does not name the field: %v", c.f.Name, c.in, err)
		case c.want != 0 && err != nil:
			t.Error(err)
		case c.want != 0 && !near(q.Central, c.want):
			t.Errorf("%s %q: %g, want %g", c.f.Name, c.in, q.Central, c.want)
		}
	}
	if q, err := price.Parse("1.5..2.5 $/GPU-hour"); err != nil || !near(q.Low, 1.5/3600) || !near(q.Central, 2.0/3600) || !near(q.High, 2.5/3600) {
		t.Errorf("range: %v, %v", q, err)
	}
	if q, err := hours.Parse("2.6m H100-hours"); err != nil || q.Device != "h100" {
		t.Errorf("device of the hours: %q, %v", q.Device, err)
	}
}

// Whatever is read has the dimension asked for and a sane value; whatever is not names its field.
func FuzzParseQuantity(f *testing.F) {
	fields := []Field{{Name: "--params", Unit: "params"}, {Name: "--tokens", Unit: "tokens"}, {Name: "--hours", Unit: "GPU-hours"}, {Name: "--days", Unit: "days"},
		{Name: "--dollars", Unit: "$"}, {Name: "--energy", Unit: "MWh"}, {Name: "--co2", Unit: "t"}, {Name: "--flop", Unit: "FLOP"}, {Name: "--gpus", Unit: "GPUs"},
		{Name: "--price", Unit: "$/GPU-hour", PerDevice: true}, {Name: "--peak", Unit: "TFLOP/s/GPU", PerDevice: true}, {Name: "--mfu", Unit: "%", Fraction: true}}
	for _, s := range []string{"671b", "14.8 trillion", "2.664m GPU-hours", "111 GPU-days", "3640 petaflop/s-days", "5 kWh", "$5.576m", "1.5..2.5", "two million", "54 days", "/", "$/h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fits := map[Dim]bool{}
		for _, field := range fields {
			q, err := field.Parse(s)
			if err != nil {
				if !strings.HasPrefix(err.Error(), field.Name+":") {
					t.Fatalf("%q: the error does not name %s: %v", s, field.Name, err)
				}
				continue
			}
			want := mustUnit(field.Unit).Dim
			if q.Dim != want && !(want == base(dimToken) && q.Dim == base(dimWord)) {
				t.Fatalf("%s %q: dimension %v, want %v", field.Name, s, q.Dim, want)
			}
			if !q.valid() || !(q.Low > 0) || q.High > maxMagnitude {
				t.Fatalf("%s %q: %v", field.Name, s, q.Range)
			}
			fits[want] = true
		}
		// A text with a unit of its own fits one dimension; only bare numbers, with or without a multiplier, fit several.
		if l := strings.ToLower(s); strings.Contains(l, "kwh") && (fits[base(dimParam)] || fits[base(dimTime)] || fits[base(dimDollar)]) ||
			strings.Contains(l, "gpu-day") && (fits[base(dimTime)] || fits[base(dimDevice)]) {
			t.Fatalf("%q mixes dimensions: %v", s, fits)
		}
	})
}
