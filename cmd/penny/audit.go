package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/charmbracelet/x/term"

	"github.com/pennyml/penny/audit"
	"github.com/pennyml/penny/internal/atomicfile"
)

type auditCmd struct {
	Claim string `arg:"" optional:"" help:"A model's claim or a statement, by name; what is known is listed without one."`

	Params    string `help:"Parameters: 671b." group:"A claim of your own"`
	Active    string `help:"Parameters active for a token: 37b." group:"A claim of your own"`
	Tokens    string `help:"Training tokens: 14.8t." group:"A claim of your own"`
	GPU       string `name:"gpu" help:"Accelerator: h800." group:"A claim of your own"`
	GPUs      string `name:"gpus" help:"How many of them." group:"A claim of your own"`
	Hours     string `help:"GPU-hours: 2.664m, or 111k GPU-days." group:"A claim of your own"`
	Days      string `help:"Wall days." group:"A claim of your own"`
	Dollars   string `help:"Dollars: 5.576m." group:"A claim of your own"`
	Price     string `help:"Dollars a GPU-hour." group:"A claim of your own"`
	Precision string `help:"bf16, fp8, ..." group:"A claim of your own"`
	FLOP      string `name:"flop" help:"Compute: 3.3e24, or 3640 petaflop/s-days." group:"A claim of your own"`
	Rate      string `help:"Throughput of one accelerator: 390 TFLOP/s." group:"A claim of your own"`
	MFU       string `name:"mfu" help:"Utilisation: 40%." group:"A claim of your own"`
	Peak      string `help:"Peak that the claim counts with: 989 TFLOP/s." group:"A claim of your own"`
	Energy    string `help:"Energy: 1287 MWh." group:"A claim of your own"`
	CO2       string `name:"co2" help:"CO2: 552 t." group:"A claim of your own"`
	Scope     string `help:"What the claim covers: pretraining, RL only, all stages." group:"A claim of your own"`
	Date      string `help:"When it was made." group:"A claim of your own"`

	Arch         string `help:"The network's config.json: compute is counted from its shapes." type:"existingfile" placeholder:"FILE" group:"A claim of your own"`
	ArchSequence int    `help:"Tokens of a training sequence." default:"4096" group:"A claim of your own"`

	Serve   bool `help:"Add what serving the model costs." group:"Serving"`
	Batch   int  `help:"Sequences at once (64)." group:"Serving"`
	Context int  `help:"Tokens before the one that is made (4096)." group:"Serving"`
	Servers int  `help:"Accelerators (as few as hold the weights)." group:"Serving"`

	Grid    string            `help:"Grid of the electricity: USA, CHN, FRA, ... (the claim's own)."`
	Set     map[string]string `help:"Replace an assumption: price.h800=1.5, pue=1.1, tokens=15t." mapsep:"none" placeholder:"KEY=VALUE"`
	Claims  string            `help:"A file of claims, hardware, prices and sources that adds to what is built in." placeholder:"FILE"`
	Explain string            `help:"Show one figure down to its sources." placeholder:"FIGURE"`
	Compare []string          `help:"Put claims side by side." placeholder:"A,B,C"`
	All     bool              `help:"Audit every claim and every statement."`
	JSON    bool              `help:"Print JSON: one object, or an array with --all and --compare."`
	HTML    string            `name:"html" help:"Write one self-contained page." placeholder:"FILE"`
	CSV     bool              `name:"csv" help:"Print claims under the column names of Epoch AI's table."`
}

func (auditCmd) Help() string {
	return "Holds a claim of what a model cost to train against the arithmetic: needed utilisation, days, dollars, energy, and what is left out.\n" +
		"penny audit deepseek-v3; penny audit --params 671b --active 37b --tokens 14.8t --gpu h800 --hours 2.664m --dollars 5.576m"
}

func (c *auditCmd) Run() error {
	d, err := c.data()
	if err != nil {
		return err
	}
	if c.All || len(c.Compare) > 0 {
		return c.several(d)
	}
	if st := d.FindStatement(c.Claim); st != nil && c.Claim != "" {
		return c.statement(d, st)
	}
	claim, err := c.claim(d)
	if err != nil {
		return err
	}
	if claim == nil {
		d.List(os.Stdout, terminal())
		return nil
	}
	r, err := d.Audit(claim, c.settings())
	if err != nil {
		return err
	}
	if c.Serve || c.Batch > 0 || c.Context > 0 || c.Servers > 0 {
		c.Serve = true
		if err := r.Serve(audit.Service{Batch: c.Batch, Context: c.Context, GPUs: c.Servers}); err != nil {
			return err
		}
	}
	switch {
	case c.Explain != "":
		return r.Explain(os.Stdout, d, c.Explain, terminal())
	case c.JSON:
		return r.JSON(os.Stdout, d)
	case c.CSV:
		return audit.CSV(os.Stdout, d, []*audit.Report{r})
	case c.HTML != "":
		return atomicfile.Write(c.HTML, func(w io.Writer) error { return r.HTML(w, d) })
	}
	if c.Serve {
		return r.ServeText(os.Stdout, terminal())
	}
	return r.Text(os.Stdout, terminal())
}

