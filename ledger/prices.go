package ledger

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// PriceFile is the dated list of prices by which runs are costed, as audits read it: sources, and prices that name them.
//
//go:embed prices.json
var PriceFile []byte

// Price is one dated price of the list.
type Price struct {
	Item    string   `json:"item"`
	Kind    string   `json:"kind"` // cpu-rental, electricity
	Value   float64  `json:"value"`
	Unit    string   `json:"unit"`
	Date    string   `json:"date"`
	Note    string   `json:"note"`
	Sources []string `json:"sources"`
}

// Prices is the list.
func Prices() []Price {
	var list struct{ Prices []Price }
	if err := json.Unmarshal(PriceFile, &list); err != nil {
		panic("ledger: prices.json: " + err.Error()) // it is part of the program, and tested
	}
	return list.Prices
}

// Rates turn hours and joules into dollars. Machine may be a rent, which includes electricity, or a share of a machine of one's own, which does
// not.
type Rates struct {
	CPUs          int     `json:"cpus"` // charged for
	Machine       float64 `json:"machine_dollars_per_cpu_hour"`
	MachineSource string  `json:"machine_source"`
	Power         float64 `json:"power_dollars_per_kwh"`
	PowerSource   string  `json:"power_source"`
	PowerIncluded bool    `json:"power_included"` // in Machine
}

// The entries of the price list that count unless the user says otherwise.
const (
	defaultMachine = "AWS vCPU on demand"
	defaultPower   = "US industrial"
)

// DefaultRates charges for so many hardware threads by the list.
func DefaultRates(cpus int) Rates {
	r := Rates{CPUs: cpus, PowerIncluded: true}
	for _, p := range Prices() {
		source := fmt.Sprintf("%s, %s %s, %s (ledger/prices.json: %s)", p.Item, fmt.Sprint(p.Value), p.Unit, p.Date, strings.Join(p.Sources, ", "))
		switch p.Item {
		case defaultMachine:
			r.Machine, r.MachineSource = p.Value, source
		case defaultPower:
			r.Power, r.PowerSource = p.Value, source
		}
	}
	return r
}

// check refuses rates by which nothing can be priced.
func (r Rates) check() error {
	if r.CPUs < 1 || slices.ContainsFunc([]float64{r.Machine, r.Power}, func(v float64) bool { return !(v >= 0) || math.IsInf(v, 0) }) {
		return fmt.Errorf("rates: %d CPUs at %v $/CPU-hour, %v $/kWh", r.CPUs, r.Machine, r.Power)
	}
	return nil
}

// Check refuses rates by which nothing can be priced, and rates that do not say where they come from.
func (r Rates) Check() error {
	if err := r.check(); err != nil {
		return err
	}
	if r.MachineSource == "" || r.PowerSource == "" {
		return fmt.Errorf("rates: %v $/CPU-hour and %v $/kWh do not say where they come from", r.Machine, r.Power)
	}
	return nil
}

// Dollars is the price of seconds on the machine, that of joules, and what the two make together.
func (r Rates) Dollars(seconds, joules float64) (machine, power, total float64) {
	machine = seconds / 3600 * float64(r.CPUs) * r.Machine
	power = joules / 3.6e6 * r.Power
	if r.PowerIncluded {
		return machine, power, machine
	}
	return machine, power, machine + power
}
