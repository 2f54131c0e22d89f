package audit

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/pennyml/penny/model"
)

// Verdict is what the tests of a claim come to.
type Verdict string

// The verdicts, worst first.
const (
	Impossible   Verdict = "impossible"
	Implausible  Verdict = "implausible"
	Plausible    Verdict = "plausible"
	NotCheckable Verdict = "not checkable"
)

// Test is one question put to a claim. Value and Limit are in Unit; Detail says it in words.
type Test struct {
	Name   string
	Passed bool
	Value  float64
	Limit  float64
	Unit   string
	Detail string
	Worst  Verdict // what failing means
	core   bool    // can carry a verdict of plausible
}

// Report is the audit of one claim.
type Report struct {
	Claim       *Claim
	Sheet       *Sheet
	Part        *Part
	Precision   string // that the claim states, or empty
	HoursBasis  string // claimed, cluster, rate, mfu, price (stated) or dollars; empty where there are no hours
	AssumedPart bool   // the claim names no hardware; an H100 is supposed
	NoPrecision bool   // the part has no units for the stated precision
	OtherPart   *Part  // the GPU-hours are named after this part, not the claim's
	Verdict     Verdict
	Qualifier   string // what is to be said beside the verdict
	Tests       []Test
	LeavesOut   []Omission
	Changes     []Change
	Hint        string // a likely slip behind the verdict
	Ladder      []Step

	devices []string
	ignore  func(test string) bool // tests left out; nil for none
	exact   *Exact
	config  *model.Config
}

// Audit holds a claim against the arithmetic.
func (d *Data) Audit(c *Claim, set Settings) (*Report, error) {
	r, err := d.sheet(c, set)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.ID, err)
	}
	r.judge(d)
	r.boundary(d)
	r.changes(d)
	r.hint(d)
	return r, nil
}

// hint names a published model of the same size with fewer active parameters, when taking all as active broke the claim.
func (r *Report) hint(d *Data) {
	s := r.Sheet
	if r.Verdict != Impossible && r.Verdict != Implausible || !s.Has("params", "active") || s.Get("active").Central < 0.99*s.Get("params").Central {
		return
	}
	total := s.Get("params").Central
	for _, c := range d.Claims {
		known := &Report{Claim: c, Sheet: &Sheet{}}
		if c.reading() || d.fill(known, Settings{}) != nil || !known.Sheet.Has("params", "active") {
			continue
		}
		p, a := known.Sheet.Get("params"), known.Sheet.Get("active")
		if ratio := p.Central / total; ratio > 0.99 && ratio < 1.01 && a.Central < 0.5*p.Central {
			r.Hint = fmt.Sprintf("all parameters are taken as active; %s, of the same size, activates %s a token: --active %s", c.Name, a, strings.ToLower(a.String()))
			return
		}
	}
}

// judge runs the tests and takes the worst answer.
func (r *Report) judge(d *Data) {
	r.Tests = nil
	r.utilisation()
	r.cluster()
	r.money()
	r.energy()
	r.contradictions(d)
	r.Verdict, r.Qualifier = NotCheckable, ""
	for _, t := range r.Tests {
		switch {
		case !t.Passed && (t.Worst == Impossible || r.Verdict != Impossible && t.Worst == Implausible):
			r.Verdict = t.Worst
		case t.Passed && t.core && r.Verdict == NotCheckable:
			r.Verdict = Plausible
		}
	}
	r.qualify()
}

func (r *Report) qualify() {
	s := r.Sheet
	switch {
	case r.Verdict == NotCheckable:
		r.Qualifier = "it states " + r.missing()
	case r.Verdict != Plausible:
	case s.Has("mfu_bf16") && s.Get("mfu_bf16").High < s.Get("limit_loose").Central:
		r.Qualifier = "loose: the hours hold more than one such run, or the run was poor"
	case slices.ContainsFunc(r.Tests, func(t Test) bool { return t.Name == dearTest && !t.Passed }):
		r.Qualifier = "loose: the dollars hold more than these hours' rent"
	case r.HoursBasis == "dollars":
		r.Qualifier = "loose: hours worked back from the dollars" + map[bool]string{true: ", hardware supposed", false: ""}[r.AssumedPart]
	case !s.Has("mfu") && r.scopeIsPart():
		r.Qualifier = "as a price; the boundary is narrow"
	case !s.Has("mfu"):
		r.Qualifier = map[bool]string{true: "as a price", false: "as far as it goes"}[s.Has("price")] + "; no compute to hold it against"
	}
}

