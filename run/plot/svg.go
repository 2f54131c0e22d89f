package plot

import (
	"bufio"
	"fmt"
	"image/color"
	"io"
	"strings"
)

// SVG writes the figure as a picture of lines and text, which scales.
func (f *Figure) SVG(w io.Writer) error {
	width, height := f.size()
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" viewBox="0 0 %g %g" font-family="Helvetica, Arial, sans-serif">`+"\n", width, height, width, height)
	fmt.Fprintf(b, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	f.draw(&svg{w: b})
	fmt.Fprintln(b, "</svg>")
	return b.Flush()
}

type svg struct {
	w     *bufio.Writer
	faces faces
}

func (s *svg) line(points [][2]float64, width float64, c color.NRGBA, dashed bool) {
	if len(points) < 2 {
		return
	}
	fmt.Fprintf(s.w, `<polyline fill="none" stroke="%s"%s stroke-width="%g" stroke-linejoin="round"`, hex(c), opacity(c), width)
	if dashed {
		fmt.Fprintf(s.w, ` stroke-dasharray="%g %g"`, dashOn*width, dashOff*width)
	}
	s.w.WriteString(` points="`)
	for i, p := range points {
		if i > 0 {
			s.w.WriteByte(' ')
		}
		fmt.Fprintf(s.w, "%.4g,%.4g", p[0], p[1])
	}
	s.w.WriteString("\"/>\n")
}

func (s *svg) dot(x, y, radius float64, c color.NRGBA) {
	fmt.Fprintf(s.w, `<circle cx="%.4g" cy="%.4g" r="%g" fill="%s"%s/>`+"\n", x, y, radius, hex(c), opacity(c))
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func (s *svg) text(x, y float64, text string, size float64, c color.NRGBA, at anchor, bold bool) {
	weight := ""
	if bold {
		weight = ` font-weight="bold"`
	}
	fmt.Fprintf(s.w, `<text x="%.4g" y="%.4g" font-size="%g" fill="%s" text-anchor="%s"%s>%s</text>`+"\n", x, y, size, hex(c), [...]string{"start", "middle", "end"}[at], weight,
		escape.Replace(strings.ToValidUTF8(text, "\ufffd")))
}

func (s *svg) measure(text string, size float64, bold bool) float64 {
	return s.faces.measure(text, size, bold)
}

func hex(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

func opacity(c color.NRGBA) string {
	if c.A == 255 {
		return ""
	}
	return fmt.Sprintf(` stroke-opacity="%.2f"`, float64(c.A)/255)
}
