package plot

import (
	"fmt"
	"image/color"
	"io"
	"path/filepath"
	"strings"
)

// canvas is what a figure is drawn on; lengths are in pixels, y goes down.
type canvas interface {
	line(points [][2]float64, width float64, c color.NRGBA, dashed bool)
	dot(x, y, radius float64, c color.NRGBA)
	text(x, y float64, s string, size float64, c color.NRGBA, at anchor, bold bool)
	measure(s string, size float64, bold bool) float64
}

// anchor says which part of a text stands at its place.
type anchor int

const (
	left anchor = iota
	middle
	right
)

var (
	white = color.NRGBA{255, 255, 255, 255}
	ink   = color.NRGBA{40, 44, 52, 255}
	grey  = color.NRGBA{110, 116, 126, 255}
	grid  = color.NRGBA{228, 230, 234, 255}
	edge  = color.NRGBA{150, 155, 164, 255}
)

// palette is told apart by colour-blind readers too: Okabe and Ito's, its yellow darkened, then darker shades.
var palette = []color.NRGBA{{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {86, 180, 233, 255}, {196, 160, 0, 255},
	{90, 60, 150, 255}, {120, 120, 120, 255}}

// Colour is a colour of the palette, which repeats.
func Colour(n int) color.NRGBA { return palette[n%len(palette)] }

const (
	figureWidth = 900
	onePanel    = 420
	morePanels  = 260
	titleSize   = 18
	textSize    = 13
	lineHeight  = 20
)

// Write draws the figure into a file's content; the name's ending, .svg or .png, says how.
func (f *Figure) Write(w io.Writer, name string) error {
	switch ext := strings.ToLower(filepath.Ext(name)); ext {
	case ".svg":
		return f.SVG(w)
	case ".png":
		return f.PNG(w)
	default:
		return fmt.Errorf("%s: files are .svg or .png, not %q", name, ext)
	}
}

// size is the figure's, in pixels.
func (f *Figure) size() (width, height float64) {
	if len(f.Panels) <= 1 {
		return figureWidth, onePanel + 90
	}
	return figureWidth, float64(len(f.Panels))*morePanels + 90
}

// draw lays the figure out.
func (f *Figure) draw(c canvas) {
	width, height := f.size()
	x := f.axisX()
	top := 16.0
	if f.Title != "" {
		c.text(16, top+titleSize, f.Title, titleSize, ink, left, true)
		top += 34
	}
	margin := 40.0
	for i := range f.Panels {
		for _, t := range f.Panels[i].axisY().ticks(5) {
			margin = max(margin, c.measure(t.name, textSize, false)+24)
		}
	}
	each := (height - top - 36) / float64(max(len(f.Panels), 1))
	for i := range f.Panels {
		box := box{margin, top + float64(i)*each, width - 24 - margin, each}
		f.Panels[i].draw(c, f, x, box, i == len(f.Panels)-1)
	}
	c.text(width-24, height-8, f.X, textSize, grey, right, false)
}

// box is where a panel stands.
type box struct{ x, y, width, height float64 }

func (p *Panel) draw(c canvas, f *Figure, x axis, b box, last bool) {
	head := p.head(c, b)
	b.y += head
	b.height -= head + 14
	y := p.axisY()
	for _, t := range y.ticks(max(2, int(b.height/45))) {
		if t.at < 0 || t.at > 1 {
			continue
		}
		at := b.y + (1-t.at)*b.height
		c.line([][2]float64{{b.x, at}, {b.x + b.width, at}}, 1, grid, false)
		c.text(b.x-8, at+textSize*0.35, t.name, textSize, grey, right, false)
	}
	for _, t := range x.ticks(8) {
		if t.at < 0 || t.at > 1 {
			continue
		}
		at := b.x + t.at*b.width
		c.line([][2]float64{{at, b.y}, {at, b.y + b.height}}, 1, grid, false)
		if last {
			c.text(at, b.y+b.height+20, t.name, textSize, grey, middle, false)
		}
	}
	c.line([][2]float64{{b.x, b.y}, {b.x, b.y + b.height}, {b.x + b.width, b.y + b.height}}, 1, edge, false)
	for _, faint := range []bool{true, false} {
		for _, s := range p.Series {
			if s.Faint == faint {
				s.draw(c, s.points(x, y, int(b.width)), b)
			}
		}
	}
}

// head writes the axis' name and the legend, and tells how much room they took.
func (p *Panel) head(c canvas, b box) float64 {
	c.text(16, b.y+textSize, p.Title, textSize, ink, left, true)
	start := 16 + c.measure(p.Title, textSize, true) + 24
	x, y := start, b.y
	for _, s := range p.Series {
		if s.Name == "" || s.Faint || s.Name == p.Title {
			continue
		}
		w := 30 + c.measure(s.Name, textSize, false) + 20
		if x+w > b.x+b.width && x > start {
			x, y = start, y+lineHeight
		}
		mid := y + textSize*0.65
		c.line([][2]float64{{x, mid}, {x + 22, mid}}, 2.2, Colour(s.Colour), s.Dashed)
		if s.Marked {
			c.dot(x+11, mid, 3.2, Colour(s.Colour))
		}
		c.text(x+30, y+textSize, s.Name, textSize, ink, left, false)
		x += w
	}
	return y - b.y + lineHeight + 8
}

func (s Series) draw(c canvas, points [][2]float64, b box) {
	col, width := Colour(s.Colour), 1.8
	if s.Faint {
		col.A, width = 70, 1
	}
	for i, p := range points {
		points[i] = [2]float64{b.x + p[0]*b.width, b.y + (1-p[1])*b.height}
	}
	c.line(points, width, col, s.Dashed)
	if s.Marked || len(points) == 1 {
		for _, p := range points {
			c.dot(p[0], p[1], 3.2, col)
		}
	}
}