// Lacks names what is missing for an answer: "hours" where nothing gives GPU-hours, or "flop" where nothing gives the compute.
func (r *Report) Lacks() string {
	s := r.Sheet
	given := func(id string) bool { _, ok := r.Claim.Figures[id]; return ok }
	switch {
	case r.Verdict != NotCheckable:
		return ""
	case !given("hours") && !given("dollars") && !given("stated_rate") && !given("stated_mfu"):
		return "hours"
	case !s.Has("flop"):
		return "flop"
	}
	return "hardware"
}

func (r *Report) missing() string {
	switch s := r.Sheet; {
	case !s.Has("hours") && !s.Has("flop"):
		return "neither GPU-hours nor compute, and nothing that gives them"
	case s.Has("hours") && !s.Has("flop"):
		return "no compute (parameters and tokens) to hold the hours against"
	}
	return map[string]string{"hours": "no GPU-hours, and nothing that gives them", "flop": "no compute (parameters and tokens) to hold the hours against",
		"hardware": "no hardware"}[r.Lacks()]
}

func (r *Report) test(t Test) {
	if r.ignore == nil || !r.ignore(t.Name) {
		r.Tests = append(r.Tests, t)
	}
}

func (r *Report) in(id string) Range { return r.Sheet.Get(id).In() }

// utilisation: the needed share of the dense peak. Where the figure is a range, the end that speaks for the claim counts.
func (r *Report) utilisation() {
	s := r.Sheet
	if !s.Has("mfu") {
		r.beyondAll()
		return
	}
	limit, practice := r.in("limit_peak").Central, r.in("limit_practice").Central
	name, mfu, worst := r.Precision, r.in("mfu"), Impossible
	if name == "" || r.NoPrecision {
		name = "bf16"
		if s.Has("mfu_bf16") {
			mfu = r.in("mfu_bf16")
		}
	}
	stated := name + " stated"
	if r.Precision == "" {
		stated = name + " supposed, no precision stated"
		if s.Has("mfu_fp8") && r.in("mfu_fp8").Low <= practice {
			worst = Implausible // not above what fp8 could do
			stated += fmt.Sprintf("; %s in fp8", percent(r.in("mfu_fp8").Low))
		}
	}
	r.test(Test{"utilisation below the dense peak", mfu.Low <= limit, mfu.Low, limit, "%",
		fmt.Sprintf("needs %s of the dense %s peak of %s (%s)", percent(mfu.Low), name, r.Part.Name, stated), worst, true})
	r.test(Test{"utilisation within practice", mfu.Low <= practice, mfu.Low, practice, "%",
		fmt.Sprintf("whole runs reach 20 to 58 %%, the best matrix products 51 to 87 %%; this needs %s", percent(mfu.Low)), Implausible, true})
	if s.Has("mfu_bf16") {
		b := r.in("mfu_bf16")
		loose := r.in("limit_loose").Central
		r.test(Test{"hours not far too many", b.High >= loose, b.High, loose, "%", fmt.Sprintf("%s of the bf16 peak", percent(b.High)), Plausible, false})
	}
}

// beyondAll: no hardware named, but a rate above every part there is.
func (r *Report) beyondAll() {
	if r.Part != nil || !r.Sheet.Has("rate") {
		return
	}
	best, part := 0.0, ""
	for _, p := range builtinParts() {
		if v, ok := p.peak("fp8"); ok && v > best {
			best, part = v, p.Name
		}
	}
	rate := r.Sheet.Get("rate").Low
	if rate > best {
		r.test(Test{"below the fastest part there is", false, rate / 1e12, best / 1e12, "TFLOP/s/GPU",
			fmt.Sprintf("no hardware named; %s TFLOP/s is above the fp8 peak of %s", short(rate/1e12), part), Impossible, true})
	}
}

// cluster: the hours against accelerators and days.
func (r *Report) cluster() {
	s := r.Sheet
	if r.HoursBasis != "claimed" || !s.Has("occupancy") {
		return
	}
	o := r.in("occupancy")
	hours, capacity := s.Get("hours"), s.Get("capacity")
	detail := fmt.Sprintf("%s claimed; %s for %s have %s", hours, s.Get("gpus"), s.Get("days"), capacity)
	r.test(Test{"hours fit into the cluster's days", o.Low <= 110, o.Low, 110, "%", detail, Impossible, true})
	r.test(Test{"cluster not idle half of its days", o.High >= 50, o.High, 50, "%", detail, Implausible, false})
}

// dearTest is the test that a price passes which rent alone can explain.
const dearTest = "no dearer than twice a rent"

