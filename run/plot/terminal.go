package plot

import (
	"math"
	"strings"
	"unicode/utf8"
)

// Paint colours a piece of text as a series' colour, by its number in the palette; -1 is for axes.
type Paint func(colour int, text string) string

// Terminal draws the figure in so many columns and lines, with braille dots. A nil Paint leaves colours out.
func (f *Figure) Terminal(width, height int, paint Paint) string {
	if paint == nil {
		paint = func(_ int, s string) string { return s }
	}
	n := max(len(f.Panels), 1)
	var b strings.Builder
	x := f.axisX()
	for i := range f.Panels {
		last := i == len(f.Panels)-1
		lines := f.Panels[i].terminal(f, x, width, max(height/n, 4), last, paint)
		b.WriteString(strings.Join(lines, "\n"))
		b.WriteByte('\n')
	}
	return b.String()
}

// terminal draws one panel: a line with title and legend, the plot with its vertical axis, the horizontal axis below.
func (p *Panel) terminal(f *Figure, x axis, width, height int, labels bool, paint Paint) []string {
	y := p.axisY()
	rows := height - 1
	if labels {
		rows -= 2
	}
	rows = max(rows, 2)
	ticks := make([]string, rows) // by line from the top
	margin := 0
	for _, t := range y.ticks(max(2, rows/3)) {
		if t.at < 0 || t.at > 1 {
			continue
		}
		line := min(int((1-t.at)*float64(rows)), rows-1)
		ticks[line] = t.name
		margin = max(margin, len(t.name))
	}
	columns := max(width-margin-1, 4)
	g := newDots(columns, rows)
	for _, s := range p.Series {
		if s.Faint {
			continue // dots have one strength only
		}
		g.series(s.points(x, y, 2*columns), s)
	}
	lines := []string{p.legend(width, paint)}
	for r := range rows {
		mark := "│"
		if ticks[r] != "" {
			mark = "┤"
		}
		lines = append(lines, paint(-1, strings.Repeat(" ", margin-len(ticks[r]))+ticks[r]+mark)+g.line(r, paint))
	}
	if labels {
		lines = append(lines, f.horizontal(x, margin, columns, paint)...)
	}
	return lines
}

// legend names the axis and the curves, as far as the line goes.
func (p *Panel) legend(width int, paint Paint) string {
	var b strings.Builder
	used := utf8.RuneCountInString(p.Title)
	if used > width {
		return ""
	}
	b.WriteString(paint(-1, p.Title))
	for _, s := range p.Series {
		if s.Name == "" || s.Faint || s.Name == p.Title {
			continue
		}
		n := utf8.RuneCountInString(s.Name) + 4
		if used += n; used > width {
			break
		}
		mark := "━"
		if s.Dashed {
			mark = "╍"
		}
		b.WriteString("  " + paint(s.Colour, mark+" "+s.Name))
	}
	return b.String()
}

// horizontal is the axis and its labels.
func (f *Figure) horizontal(x axis, margin, columns int, paint Paint) []string {
	line, names := []rune(strings.Repeat("─", columns)), []rune(strings.Repeat(" ", margin+1+columns))
	free := 0
	for _, t := range x.ticks(max(1, columns/14)) {
		if t.at < 0 || t.at > 1 {
			continue
		}
		c := min(int(t.at*float64(columns)), columns-1)
		start := min(max(margin+1+c-len(t.name)/2, 0), len(names)-len(t.name))
		if start < free {
			continue
		}
		line[c] = '┬'
		copy(names[start:], []rune(t.name))
		free = start + len(t.name) + 1
	}
	if title := []rune(f.X); len(names)-free > len(title) {
		copy(names[len(names)-len(title):], title)
	}
	return []string{paint(-1, strings.Repeat(" ", margin)+"└"+string(line)), paint(-1, strings.TrimRight(string(names), " "))}
}

// dots is a grid of braille characters, two dots wide and four high.
type dots struct {
	columns, rows int
	bits          []byte
	colour        []int8
}

func newDots(columns, rows int) *dots {
	return &dots{columns, rows, make([]byte, columns*rows), make([]int8, columns*rows)}
}

// series draws a curve of places in [0, 1].
func (g *dots) series(points [][2]float64, s Series) {
	w, h := float64(2*g.columns-1), float64(4*g.rows-1)
	var lastX, lastY, run int
	for i, p := range points {
		px, py := int(math.Round(p[0]*w)), int(math.Round((1-p[1])*h))
		if i == 0 {
			lastX, lastY = px, py
		}
		run = g.segment(lastX, lastY, px, py, s, run)
		if s.Marked {
			for _, d := range [][2]int{{0, 0}, {1, 0}, {0, 1}, {1, 1}} {
				g.set(px+d[0], py+d[1], s)
			}
		}
		lastX, lastY = px, py
	}
}

// segment draws a straight line; run counts its dots, so that dashes go on over the corners.
func (g *dots) segment(x0, y0, x1, y1 int, s Series, run int) int {
	n := max(abs(x1-x0), abs(y1-y0))
	for k := 0; k <= n; k++ {
		t := 0.0
		if n > 0 {
			t = float64(k) / float64(n)
		}
		if run++; !s.Dashed || run%4 < 2 {
			g.set(x0+int(math.Round(t*float64(x1-x0))), y0+int(math.Round(t*float64(y1-y0))), s)
		}
	}
	return run
}

func abs(n int) int { return max(n, -n) }

// brailleBits are the dots of a character by column and row.
var brailleBits = [2][4]byte{{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}

func (g *dots) set(x, y int, s Series) {
	if x < 0 || y < 0 || x >= 2*g.columns || y >= 4*g.rows {
		return
	}
	c := y/4*g.columns + x/2
	g.bits[c] |= brailleBits[x%2][y%4]
	g.colour[c] = int8(s.Colour)
}

// line is one line of the grid, neighbours of a colour painted together.
func (g *dots) line(row int, paint Paint) string {
	var b strings.Builder
	for c := 0; c < g.columns; {
		at := row*g.columns + c
		colour, empty := g.colour[at], g.bits[at] == 0
		var piece []rune
		for ; c < g.columns; c++ {
			at := row*g.columns + c
			if (g.bits[at] == 0) != empty || !empty && g.colour[at] != colour {
				break
			}
			if empty {
				piece = append(piece, ' ')
			} else {
				piece = append(piece, 0x2800+rune(g.bits[at]))
			}
		}
		if empty {
			if c < g.columns {
				b.WriteString(string(piece))
			}
			continue
		}
		b.WriteString(paint(int(colour), string(piece)))
	}
	return b.String()
}