// terminal is the one that standard output is.
func terminal() audit.Screen {
	width, height, err := term.GetSize(os.Stdout.Fd())
	if err != nil {
		return audit.Plain
	}
	return audit.Screen{Width: width, Height: height}
}

func (c *auditCmd) settings() audit.Settings { return audit.Settings{Grid: c.Grid, Set: c.Set} }

// several audits all claims and statements, or those to compare.
func (c *auditCmd) several(d *audit.Data) error {
	var claims []*audit.Report
	var statements []*audit.StatementReport
	var err error
	if c.All {
		claims, statements, err = d.All(c.settings())
	}
	for _, name := range c.Compare {
		claim, err := d.Find(name)
		if err != nil {
			return err
		}
		r, err := d.Audit(claim, c.settings())
		if err != nil {
			return err
		}
		claims = append(claims, r)
	}
	switch {
	case err != nil:
		return err
	case c.JSON:
		return audit.AllJSON(os.Stdout, d, claims, statements)
	case c.Explain != "":
		return hinted{errors.New("--explain wants one claim or statement"), "penny audit deepseek-v3 --explain with_staff"}
	case c.CSV:
		return audit.CSV(os.Stdout, d, claims)
	case c.HTML != "":
		return atomicfile.Write(c.HTML, func(w io.Writer) error { return audit.SeveralHTML(w, d, claims, statements) })
	case c.All:
		return audit.Summary(os.Stdout, claims, statements, terminal())
	}
	return audit.Compare(os.Stdout, claims)
}

func (c *auditCmd) statement(d *audit.Data, st *audit.Statement) error {
	r, err := d.AuditStatement(st, c.settings())
	if err != nil {
		return err
	}
	switch {
	case c.Serve || c.Batch > 0 || c.Context > 0 || c.Servers > 0:
		return hinted{errors.New("a statement is not served"), "--serve goes with a claim"}
	case c.Explain != "":
		return r.Explain(os.Stdout, d, c.Explain, terminal())
	case c.JSON:
		return r.JSON(os.Stdout, d)
	case c.CSV:
		return audit.StatementsCSV(os.Stdout, []*audit.StatementReport{r})
	case c.HTML != "":
		return atomicfile.Write(c.HTML, func(w io.Writer) error { return r.HTML(w, d) })
	}
	return r.Text(os.Stdout, terminal())
}

func (c *auditCmd) data() (*audit.Data, error) {
	d, err := audit.Load()
	if err != nil || c.Claims == "" {
		return d, err
	}
	text, err := os.ReadFile(c.Claims)
	if err != nil {
		return nil, err
	}
	return d, d.Add(c.Claims, text)
}

// figures are the flags that make a claim.
func (c *auditCmd) figures() map[string]string {
	return map[string]string{"params": c.Params, "active": c.Active, "tokens": c.Tokens, "gpus": c.GPUs, "hours": c.Hours, "days": c.Days, "dollars": c.Dollars,
		"stated_price": c.Price, "flop": c.FLOP, "stated_rate": c.Rate, "stated_mfu": c.MFU, "stated_peak": c.Peak, "energy": c.Energy, "co2": c.CO2}
}

// claim is the named one, the one that the flags make, or nil where there is neither.
func (c *auditCmd) claim(d *audit.Data) (*audit.Claim, error) {
	own := c.Arch != ""
	for _, v := range c.figures() {
		own = own || v != ""
	}
	switch {
	case own && c.Claim != "":
		return nil, hinted{fmt.Errorf("a named claim takes no figures of its own"), "change one with --set tokens=15t"}
	case own:
		claim, err := audit.FromFlags(c.figures(), map[string]string{"gpu": c.GPU, "precision": c.Precision, "scope": c.Scope, "grid": c.Grid, "date": c.Date})
		if err != nil || c.Arch == "" {
			return claim, err
		}
		text, err := os.ReadFile(c.Arch)
		if err != nil {
			return nil, err
		}
		return claim, claim.WithArchitecture(c.Arch, text, c.ArchSequence)
	case c.Claim == "" && (c.GPU != "" || c.Precision != "" || c.Scope != "" || c.Date != "" || c.Serve || c.Explain != "" || c.JSON || c.CSV || c.HTML != ""):
		return nil, hinted{errors.New("no claim: neither a name nor a figure"), "penny audit deepseek-v3 --json, or --all; or give figures: --params 7b --tokens 2t --gpu h100 --hours 100k"}
	case c.Claim == "":
		return nil, nil
	}
	claim, err := d.Find(c.Claim)
	if err != nil {
		return nil, hinted{err, "penny audit lists the names; or give figures: --params 7b --tokens 2t --gpu h100 --hours 100k"}
	}
	return claim, nil
}
