package audit

import (
	"fmt"
	"strings"
)

// basics are computed for every claim. Formulas are tried in order; what cannot be computed is left out.
var basics = []Rule{
	{"tokens", "training tokens", "tokens", []string{"words*tokens_per_word"}, "the claim counts words, not tokens"},
	{"flop", "training compute", "FLOP", []string{"6[FLOP/param/token]*active*tokens"}, "2 FLOP a parameter and token forward, 4 backward [kaplan]; attention scores come on top"},
	{"flop_6nd", "training compute by 6ND", "FLOP", []string{"6[FLOP/param/token]*active*tokens"}, ""},
	{"capacity", "GPU-hours that the cluster has", "GPU-hours", []string{"gpus*days"}, ""},
}

// hoursFrom are the ways to GPU-hours, best first, and what they rest on.
var hoursFrom = []struct {
	formula, basis string
}{
	{"gpus*days", "cluster"},
	{"flop/stated_rate", "rate"},
	{"flop/(stated_mfu*stated_peak)", "mfu"},
	{"flop/(stated_mfu*peak)", "mfu"},
	{"dollars/stated_price", "price"},
	{"dollars/rental", "dollars"},
}

var running = []Rule{
	{"rate", "achieved", "TFLOP/s/GPU", []string{"flop/hours", "stated_rate", "stated_mfu*stated_peak", "stated_mfu*peak"}, ""},
	{"mfu_bf16", "of the dense bf16 peak", "%", []string{"rate/peak_bf16"}, ""},
	{"mfu_fp8", "of the dense fp8 peak", "%", []string{"rate/peak_fp8"}, ""},
	{"mfu", "of the dense peak", "%", []string{"rate/peak"}, ""},
	{"run_days", "days of the cluster", "days", []string{"hours/gpus"}, ""},
	{"bill_days", "days with all stages billed", "days", []string{"billed_hours/gpus"}, ""},
	{"implied_gpus", "accelerators working all the time", "GPUs", []string{"hours/days"}, ""},
	{"occupancy", "hours claimed over the cluster's", "%", []string{"hours/capacity"}, ""},
	{"throughput", "tokens a second and accelerator", "tokens/s/GPU", []string{"tokens/hours"}, ""},
}

// billing needs hours that do not themselves come from dollars.
var billing = []Rule{
	{"price", "dollars a GPU-hour", "$/GPU-hour", []string{"dollars/billed_hours", "dollars/hours", "stated_price"}, ""},
}

var costs = []Rule{
	{"rented", "the hours rented at market prices", "$", []string{"billed_hours*rental", "hours*rental"}, ""},
	{"watts", "power of one accelerator, its share of server and building", "W/GPU", []string{"tdp*server_power*draw*pue"}, ""},
	{"power_hour", "electricity of a GPU-hour", "$/GPU-hour", []string{"watts*tariff"}, ""},
	{"installed", "one accelerator with server and network", "$/GPU", []string{"purchase*server_markup/(1-network_share)"}, ""},
	{"owned_hour", "owner's GPU-hour, by the fall in value", "$/GPU-hour", []string{"installed*decline+power_hour"}, ""},
	{"owned_line", "owner's GPU-hour, straight line", "$/GPU-hour", []string{"installed/(life*use)+power_hour"}, ""},
	{"owned", "the hours on machines of one's own", "$", []string{"billed_hours*owned_line", "hours*owned_line"}, ""},
	{"fleet", "buying the cluster", "$", []string{"gpus*installed"}, ""},
	{"energy_model", "energy", "MWh", []string{"billed_hours*watts", "hours*watts"}, ""},
	{"claimed_watts", "power behind the energy claimed", "W/GPU", []string{"energy/hours"}, ""},
	{"claimed_grid", "carbon intensity behind the CO2 claimed", "g/kWh", []string{"co2/energy", "co2/energy_model"}, ""},
	{"electricity", "electricity", "$", []string{"energy*tariff", "energy_model*tariff"}, ""},
	{"co2_model", "CO2 of the electricity", "t", []string{"energy*grid", "energy_model*grid"}, ""},
	{"embodied_co2", "CO2 of making the accelerators, their share", "t", []string{"hours*embodied/(life*use)"}, ""},
	{"reference", "the same compute at 40 % of an H100 for $2", "$", []string{"flop/(reference_mfu*reference_peak)*reference_price"}, "a yardstick, not a claim"},
	{"base_bill", "the base model at the same yardstick", "$", []string{"base_flop/(reference_mfu*reference_peak)*reference_price"}, ""},
	{"bill", "the bill", "$", []string{"dollars", "rented"}, ""},
	{"development", "the bill with experiments and failed runs", "$", []string{"bill*dev_multiplier"}, ""},
	{"with_staff", "the bill with experiments, failed runs and staff", "$", []string{"development/(1-staff_share)"}, ""},
	{"elsewhere_hours", "the same money in H100-hours", "GPU-hours", []string{"bill/h100_rental"}, ""},
	{"elsewhere_flop", "compute that the same money buys on H100", "FLOP", []string{"elsewhere_hours*run_mfu*reference_peak"}, ""},
	{"token_price", "a million training tokens", "$/Mtoken", []string{"bill/tokens"}, ""},
}

