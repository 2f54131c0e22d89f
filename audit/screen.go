package audit

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Screen is what text is laid out for: columns, and lines of which one is left for the prompt.
type Screen struct{ Width, Height int }

// Plain is the screen supposed where there is none.
var Plain = Screen{80, 24}

// Fit is the screen that a page is laid out for: not narrower than it can be, and not wider than reads well.
func (s Screen) Fit() Screen {
	if s.Width <= 0 || s.Height <= 0 {
		return Plain
	}
	return Screen{min(max(s.Width, 60), 112), max(s.Height, 12)}
}

// block is some lines of a page; the higher its rank, the sooner it goes where the page is too high. Rank 0 stays.
type block struct {
	rank  int
	lines []string
}

// sheetOfBlocks collects the blocks of a page.
type textPage struct {
	Screen
	blocks []block
}

func (p *textPage) add(rank int, lines ...string) { p.blocks = append(p.blocks, block{rank, lines}) }

// text adds a paragraph, of at most so many lines where that is not 0, indented.
func (p *textPage) text(rank, most int, s string) {
	lines := wrap(s, p.Width-2)
	if most > 0 && len(lines) > most {
		last := lines[most-1]
		if utf8.RuneCountInString(last) > p.Width-4 {
			last = last[:strings.LastIndexByte(last, ' ')]
		}
		lines = append(lines[:most-1], strings.TrimRight(last, " ,;.")+" …")
	}
	for i := range lines {
		lines[i] = "  " + lines[i]
	}
	p.add(rank, lines...)
}

// row adds a label, a figure, and where it comes from: on one line if it can be said shortly.
func (p *textPage) row(rank int, label, value, origin string) {
	const labels, values = 13, 22
	head := fmt.Sprintf("  %-*s %-*s ", labels, label, values, value)
	room := p.Width - utf8.RuneCountInString(head)
	for _, shorter := range []func(string) string{same, shortUnits, fewerSources} {
		if utf8.RuneCountInString(origin) > room {
			origin = shorter(origin)
		}
	}
	lines := wrap(origin, max(room, 20))
	out := []string{strings.TrimRight(head+lines[0], " ")}
	if rest := strings.Join(lines[1:], " "); rest != "" {
		for _, l := range wrap(strings.Join(strings.Fields(rest), " "), p.Width-labels-5) {
			out = append(out, fmt.Sprintf("%*s%s", labels+5, "", strings.TrimLeft(l, " ")))
		}
	}
	p.add(rank, out...)
}

func same(s string) string { return s }

var unitsShortened = strings.NewReplacer(" TFLOP/s/GPU", " TF/s", "/GPU-hour", "/h", " GPU-hours", " GPU-h", " W/GPU", " W")

// shortUnits writes the units of a formula that are clear from the figure in a shorter form.
func shortUnits(s string) string { return unitsShortened.Replace(s) }

// fewerSources keeps the first of several sources and says how many there are.
func fewerSources(s string) string {
	open, end := strings.LastIndexByte(s, '['), strings.LastIndexByte(s, ']')
	if open < 0 || end < open {
		return s
	}
	keys := strings.Split(s[open+1:end], ", ")
	if len(keys) < 2 {
		return s
	}
	return fmt.Sprintf("%s[%s +%d]%s", s[:open], keys[0], len(keys)-1, s[end+1:])
}

// write writes the page, without what goes first where it is too high.
func (p *textPage) write(w io.Writer) error {
	height := func() (n int) {
		for _, b := range p.blocks {
			n += len(b.lines)
		}
		return n
	}
	for height() > p.Height-1 {
		worst := -1
		for i, b := range p.blocks {
			if b.rank > 0 && len(b.lines) > 0 && (worst < 0 || b.rank >= p.blocks[worst].rank) {
				worst = i
			}
		}
		if worst < 0 {
			break
		}
		p.blocks[worst].lines = nil
	}
	for _, b := range p.blocks {
		for _, l := range b.lines {
			if _, err := fmt.Fprintln(w, l); err != nil {
				return err
			}
		}
	}
	return nil
}
