package audit

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
)

func load(t testing.TB) *Data {
	t.Helper()
	d, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func auditOf(t *testing.T, d *Data, name string) *Report {
	t.Helper()
	c, err := d.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Audit(c, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// want checks a figure's central value in its display unit to half a unit of the last digit written.
func want(t *testing.T, r *Report, id string, value, within float64) {
	t.Helper()
	if !r.Sheet.Has(id) {
		t.Errorf("%s: no figure %s", r.Claim.ID, id)
		return
	}
	if got := r.Sheet.Get(id).In().Central; math.Abs(got-value) > max(within, 6e-4*value) {
		t.Errorf("%s: %s is %g, want %g", r.Claim.ID, id, got, value)
	}
}

func TestDeepSeekV3(t *testing.T) {
	d := load(t)
	r := auditOf(t, d, "deepseek-v3")
	want(t, r, "flop", 3.29e24, 0.005e24)
	want(t, r, "rate", 343, 0.5)
	want(t, r, "mfu_bf16", 34.6, 0.05)
	want(t, r, "mfu_fp8", 17.3, 0.05)
	want(t, r, "run_days", 54.2, 0.05)
	want(t, r, "bill_days", 56.7, 0.05)
	want(t, r, "price", 2, 1e-9)
	want(t, r, "dollars", 5.576e6, 0)
	if dev := r.Sheet.Get("development").In(); math.Abs(dev.Low-16.7e6) > 0.1e6 || math.Abs(dev.High-55.8e6) > 0.1e6 {
		t.Errorf("with experiments %v", dev)
	}
	if r.Verdict != Plausible || len(r.Failed()) > 0 && r.Failed()[0].Worst != Plausible {
		t.Errorf("%s, failed %v", r.Verdict, r.Failed())
	}
	var page bytes.Buffer
	r.Text(&page, Plain)
	for _, s := range []string{"3.29e24 FLOP", "343 TFLOP/s", "34.6 % bf16", "17.3 % fp8", "54.2 days", "$2.00/GPU-hour", "$5.576M", "ablations", "$16.73M–$55.76M"} {
		if !strings.Contains(page.String(), s) {
			t.Errorf("the page lacks %q:\n%s", s, page.String())
		}
	}
	if n := strings.Count(page.String(), "\n"); n > Plain.Height-1 {
		t.Errorf("the page has %d lines", n)
	}
	for _, f := range r.Sheet.Figures() {
		if f.Source == "" && f.Formula == "" {
			t.Errorf("%s has neither source nor formula", f.ID)
		}
	}
}

// Every claim of the data is audited, and judged as the arithmetic of the compilation judges it.
func TestAllClaims(t *testing.T) {
	d := load(t)
	special := map[string]Verdict{"llama-3.3-70b": Impossible} // for its CO2
	unchecked := map[string]bool{}
	for _, id := range strings.Fields(`deepseek-v3.1 deepseek-v3.2 deepseek-v4-pro deepseek-v4-flash qwen2.5-72b qwen3-235b qwen3-32b qwen3-next-80b mixtral-8x7b
		mistral-large-2 gemma-2-27b gemma-3-27b grok-1 intellect-3 moonlight-16b glm-4.5`) {
		unchecked[id] = true
	}
	models, lack := 0, 0
	for _, c := range d.Claims {
		r, err := d.Audit(c, Settings{})
		if err != nil {
			t.Error(err)
			continue
		}
		var page, obj bytes.Buffer
		r.Text(&page, Plain)
		if n := strings.Count(page.String(), "\n"); n > Plain.Height-1 {
			t.Errorf("%s: %d lines", c.ID, n)
		}
		for line := range strings.Lines(page.String()) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > Plain.Width {
				t.Errorf("%s: %d columns: %s", c.ID, n, line)
			}
		}
		if err := r.JSON(&obj, d); err != nil || !json.Valid(obj.Bytes()) {
			t.Errorf("%s: JSON: %v", c.ID, err)
		}
		if strings.HasPrefix(c.ID, "reading-") {
			continue
		}
		models++
		if r.Lacks() == "hours" {
			lack++
			if !unchecked[c.ID] {
				t.Errorf("%s is said to lack hours", c.ID)
			}
		}
		verdict := Plausible
		if unchecked[c.ID] || c.ID == "gpt-oss-120b" || c.ID == "tinyzero" {
			verdict = NotCheckable
		}
		if v, ok := special[c.ID]; ok {
			verdict = v
		}
		if r.Verdict != verdict {
			t.Errorf("%s: %s (%s), want %s; %v", c.ID, r.Verdict, r.Qualifier, verdict, r.Failed())
		}
	}
	if models != 55 || lack != 16 {
		t.Errorf("%d models, %d of them without hours; want 55 and 16", models, lack)
	}
}

// The readings of published claims, with the answers that an independent calculation gave.
func TestReadings(t *testing.T) {
	d := load(t)
	for id, w := range map[string]struct {
		mfu, bf16 float64
		verdict   Verdict
	}{
		"deepseek-v2-unit": {165.8, 165.8, Impossible}, "deepseek-v2-right": {20.5, 20.5, Plausible}, "deepseek-v3-6nd": {17.3, 34.6, Plausible},
		"deepseek-v3-250g": {19.5, 39.0, Plausible}, "deepseek-v3-dense": {314, 628, Impossible}, "r1-epoch-guess": {120.6, 120.6, Impossible},
		"r1-epoch-guess-fp8": {60.3, 120.6, Implausible}, "falcon-release": {48.1, 48.1, Plausible}, "falcon-epoch": {19, 19, Plausible},
		"grok3-200m": {65.1, 65.1, Implausible}, "llama31-8b": {13.9, 13.9, Plausible}, "intellect1-max": {15.2, 15.2, Plausible}, "gptoss-30pct": {30, 30, Implausible},
	} {
		r := auditOf(t, d, "reading-"+id)
		want(t, r, "mfu", w.mfu, 0.06)
		want(t, r, "mfu_bf16", w.bf16, 0.06)
		if r.Verdict != w.verdict {
			t.Errorf("%s: %s, want %s: %v", id, r.Verdict, w.verdict, r.Failed())
		}
		if loose := strings.HasPrefix(r.Qualifier, "loose"); loose != (id == "llama31-8b" || id == "intellect1-max") {
			t.Errorf("%s: qualifier %q", id, r.Qualifier)
		}
	}
}

// Claims that nobody made, each with one thing wrong.
func TestMadeUpClaims(t *testing.T) {
	d := load(t)
	for name, c := range map[string]struct {
		flags   string
		verdict Verdict
		fails   string // a piece of the failing test's name
	}{
		"the example":          {"params=671b active=37b tokens=14.8t gpu=h800 hours=2.664m dollars=5.576m", Plausible, ""},
		"above the peak":       {"params=70b tokens=15t gpu=h100 hours=500k precision=bf16", Impossible, "below the dense peak"},
		"above, no precision":  {"params=70b tokens=15t gpu=h100 hours=500k", Impossible, "below the dense peak"},
		"close to the peak":    {"params=70b tokens=15t gpu=h100 hours=2.2m precision=bf16", Implausible, "within practice"},
		"active = total":       {"params=671b tokens=14.8t gpu=h800 hours=2.664m precision=fp8", Impossible, "below the dense peak"},
		"more active than all": {"params=37b active=671b tokens=1t gpu=h100 hours=5m", Impossible, "active parameters"},
		"below electricity":    {"params=7b tokens=2t gpu=a100 hours=180k dollars=2k", Impossible, "electricity"},
		"below any rent":       {"params=7b tokens=2t gpu=h100 hours=70k dollars=30k", Implausible, "owning or renting"},
		"dollars alone":        {"params=405b tokens=15t gpu=h100 dollars=1m precision=bf16", Impossible, "below the dense peak"},
		"more hours than days": {"params=37b tokens=14.8t gpu=h800 gpus=2048 days=20 hours=2.664m", Impossible, "cluster"},
		"days in GPU-days":     {"params=37b tokens=14.8t gpu=h800 gpus=2048 days=54.2 hours=2.664m_GPU-days", Impossible, "cluster"},
		"GPU-days that fit":    {"params=37b tokens=14.8t gpu=h800 gpus=2048 days=54.2 hours=111k_GPU-days", Plausible, ""},
		"idle cluster":         {"params=37b tokens=14.8t gpu=h800 gpus=20480 days=54.2 hours=2.664m", Implausible, "idle"},
		"faster than cluster":  {"params=70b tokens=15t gpu=a100 gpus=512 days=30", Impossible, "below the dense peak"},
		"sparse peak":          {"params=70b tokens=15t gpu=h100 hours=5m peak=1979_TFLOP/s precision=bf16", Implausible, "peak is the dense"},
		"sparse peak and mfu":  {"gpu=h100 peak=3958_TFLOP/s mfu=45% precision=fp8", Implausible, "peak is the dense"},
		"dense peak":           {"params=70b tokens=15t gpu=h100 hours=5m peak=989_TFLOP/s precision=bf16", Plausible, ""},
		"no fp8 units":         {"params=70b tokens=15t gpu=a100 hours=15m precision=fp8", Implausible, "computes in fp8"},
		"tokens in words":      {"params=70b tokens=11.25t_words gpu=h100 hours=6m", Plausible, ""},
		"words too many":       {"params=70b tokens=15t_words gpu=h100 hours=2.8m precision=bf16", Implausible, "within practice"},
		"wrong mfu":            {"params=70b tokens=15t gpu=h100 hours=7m mfu=90% precision=bf16", Implausible, "utilisation agrees"},
		"dirty grid":           {"params=70b tokens=15t gpu=h100 hours=7m energy=4900MWh co2=20kt", Implausible, "dirtiest"},
		"too clean":            {"params=70b tokens=15t gpu=h100 hours=7m energy=4900MWh co2=12.9t", Impossible, "real grid"},
		"no energy":            {"params=70b tokens=15t gpu=h100 hours=7m energy=100MWh", Impossible, "idling"},
		"price contradicts":    {"params=70b tokens=15t gpu=h100 hours=7m price=$4/h dollars=14m", Implausible, "stated price"},
		"hours of others":      {"params=70b tokens=15t gpu=h100 hours=7m_A100-hours", Implausible, "hardware named"},
		"flop contradicts":     {"params=70b tokens=15t gpu=h100 hours=7m flop=1e24", Implausible, "6ND"},
		"tokens alone":         {"params=70b tokens=15t", NotCheckable, ""},
		"no hardware":          {"params=70b tokens=15t hours=7m", NotCheckable, ""},
		"beyond all hardware":  {"params=70b tokens=15t hours=100k", Impossible, "fastest"},
		"stated mfu too high":  {"params=70b tokens=15t gpu=h100 hours=5m mfu=85%", Implausible, "stated utilisation within practice"},
		"above the whole":      {"gpu=h100 mfu=120%", Impossible, "stated utilisation within the whole"},
		"price below power":    {"gpu=h100 hours=1m price=0.02", Impossible, "electricity"},
		"price below owning":   {"gpu=h100 hours=1m price=$0.5/h", Implausible, "owning or renting"},
		"a price and hours":    {"gpu=h100 hours=1m price=2_dollars_per_GPU-hour", Plausible, ""},
		"hours by the price":   {"params=7b tokens=2t gpu=h100 price=2 dollars=160k", Plausible, ""},
		"too dear":             {"params=405b tokens=15.6t gpu=h100 hours=30.84m dollars=600m", Plausible, ""},
		"bare numbers":         {"params=7 tokens=2 gpu=h100 hours=1", Implausible, "as a language model"},
		"words before":         {"params=seven_billion tokens=about_2t gpu=h100 hours=roughly_80k", Plausible, ""},
		"dollars and price":    {"dollars=5m price=2 gpu=h100", Plausible, ""},
		"price only":           {"gpu=h100 hours=10k dollars=25k scope=RL_only", Plausible, ""},
	} {
		figures, words := map[string]string{}, map[string]string{}
		for _, kv := range strings.Fields(c.flags) {
			k, v, _ := strings.Cut(strings.ReplaceAll(kv, "_", " "), "=")
			switch k {
			case "gpu", "precision", "scope":
				words[k] = v
			case "price", "mfu", "rate", "peak":
				figures["stated_"+k] = v
			default:
				figures[k] = v
			}
		}
		claim, err := FromFlags(figures, words)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r, err := d.Audit(claim, Settings{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		failed := r.Failed()
		if r.Verdict != c.verdict || c.fails != "" && !slices.ContainsFunc(failed, func(t Test) bool { return t.Worst == c.verdict && strings.Contains(t.Name, c.fails) }) {
			t.Errorf("%s: %s (%s), failed %+v; want %s by %q", name, r.Verdict, r.Qualifier, failed, c.verdict, c.fails)
		}
		if loose := strings.Contains(r.Qualifier, "more than these hours' rent"); loose != (name == "too dear") {
			t.Errorf("%s: qualifier %q", name, r.Qualifier)
		}
		if c.verdict != NotCheckable && len(r.Changes) == 0 && r.Sheet.Has("mfu") && name != "bare numbers" {
			t.Errorf("%s: nothing said about what would change the verdict", name)
		}
	}
}