// precision is the arithmetic that a claim states: bf16, fp16, fp8, fp4, int8, tf32, fp32, or empty where it states none.
func precision(text string) string {
	text = strings.ToLower(text)
	if strings.HasPrefix(text, "assumed") {
		return ""
	}
	first, at := "", len(text)
	for _, p := range []string{"bf16", "fp16", "fp8", "fp4", "int8", "tf32", "fp32"} {
		if i := strings.Index(text, p); i >= 0 && i < at {
			first, at = p, i
		}
	}
	return first
}

// Settings change what an audit assumes.
type Settings struct {
	Grid string            // code of the grid; the claim's own, if empty
	Set  map[string]string // figure or assumption to its value as text; price.PART, peak.PART.PRECISION, tdp.PART, purchase.PART
}

// sheet computes every figure of a claim, before any test.
func (d *Data) sheet(c *Claim, set Settings) (*Report, error) {
	r := &Report{Claim: c, Sheet: &Sheet{other: d.sheetOf}, Precision: precision(c.Precision)}
	if err := d.fill(r, set); err != nil {
		return nil, err
	}
	if err := set.apply(d, r); err != nil {
		return nil, err
	}
	s := r.Sheet
	if !s.Has("active") && s.Has("params") && c.Figures["active"].Value == nil {
		f := *s.Get("params")
		f.ID, f.Title, f.Standing, f.Note = "active", "active parameters", Assumed, "not stated: all parameters taken as active, as in a dense network"
		s.Put(&f)
	}
	r.HoursBasis = "claimed"
	if err := s.Apply(basics); err != nil {
		return nil, err
	}
	for _, h := range hoursFrom {
		if s.Has("hours") {
			break
		}
		if err := s.Apply([]Rule{{"hours", "GPU-hours", "GPU-hours", []string{h.formula}, "not stated; derived"}}); err != nil {
			return nil, err
		}
		r.HoursBasis = h.basis
	}
	if !s.Has("hours") {
		r.HoursBasis = ""
	}
	rules := append([]Rule{}, running...)
	if err := d.exactly(r); err != nil {
		return nil, err
	}
	rules = append(rules, counted...)
	if r.HoursBasis != "dollars" {
		rules = append(rules, billing...)
	}
	return r, s.Apply(append(rules, costs...))
}

// fill puts in what the claim states, its hardware, its grid and all assumptions.
func (d *Data) fill(r *Report, set Settings) error {
	c, s := r.Claim, r.Sheet
	for _, a := range d.Assumptions {
		f, err := a.figure()
		if err != nil {
			return err
		}
		s.Put(f)
	}
	for _, cf := range claimFields {
		e, ok := c.Figures[cf.id]
		if !ok {
			continue
		}
		q, err := cf.quantity(c.fieldName(cf.id), e)
		if err != nil {
			return err
		}
		st, sources := e.origin(c.Standing, c.Sources)
		f := &Figure{ID: cf.id, Title: cf.title, Value: Value{q.Range, q.Dim}, Unit: cf.Unit, Standing: st, Source: strings.Join(sources, ", "), Note: e.Note}
		if q.Dim == base(dimWord) { // counted in words: tokens are worked out
			f.ID, f.Title, f.Unit = "words", "words trained on", "words"
		}
		s.Put(f)
		if q.Device != "" {
			r.devices = append(r.devices, q.Device)
		}
	}
	if err := d.hardware(r); err != nil {
		return err
	}
	if h, err := d.Part("h100"); err == nil {
		if f := h.figure("rental", "rent of an H100-hour"); f != nil {
			f.ID = "h100_rental"
			s.Put(f)
		}
	}
	name := c.Grid
	if set.Grid != "" {
		name = set.Grid
	}
	g, err := d.Grid(name)
	if err != nil {
		return err
	}
	f, err := g.figure()
	if err == nil {
		s.Put(f)
	}
	return err
}

// hardware puts in the part's figures. Without a part, dollars are held against an H100.
func (d *Data) hardware(r *Report) error {
	name := r.Claim.Hardware
	if name == "" && len(r.devices) > 0 {
		name = r.devices[0]
	}
	if name == "" && r.Sheet.Has("dollars") && !r.Sheet.Has("hours") {
		name, r.AssumedPart = "h100-sxm", true
	}
	if name == "" {
		return nil
	}
	p, err := d.Part(name)
	if err != nil {
		if r.Claim.flags {
			err = fmt.Errorf("--gpu: %w", err)
		}
		return err
	}
	r.Part = p
	for _, device := range r.devices {
		if q, err := d.Part(device); err == nil && q != p {
			r.OtherPart = q
		}
	}
	for prec := range p.Peaks {
		r.Sheet.Put(p.peakFigure(prec))
	}
	best := p.peakFigure(r.Precision)
	if best == nil {
		r.NoPrecision = r.Precision != ""
		for _, prec := range []string{"bf16", "fp32"} {
			if best = p.peakFigure(prec); best != nil {
				break
			}
		}
	}
	if best != nil {
		best.ID = "peak"
		r.Sheet.Put(best)
	}
	for _, f := range []*Figure{p.figure("tdp", "rated power of "+p.Name), p.figure("rental", "rent of a "+p.Name+"-hour"), p.figure("purchase", "price of one "+p.Name)} {
		if f != nil {
			r.Sheet.Put(f)
		}
	}
	return nil
}