// money: the dollars against electricity and the market.
func (r *Report) money() {
	s := r.Sheet
	if s.Has("price", "power_hour") {
		p, e := s.Get("price"), s.Get("power_hour")
		r.test(Test{"dearer than its electricity", p.High >= e.Low, r.in("price").High, r.in("power_hour").Low, "$/GPU-hour",
			fmt.Sprintf("%s, electricity alone %s", p, e), Impossible, false})
	}
	if s.Has("price") && (s.Has("rental") || s.Has("owned_line")) {
		p := s.Get("price")
		floor, what := math.Inf(1), ""
		for _, id := range []string{"rental", "owned_line"} {
			if f := s.Get(id); f != nil && f.Low < floor {
				floor, what = f.Low, f.Title+" "+f.String()
			}
		}
		floor *= 0.9 // list prices are rounded
		r.test(Test{"no cheaper than owning or renting", p.High >= floor, r.in("price").High, floor * 3600, "$/GPU-hour",
			fmt.Sprintf("%s; %s", p, what), Implausible, true})
	}
	if s.Has("price", "rental") {
		p, most := s.Get("price"), 2*s.Get("rental").High
		r.test(Test{dearTest, p.Low <= most, r.in("price").Low, most * 3600, "$/GPU-hour", fmt.Sprintf("%s; %s %s", p, s.Get("rental").Title, s.Get("rental")), Plausible, false})
	}
	if s.Has("stated_price", "price", "dollars") {
		ratio := s.Get("price").Central / s.Get("stated_price").Central
		r.test(Test{"dollars are hours times the stated price", math.Abs(ratio-1) <= 0.03, ratio, 1, "x",
			fmt.Sprintf("%s from dollars and hours, %s stated", s.Get("price"), s.Get("stated_price")), Implausible, false})
	}
	if s.Has("dollars", "energy") && !s.Has("price") {
		bill := s.Get("energy").Central * s.Get("tariff").Low
		r.test(Test{"dearer than its electricity", s.Get("dollars").High >= bill, s.Get("dollars").High, bill, "$", "the energy claimed at the lowest tariff", Impossible, true})
	}
}

// energy: power per accelerator and carbon per kWh.
func (r *Report) energy() {
	s := r.Sheet
	if s.Has("claimed_watts", "tdp") && r.HoursBasis != "dollars" {
		w, tdp := r.in("claimed_watts"), r.in("tdp").Central
		most := tdp * r.in("server_power").High * r.in("pue").High
		detail := fmt.Sprintf("%s behind the energy claimed; the part is rated %s W, with server and building up to %s W", s.Get("claimed_watts"), short(tdp), short(most))
		r.test(Test{"energy above what idling takes", w.High >= 0.1*tdp, w.High, 0.1 * tdp, "W", detail, Impossible, false})
		r.test(Test{"energy like that of a working part", w.High >= 0.4*tdp, w.High, 0.4 * tdp, "W", detail, Implausible, false})
		r.test(Test{"energy within what servers can draw", w.Low <= 1.1*most, w.Low, most, "W", detail, Implausible, false})
	}
	if s.Has("claimed_grid") && s.Has("energy") {
		g, floor, ceiling := r.in("claimed_grid"), r.in("grid_floor").Central, r.in("grid_ceiling").Central
		detail := fmt.Sprintf("%s behind the CO2 claimed; Iceland has 28, a certificate 0", s.Get("claimed_grid"))
		r.test(Test{"CO2 that a real grid can have", g.High >= floor, g.High, floor, "g/kWh", detail, Impossible, false})
		r.test(Test{"CO2 below the dirtiest grid", g.Low <= ceiling, g.Low, ceiling, "g/kWh", detail, Implausible, false})
	}
}

