package audit

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/pennyml/penny/ledger"
)

//go:embed data
var embedded embed.FS

// Source says where a figure was published.
type Source struct {
	Title     string `json:"title"`
	Publisher string `json:"publisher,omitempty"`
	Date      string `json:"date"`
	Address   string `json:"address"`
	Read      string `json:"read,omitempty"` // how much of it was seen
}

// Entry is a figure as data files write it. Value, Low and High are numbers in Unit, or text such as "14.8t".
type Entry struct {
	Value    any      `json:"value,omitempty"`
	Low      any      `json:"low,omitempty"`
	High     any      `json:"high,omitempty"`
	Unit     string   `json:"unit"`
	Standing Standing `json:"standing,omitempty"` // the whole entry's, if empty
	Sources  []string `json:"source,omitempty"`   // the whole entry's, if empty
	Note     string   `json:"note,omitempty"`
	Sparsity string   `json:"sparsity,omitempty"` // of a peak; only dense ones are taken
}

// Claim is what somebody says about the training of one model.
type Claim struct {
	ID        string           `json:"id"`
	Name      string           `json:"name"`
	Maker     string           `json:"maker"`
	Date      string           `json:"date"`
	Scope     string           `json:"scope"`
	Precision string           `json:"precision"`
	Hardware  string           `json:"hardware"` // a part's id or alias; empty if undisclosed
	Standing  Standing         `json:"standing"`
	Sources   []string         `json:"sources"`
	Figures   map[string]Entry `json:"figures"`
	LeavesOut string           `json:"leaves_out"`
	Note      string           `json:"note"`
	Grid      string           `json:"grid,omitempty"`

	flags bool          // given on the command line
	arch  *Architecture // given with it
}

// Part is an accelerator.
type Part struct {
	ID       string           `json:"id"`
	Name     string           `json:"name"`
	Kind     string           `json:"kind"`
	Aliases  []string         `json:"aliases"`
	Standing Standing         `json:"standing"`
	Sources  []string         `json:"sources"`
	Peaks    map[string]Entry `json:"peaks"` // dense, by precision
	Figures  map[string]Entry `json:"figures"`
	Note     string           `json:"note"`
}

// Grid is the carbon intensity of a country's or region's electricity.
type Grid struct {
	ID        string   `json:"id"`
	Region    string   `json:"region"`
	Value     float64  `json:"value"`
	Unit      string   `json:"unit"`
	Year      int      `json:"year"`
	Kind      string   `json:"kind"`
	Later     float64  `json:"later,omitempty"` // the same in LaterYear
	LaterYear int      `json:"later_year,omitempty"`
	Standing  Standing `json:"standing"`
	Note      string   `json:"note"`
	Sources   []string `json:"sources"`
}

// Price is one dated price.
type Price struct {
	Item     string   `json:"item"`
	Kind     string   `json:"kind"`
	Value    float64  `json:"value"`
	Unit     string   `json:"unit"`
	Date     string   `json:"date"`
	Standing Standing `json:"standing"`
	Note     string   `json:"note"`
	Sources  []string `json:"sources"`
}

// Assumption is a figure that formulas use besides a claim's own.
type Assumption struct {
	ID       string   `json:"id"`
	Title    string   `json:"title"`
	Low      any      `json:"low,omitempty"`
	Value    any      `json:"value"`
	High     any      `json:"high,omitempty"`
	Unit     string   `json:"unit"`
	Standing Standing `json:"standing"`
	Sources  []string `json:"sources"`
	Note     string   `json:"note,omitempty"`
}

// Measured is the energy of a served model, measured by somebody.
type Measured struct {
	ID           string   `json:"id"`
	Model        string   `json:"model"`
	GPUs         string   `json:"gpus"`
	Low          float64  `json:"low"`
	High         float64  `json:"high"`
	Unit         string   `json:"unit"`
	OutputTokens float64  `json:"output_tokens"`
	Boundary     string   `json:"boundary"`
	Standing     Standing `json:"standing"`
	Sources      []string `json:"sources"`
}

// Method is a rule of the trade that the formulas rest on.
type Method struct {
	ID      string   `json:"id"`
	Kind    string   `json:"kind"`
	Text    string   `json:"text"`
	Note    string   `json:"note"`
	Sources []string `json:"sources"`
}

// Data is everything the audits draw on.
type Data struct {
	Sources     map[string]Source `json:"sources,omitempty"`
	Claims      []*Claim          `json:"claims,omitempty"`
	Hardware    []*Part           `json:"hardware,omitempty"`
	Grids       []*Grid           `json:"grids,omitempty"`
	Prices      []*Price          `json:"prices,omitempty"`
	Assumptions []*Assumption     `json:"assumptions,omitempty"`
	Serving     []*Measured       `json:"serving,omitempty"`
	Rules       []*Method         `json:"rules,omitempty"`
	Statements  []*Statement      `json:"statements,omitempty"`

	Architectures []*Architecture `json:"architectures,omitempty"`

	sheets map[string]*Sheet // of claims already audited, for statements
}

// Load reads the data that is built in, and checks it like anybody's.
func Load() (*Data, error) {
	d := &Data{Sources: map[string]Source{}}
	files, err := embedded.ReadDir("data")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".json") || f.Name() == "schema.json" {
			continue
		}
		text, err := embedded.ReadFile("data/" + f.Name())
		if err != nil {
			return nil, err
		}
		if err := d.decode(text); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	if err := d.decode(ledger.PriceFile); err != nil {
		return nil, fmt.Errorf("the ledger's prices: %w", err)
	}
	return d, d.check()
}

