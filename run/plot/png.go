package plot

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// pngScale is how many pixels of the picture are one of the layout.
const pngScale = 2

// Dashes, in widths of the line.
const dashOn, dashOff = 4, 2.5

// PNG writes the figure as a picture of pixels, two to each of SVG's.
func (f *Figure) PNG(w io.Writer) error {
	width, height := f.size()
	img := image.NewRGBA(image.Rect(0, 0, int(width*pngScale), int(height*pngScale)))
	draw.Draw(img, img.Bounds(), image.NewUniform(white), image.Point{}, draw.Src)
	f.draw(&pixels{img: img})
	return png.Encode(w, img)
}

type pixels struct {
	img   *image.RGBA
	faces faces
}

// shape is polygons that are filled together, all wound the same way, in pixels of the picture.
type shape [][][2]float64

// line strokes with round joins: every segment a rectangle, every corner a disc.
func (p *pixels) line(points [][2]float64, width float64, c color.NRGBA, dashed bool) {
	strokes := [][][2]float64{points}
	if dashed {
		strokes = dashes(points, dashOn*width, dashOff*width)
	}
	var s shape
	for _, piece := range strokes {
		for i := 1; i < len(piece); i++ {
			s.segment(piece[i-1], piece[i], width)
			if i > 1 && width > 1 {
				s.disc(piece[i-1][0], piece[i-1][1], width/2, 8)
			}
		}
	}
	p.fill(s, c)
}

func (p *pixels) dot(x, y, radius float64, c color.NRGBA) {
	var s shape
	s.disc(x, y, radius, 24)
	p.fill(s, c)
}

func (s *shape) segment(a, b [2]float64, width float64) {
	dx, dy := b[0]-a[0], b[1]-a[1]
	n := math.Hypot(dx, dy)
	if n == 0 {
		return
	}
	ox, oy := -dy/n*width/2, dx/n*width/2
	*s = append(*s, [][2]float64{{a[0] + ox, a[1] + oy}, {a[0] - ox, a[1] - oy}, {b[0] - ox, b[1] - oy}, {b[0] + ox, b[1] + oy}})
}

func (s *shape) disc(x, y, radius float64, corners int) {
	p := make([][2]float64, corners)
	for i := range p {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(corners))
		p[i] = [2]float64{x + radius*cos, y + radius*sin}
	}
	*s = append(*s, p)
}

// fill rasterises no more of the picture than the shape covers.
func (p *pixels) fill(s shape, c color.NRGBA) {
	low, high := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}
	for _, polygon := range s {
		for _, q := range polygon {
			for i := range q {
				low[i], high[i] = min(low[i], q[i]*pngScale), max(high[i], q[i]*pngScale)
			}
		}
	}
	if !(low[0] <= high[0]) {
		return
	}
	box := image.Rect(int(low[0])-1, int(low[1])-1, int(high[0])+2, int(high[1])+2).Intersect(p.img.Bounds())
	if box.Empty() {
		return
	}
	r := vector.NewRasterizer(box.Dx(), box.Dy())
	for _, polygon := range s {
		for i, q := range polygon {
			x, y := float32(q[0]*pngScale)-float32(box.Min.X), float32(q[1]*pngScale)-float32(box.Min.Y)
			if i == 0 {
				r.MoveTo(x, y)
			} else {
				r.LineTo(x, y)
			}
		}
		r.ClosePath()
	}
	r.Draw(p.img, box, image.NewUniform(c), image.Point{})
}

// dashes cuts a line into pieces, dashes going on over the corners.
func dashes(points [][2]float64, on, off float64) [][][2]float64 {
	var out [][][2]float64
	var piece [][2]float64
	drawing, left := true, on
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		length := math.Hypot(b[0]-a[0], b[1]-a[1])
		if drawing && len(piece) == 0 {
			piece = append(piece, a)
		}
		for done := 0.0; ; {
			if length-done < left {
				left -= length - done
				break
			}
			done += left
			at := [2]float64{a[0] + (b[0]-a[0])*done/length, a[1] + (b[1]-a[1])*done/length}
			if drawing {
				out = append(out, append(piece, at))
				piece, left = nil, off
			} else {
				piece, left = [][2]float64{at}, on
			}
			drawing = !drawing
		}
		if drawing {
			piece = append(piece, b)
		}
	}
	if len(piece) > 1 {
		out = append(out, piece)
	}
	return out
}

func (p *pixels) text(x, y float64, s string, size float64, c color.NRGBA, at anchor, bold bool) {
	width := p.measure(s, size, bold)
	switch at {
	case middle:
		x -= width / 2
	case right:
		x -= width
	}
	d := font.Drawer{Dst: p.img, Src: image.NewUniform(c), Face: p.faces.face(size*pngScale, bold),
		Dot: fixed.Point26_6{X: fixed.Int26_6(x * pngScale * 64), Y: fixed.Int26_6(y * pngScale * 64)}}
	d.DrawString(s)
}

func (p *pixels) measure(s string, size float64, bold bool) float64 {
	return p.faces.measure(s, size, bold)
}

// faces are the fonts in the sizes in use.
type faces struct {
	m map[faceKey]font.Face
}

type faceKey struct {
	size float64
	bold bool
}

func (f *faces) face(size float64, bold bool) font.Face {
	key := faceKey{size, bold}
	if face, ok := f.m[key]; ok {
		return face
	}
	ttf := goregular.TTF
	if bold {
		ttf = gobold.TTF
	}
	parsed, err := opentype.Parse(ttf)
	if err != nil {
		panic("plot: Go's own font: " + err.Error())
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		panic("plot: Go's own font: " + err.Error())
	}
	if f.m == nil {
		f.m = map[faceKey]font.Face{}
	}
	f.m[key] = face
	return face
}

// measure is a text's width in pixels of the layout.
func (f *faces) measure(s string, size float64, bold bool) float64 {
	return float64(font.MeasureString(f.face(size*pngScale, bold), s)) / 64 / pngScale
}