// contradictions: figures of one claim that exclude each other.
func (r *Report) contradictions(d *Data) {
	s := r.Sheet
	if s.Has("active", "params") {
		a, p := s.Get("active"), s.Get("params")
		r.test(Test{activeTest, a.Low <= p.High*1.001, a.Low, p.High, "params", fmt.Sprintf("%s active of %s", a, p), Impossible, false})
	}
	if most := d.mostTokens(); s.Has("tokens") && most > 0 {
		limit := 1.5 * most
		r.test(Test{"token count seen before", s.Get("tokens").Low <= limit, s.Get("tokens").Low, limit, "tokens",
			fmt.Sprintf("%s; the largest published corpus has %s", s.Get("tokens"), short(most)), Implausible, false})
	}
	if f := s.Get("flop"); s.Has("flop_6nd") && f.rule == nil {
		ratio := f.Central / s.Get("flop_6nd").Central
		r.test(Test{"stated compute agrees with 6ND", ratio > 0.5 && ratio < 2, ratio, 2, "x", fmt.Sprintf("%s stated, 6ND gives %s", f, s.Get("flop_6nd")), Implausible, false})
	}
	if m := s.Get("stated_mfu"); m != nil {
		limit, practice := r.in("limit_peak").Central, r.in("limit_practice").Central
		r.test(Test{"stated utilisation within the whole", m.In().Low <= limit, m.In().Low, limit, "%", fmt.Sprintf("%s stated: no step reaches its peak", m), Impossible, false})
		if r.HoursBasis == "claimed" || r.HoursBasis == "cluster" {
			r.test(Test{"stated utilisation within practice", m.In().Low <= practice, m.In().Low, practice, "%", fmt.Sprintf("%s stated; whole runs reach 20 to 58 %%", m), Implausible, false})
		}
	}
	for _, x := range []struct {
		id   string
		from float64
	}{{"params", 1e4}, {"tokens", 1e3}} {
		if f := s.Get(x.id); f != nil {
			r.test(Test{x.id + " as a language model has them", f.High >= x.from, f.High, x.from, x.id, fmt.Sprintf("%s; a bare number is taken as it stands, 7b or 2t says billions or trillions", f), Implausible, false})
		}
	}
	for _, p := range [][2]string{{"stated_mfu", "mfu"}, {"stated_rate", "rate"}} {
		if (r.HoursBasis == "claimed" || r.HoursBasis == "cluster") && s.Has(p[0], p[1], "hours") {
			ratio := s.Get(p[1]).Central / s.Get(p[0]).Central
			r.test(Test{"stated " + map[string]string{"mfu": "utilisation", "rate": "throughput"}[p[1]] + " agrees with the hours", ratio > 0.4 && ratio < 1.15, ratio, 1.15, "x",
				fmt.Sprintf("%s stated, %s over all hours billed (usually 0.6 to 0.9 of what a step reaches)", s.Get(p[0]), s.Get(p[1])), Implausible, false})
		}
	}
	if peak := s.Get("stated_peak"); peak != nil && r.Part != nil {
		r.peakTest(peak)
	}
	if r.NoPrecision {
		r.test(Test{"the part computes in " + r.Precision, false, 0, 0, "", fmt.Sprintf("%s has no dense %s peak; bf16 is used", r.Part.Name, r.Precision), Implausible, false})
	}
	if r.OtherPart != nil {
		r.test(Test{"hours are of the hardware named", false, 0, 0, "", fmt.Sprintf("hours of %s, hardware %s", r.OtherPart.Name, r.Part.Name), Implausible, false})
	}
}

// peakTest holds a stated peak against the dense ones.
func (r *Report) peakTest(peak *Figure) {
	v := peak.Central
	near := func(w float64) bool { return math.Abs(v/w-1) < 0.03 }
	for _, prec := range []string{"bf16", "fp8", "tf32", "int8", "fp4", "fp32"} {
		if dense, ok := r.Part.peak(prec); ok && near(dense) && (r.Precision == "" || r.Precision == prec || prec == "bf16" && r.Precision == "fp16") {
			r.test(Test{"the peak is the dense one", true, v / 1e12, dense / 1e12, "TFLOP/s/GPU", "dense " + prec + " peak of " + r.Part.Name, Implausible, false})
			return
		}
	}
	dense := r.Sheet.Get("peak")
	if dense == nil {
		return
	}
	detail := fmt.Sprintf("%s stated, the dense peak is %s", peak, dense)
	for _, prec := range []string{r.Precision, "bf16", "fp8"} {
		if p, ok := r.Part.peak(prec); ok && near(2*p) {
			detail = fmt.Sprintf("%s stated is twice the dense %s peak: the figure with structured sparsity, which training does not use", peak, prec)
			break
		}
	}
	r.test(Test{"the peak is the dense one", v <= dense.High*1.03, v / 1e12, dense.High / 1e12, "TFLOP/s/GPU", detail, Implausible, false})
}

// mostTokens is the largest corpus that a maker published.
func (d *Data) mostTokens() (most float64) {
	for _, c := range d.Claims {
		if e, ok := c.Figures["tokens"]; ok && c.Standing == Published {
			if v, ok := e.Value.(float64); ok {
				most = max(most, v)
			}
		}
	}
	return most
}

// Failed lists the tests that were not passed, worst first.
func (r *Report) Failed() (out []Test) {
	for _, worst := range []Verdict{Impossible, Implausible, Plausible} {
		for _, t := range r.Tests {
			if !t.Passed && t.Worst == worst {
				out = append(out, t)
			}
		}
	}
	return slices.Clip(out)
}
