package main

import (
	"os"

	"github.com/pennyml/penny/audit"
)

type planCmd struct {
	Money  string            `help:"Dollars: 1000, $5m."`
	GPU    string            `name:"gpu" help:"Accelerator." default:"h100"`
	GPUs   string            `name:"gpus" help:"How many of them."`
	Days   string            `help:"Wall days."`
	Hours  string            `help:"GPU-hours."`
	Energy string            `help:"Energy: 10 MWh."`
	Params string            `help:"Parameters wanted, in place of the best split."`
	Tokens string            `help:"Tokens at hand, in place of the best split."`
	Grid   string            `help:"Grid of the electricity: USA, CHN, FRA, ..."`
	Set    map[string]string `help:"Replace an assumption: price=1.5, run_mfu=40%." mapsep:"none" placeholder:"KEY=VALUE"`
	JSON   bool              `help:"Print one JSON object."`
}

func (planCmd) Help() string {
	return "What money, days, hardware or energy can train: compute-optimal and over-trained, and what serving it costs.\npenny plan --money 1000 --gpu h100"
}

func (c *planCmd) Run() error {
	d, err := audit.Load()
	if err != nil {
		return err
	}
	p, err := d.NewPlan(c.GPU, map[string]string{"dollars": c.Money, "gpus": c.GPUs, "days": c.Days, "hours": c.Hours, "energy": c.Energy, "params": c.Params, "tokens": c.Tokens},
		audit.Settings{Grid: c.Grid, Set: c.Set})
	if err != nil {
		return hinted{err, "penny plan --money 1000 --gpu h100; or --gpus 8 --days 3"}
	}
	if c.JSON {
		return p.JSON(os.Stdout)
	}
	return p.Text(os.Stdout, terminal())
}
