package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/pennyml/penny/ledger"
	rundir "github.com/pennyml/penny/run"
	"github.com/pennyml/penny/run/plot"
)

type receiptCmd struct {
	Verify receiptVerifyCmd `cmd:"" help:"Check a run's ledger, manifest, metrics and receipt against each other."`
}

type receiptVerifyCmd struct {
	Path string `arg:"" name:"run" type:"path" help:"Directory of the run."`
	JSON bool   `help:"Print one JSON object."`
}

func (receiptVerifyCmd) Help() string {
	return "Walks through ledger.jsonl: the form of each entry, the chain of hashes, the dollars of each entry by its rates; adds everything up again and\n" +
		"holds the receipt, the manifest and the metrics against it. The first entry that is wrong is named."
}

type receiptOut struct {
	Run     string        `json:"run"`
	OK      bool          `json:"ok"`
	Error   string        `json:"error,omitempty"`
	Entry   *int64        `json:"bad_entry,omitempty"`
	Entries int64         `json:"entries"`
	Head    ledger.Hash   `json:"ledger_head_sha256,omitempty"`
	Sealed  bool          `json:"sealed"`
	Outcome string        `json:"outcome,omitempty"`
	State   ledger.Hash   `json:"state_sha256,omitempty"`
	Totals  ledger.Totals `json:"totals"`
}

func (c *receiptVerifyCmd) Run() error {
	s, receipt, err := rundir.Verify(c.Path)
	o := receiptOut{Run: c.Path, OK: err == nil, Sealed: receipt != nil}
	if s != nil {
		o.Entries, o.Head, o.State, o.Totals = s.Entries, s.Head, s.State, s.Totals
		if s.Closed != nil {
			o.Outcome = string(s.Closed.Outcome)
		}
	}
	var bad *ledger.BadEntry
	if errors.As(err, &bad) {
		o.Entry = &bad.Seq
	}
	if err != nil {
		o.Error = err.Error()
	}
	if c.JSON {
		return errors.Join(json.NewEncoder(os.Stdout).Encode(o), err)
	}
	if err != nil {
		return err
	}
	return o.print(s)
}

func (o receiptOut) print(s *ledger.Summary) error {
	sealed := "sealed"
	switch {
	case o.Outcome == "":
		sealed = "not closed: it is running, or was killed"
	case !o.Sealed:
		sealed = "not sealed"
	}
	fmt.Printf("%s: %d entries, chain and sums are right, %s\n", o.Run, o.Entries, sealed)
	if s.Torn > 0 {
		fmt.Printf("the last line is cut short (%d bytes); resuming mends it\n", s.Torn)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "purpose\tFLOP\ttokens\tseconds\tCPU seconds\tjoules\tdollars\t")
	line := func(name string, v ledger.Sums) {
		fmt.Fprintf(w, "%s\t%v\t%d\t%.2f\t%.2f\t%s\t%.6f\t\n", name, v.FLOPs, v.Tokens, v.Seconds, v.CPUSeconds, joulesOf(v.Energy), v.Dollars)
	}
	for _, p := range ledger.Purposes {
		if v, ok := o.Totals.For[p]; ok {
			line(string(p), v)
		}
	}
	line("all", o.Totals.All)
	return w.Flush()
}

func joulesOf(e ledger.Energy) string {
	if e.Known() == nil {
		return "-"
	}
	if e.Label == ledger.Measured {
		return plot.Short(e.Joules) + " measured"
	}
	return fmt.Sprintf("%s estimated (%s to %s)", plot.Short(e.Joules), plot.Short(e.Low), plot.Short(e.High))
}
