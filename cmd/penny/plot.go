package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/term"

	"github.com/pennyml/penny/internal/atomicfile"
	rundir "github.com/pennyml/penny/run"
	"github.com/pennyml/penny/run/plot"
)

type plotCmd struct {
	Runs   []string `arg:"" help:"Run directories (or metrics.jsonl files); several are compared."`
	X      string   `default:"step" help:"Field along the horizontal axis: step, tokens, flops, dollars, seconds, joules or any other."`
	Y      []string `default:"loss,val_loss" sep:"none" placeholder:"FIELDS" help:"Fields to draw, with commas between those that share a panel; repeat it for more panels."`
	Out    string   `short:"o" type:"path" help:"File to write, .svg or .png; without one, the curves are drawn in the terminal."`
	Smooth float64  `default:"0" help:"Smooth with a moving average of this weight, 0 to below 1; 0.9 suits most losses."`
	LogY   bool     `name:"log-y" help:"Logarithmic vertical axes."`
	LogX   bool     `name:"log-x" help:"Logarithmic horizontal axis."`
	Title  string   `help:"Title (default: the runs' names)."`
	Width  int      `default:"0" help:"Columns in the terminal (0: all)."`
}

func (plotCmd) Help() string {
	return "Draws what metrics.jsonl holds. penny plot runs/a runs/b --x flops --smooth 0.9 --out compare.svg"
}

func (c *plotCmd) Run() error {
	var runs []plot.Run
	for _, path := range c.Runs {
		points, err := metricsOf(path)
		if err != nil {
			return err
		}
		runs = append(runs, plot.Run{Name: filepath.Base(strings.TrimSuffix(filepath.Clean(path), string(filepath.Separator)+rundir.MetricsFile)), Points: points})
	}
	s := plot.Selection{X: c.X, Smooth: c.Smooth, Log: c.LogY, LogX: c.LogX}
	for _, y := range c.Y {
		s.Panels = append(s.Panels, strings.Split(y, ","))
	}
	f, err := plot.Compare(runs, s)
	if err != nil {
		return err
	}
	if c.Title != "" {
		f.Title = c.Title
	}
	if c.Out == "" {
		return c.terminal(f)
	}
	if err := atomicfile.Write(c.Out, func(w io.Writer) error { return f.Write(w, c.Out) }); err != nil {
		return err
	}
	fmt.Println(c.Out)
	return nil
}

// metricsOf reads the metrics of a run directory or of a file of them.
func metricsOf(path string) ([]rundir.Point, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hinted{err, "penny runs lists the runs below a directory"}
	}
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		path = filepath.Join(path, rundir.MetricsFile)
	}
	points, err := rundir.ReadMetrics(path)
	if err == nil && len(points) == 0 {
		err = fmt.Errorf("%s: no metrics yet", path)
	}
	return points, err
}

// terminal draws on standard output, in colour where that is a terminal.
func (c *plotCmd) terminal(f *plot.Figure) error {
	width, height := 80, 20
	var paint plot.Paint
	if isTerminal(os.Stdout) {
		if w, h, err := term.GetSize(os.Stdout.Fd()); err == nil && w > 0 {
			width, height = w, h
		}
		paint = func(colour int, s string) string {
			if colour < 0 {
				return lipgloss.NewStyle().Faint(true).Render(s)
			}
			return lipgloss.NewStyle().Foreground(plot.Colour(colour)).Render(s)
		}
	} else if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		width = n
	}
	if c.Width > 0 {
		width = c.Width
	}
	width = min(max(width, 20), 400)
	each := min(max(height-2, 8), 24)
	if n := len(f.Panels); n > 1 {
		each = max(each/n, 9)
	}
	_, err := lipgloss.Fprint(os.Stdout, f.Terminal(width, each*len(f.Panels), paint))
	return err
}
