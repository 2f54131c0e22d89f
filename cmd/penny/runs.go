package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"github.com/pennyml/penny/ledger"
	rundir "github.com/pennyml/penny/run"
	"github.com/pennyml/penny/run/plot"
)

type runsCmd struct {
	Dir  string `arg:"" optional:"" default:"runs" help:"Directory of a run or of runs."`
	JSON bool   `help:"Print one JSON object a run."`
}

func (runsCmd) Help() string {
	return "Lists runs with their figures, oldest first. A run is running, done, interrupted, failed, killed, or broken: its ledger does not verify."
}

func (c *runsCmd) Run() error {
	runs, err := rundir.List(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return hinted{fmt.Errorf("no directory %s", c.Dir), "penny runs DIR"}
	}
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(os.Stdout)
		for _, r := range runs {
			if err := e.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	if len(runs) == 0 {
		fmt.Fprintf(os.Stderr, "no runs in %s\n", c.Dir)
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tSTATE\tSTEPS\tTOKENS\tLOSS\tVAL LOSS\tFLOP\tTIME\tENERGY\tCOST")
	for _, r := range runs {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t$%.4f\n", r.Dir, r.State, r.Steps, plot.Short(float64(r.Tokens)), orDash(r.Loss), orDash(r.ValLoss), plot.Short(r.FLOPs.Float()),
			(time.Duration(r.Seconds * float64(time.Second))).Round(time.Second/10), energyOf(r), r.Dollars)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range runs {
		if r.State == "broken" {
			fmt.Fprintf(os.Stderr, "%s: %s\n", r.Dir, r.Reason)
		}
	}
	return nil
}

func orDash(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.4f", *v)
}

func energyOf(r rundir.Listed) string {
	if r.Joules == nil {
		return "-"
	}
	s := plot.Unit(*r.Joules, "J")
	if r.Label != string(ledger.Measured) {
		s += " " + r.Label
	}
	return s
}