// Add reads a user's file (JSON in the form of the built-in ones, or the same as YAML if it is named so), whose entries replace those of the same id, and checks the whole.
func (d *Data) Add(name string, text []byte) error {
	if ext := filepath.Ext(name); ext == ".yaml" || ext == ".yml" {
		var err error
		if text, err = yaml.YAMLToJSON(text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := d.decode(text); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := d.check(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (d *Data) decode(text []byte) error {
	var in Data
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("something follows the end of the data")
	}
	maps.Copy(d.Sources, in.Sources)
	d.Claims = merge(d.Claims, in.Claims, func(c *Claim) string { return c.ID })
	d.Hardware = merge(d.Hardware, in.Hardware, func(p *Part) string { return p.ID })
	d.Grids = merge(d.Grids, in.Grids, func(g *Grid) string { return g.ID })
	d.Prices = append(d.Prices, in.Prices...)
	d.Assumptions = merge(d.Assumptions, in.Assumptions, func(a *Assumption) string { return a.ID })
	d.Serving = merge(d.Serving, in.Serving, func(m *Measured) string { return m.ID })
	d.Rules = merge(d.Rules, in.Rules, func(m *Method) string { return m.ID })
	d.Statements = merge(d.Statements, in.Statements, func(s *Statement) string { return s.ID })
	d.Architectures = merge(d.Architectures, in.Architectures, func(a *Architecture) string { return a.ID })
	d.sheets = map[string]*Sheet{}
	return nil
}

// merge replaces entries of the same id and appends the others.
func merge[T any](old, in []*T, id func(*T) string) []*T {
	for _, e := range in {
		if e == nil {
			continue
		}
		if i := slices.IndexFunc(old, func(o *T) bool { return id(o) == id(e) }); i >= 0 {
			old[i] = e
		} else {
			old = append(old, e)
		}
	}
	return old
}

// claimFields are the figures that a claim may state, with the units of bare numbers.
var claimFields = []struct {
	id, title string
	Field
}{
	{"params", "parameters", Field{Unit: "params"}}, {"active", "active parameters", Field{Unit: "params"}}, {"tokens", "training tokens", Field{Unit: "tokens"}},
	{"gpus", "accelerators", Field{Unit: "GPUs"}}, {"hours", "GPU-hours", Field{Unit: "GPU-hours"}}, {"days", "wall time", Field{Unit: "days"}},
	{"dollars", "dollars claimed", Field{Unit: "$"}}, {"billed_hours", "GPU-hours behind the dollars", Field{Unit: "GPU-hours"}},
	{"energy", "energy claimed", Field{Unit: "MWh"}}, {"co2", "CO2 claimed", Field{Unit: "t"}}, {"flop", "training compute stated", Field{Unit: "FLOP"}},
	{"stated_rate", "throughput stated", Field{Unit: "TFLOP/s/GPU", PerDevice: true}}, {"stated_mfu", "utilisation stated", Field{Unit: "%", Fraction: true}},
	{"base_flop", "compute of the base model", Field{Unit: "FLOP"}},
	{"stated_price", "price stated", Field{Unit: "$/GPU-hour", PerDevice: true}}, {"stated_peak", "peak stated", Field{Unit: "TFLOP/s/GPU", PerDevice: true}},
}

// partFields are the figures of an accelerator.
var partFields = map[string]Field{
	"memory": {Unit: "GB"}, "bandwidth": {Unit: "GB/s"}, "link": {Unit: "GB/s"}, "tdp": {Unit: "W/GPU", PerDevice: true},
	"rental": {Unit: "$/GPU-hour", PerDevice: true}, "purchase": {Unit: "$/GPU", PerDevice: true},
}

// claimField finds a field by its id.
func claimField(id string) (f Field, title string, ok bool) {
	for _, c := range claimFields {
		if c.id == id {
			return c.Field, c.title, true
		}
	}
	return Field{}, "", false
}

// quantity reads an entry as a figure of the field; where says what it is, for errors.
func (f Field) quantity(where string, e Entry) (Quantity, error) {
	f.Name = where
	if e.Unit == "" {
		return Quantity{}, fmt.Errorf("%s: has no unit", where)
	}
	value := e.Value
	if value == nil {
		return Quantity{}, fmt.Errorf("%s: has no value", where)
	}
	q, err := f.read(value, e.Unit)
	if err != nil {
		return Quantity{}, err
	}
	for _, end := range []struct {
		v  any
		to *float64
	}{{e.Low, &q.Low}, {e.High, &q.High}} {
		if end.v == nil {
			continue
		}
		b, err := f.read(end.v, e.Unit)
		if err != nil {
			return Quantity{}, err
		}
		*end.to = b.Central
	}
	if !q.valid() {
		return Quantity{}, fmt.Errorf("%s: low %v, value %v and high %v are not in order", where, e.Low, e.Value, e.High)
	}
	return q, nil
}

func (f Field) read(v any, unit string) (Quantity, error) {
	switch v := v.(type) {
	case float64:
		if math.Abs(v) > maxMagnitude {
			return Quantity{}, fmt.Errorf("%s: %g is too large to mean anything", f.Name, v)
		}
		return f.Parse(strings.TrimSpace(fmt.Sprint(v) + " " + unit))
	case string:
		if unit != f.Unit { // "14.8" of unit GPU-days; the text may also bring a unit of its own
			if q, err := f.Parse(v + " " + unit); err == nil {
				return q, nil
			}
		}
		return f.Parse(v)
	}
	return Quantity{}, fmt.Errorf("%s: %v is neither a number nor text", f.Name, v)
}
