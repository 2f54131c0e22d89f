package plot

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/pennyml/penny/run"
)

func names(ticks []tick) string {
	var out []string
	for _, t := range ticks {
		out = append(out, t.name)
	}
	return strings.Join(out, " ")
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		axis
		n    int
		want string
	}{
		{axis{0, 10, false}, 5, "0 2 4 6 8 10"}, {axis{1.31, 4.4, false}, 6, "2 3 4"}, {axis{0, 0.0031, false}, 4, "0 0.001 0.002 0.003"},
		{axis{0, 1.9e-4, false}, 4, "0 5e-5 1e-4 1.5e-4"}, {axis{0, 2e13, false}, 4, "0 5T 10T 15T 20T"}, {axis{0, 2000, false}, 4, "0 500 1000 1500 2000"},
		{axis{0, 25000, false}, 5, "0 5000 10k 15k 20k 25k"}, {axis{-1, 1, false}, 4, "-1.0 -0.5 0 0.5 1.0"}, {axis{0, 6, true}, 3, "1 100 10k 1M"}, {axis{-5, -3, true}, 4, "1e-5 2e-5 5e-5 1e-4 2e-4 5e-4 0.001"},
		{axis{0, 0.3, true}, 3, "1.0 1.5"},
	} {
		if got := names(c.ticks(c.n)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.axis, got, c.want)
		}
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1.2345: "1.23", 999.9: "1k", 1234: "1.23k", 4.56e13: "45.6T", -2e6: "-2M", 0.000123: "0.000123", 1.5e-7: "1.5e-7", math.Inf(1): "+Inf"} {
		if got := Short(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	if got := Unit(4.56e13, "FLOP"); got != "45.6 TFLOP" {
		t.Error(got)
	}
}

// Whatever the values, axes are finite and what can be drawn is drawn within them.
func TestAxis(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Series{Name: "s", X: rapid.SliceOfN(rapid.Float64(), 0, 50).Draw(t, "x"), Y: rapid.SliceOfN(rapid.Float64(), 0, 50).Draw(t, "y")}
		f := &Figure{Panels: []Panel{{Title: "y", Series: []Series{s}, Log: rapid.Bool().Draw(t, "log")}}, LogX: rapid.Bool().Draw(t, "logx")}
		if strings.Contains(fmt.Sprint(s), "e+3") {
			return // ranges beyond a double's
		}
		for _, p := range s.points(f.axisX(), f.Panels[0].axisY(), 5) {
			if !(p[0] >= -1e-6 && p[0] <= 1+1e-6 && p[1] >= -1e-6 && p[1] <= 1+1e-6) {
				t.Fatalf("%v is outside", p)
			}
		}
		_ = f.Terminal(40, 10, nil)
		if err := f.SVG(io.Discard); err != nil {
			t.Fatal(err)
		}
	})
}

// Thinning keeps what stands out.
func TestThin(t *testing.T) {
	s := Series{}
	for i := range 100_000 {
		y := math.Sin(float64(i) / 1e4)
		switch i {
		case 33_333:
			y = 50
		case 77_777:
			y = -50
		}
		s.X, s.Y = append(s.X, float64(i)), append(s.Y, y)
	}
	p := Panel{Series: []Series{s}}
	f := &Figure{Panels: []Panel{p}}
	points := s.points(f.axisX(), p.axisY(), 300)
	low, high := 1.0, 0.0
	for i, q := range points {
		low, high = min(low, q[1]), max(high, q[1])
		if i > 0 && q[0] <= points[i-1][0] {
			t.Fatal("out of order")
		}
	}
	if len(points) > 1300 || low > 0.05 || high < 0.95 {
		t.Errorf("%d points from %v to %v", len(points), low, high)
	}
}

func diagonal() *Figure {
	return &Figure{Title: "runs & <more>", X: "step", Panels: []Panel{{Title: "loss", Series: []Series{
		{Name: "up", X: []float64{0, 50, 100}, Y: []float64{0, math.NaN(), 100}},
		{Name: "down", X: []float64{0, 100}, Y: []float64{100, 0}, Colour: 1, Dashed: true, Marked: true}}}}}
}

func TestSVG(t *testing.T) {
	var b bytes.Buffer
	if err := diagonal().Write(&b, "x.SVG"); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	var text strings.Builder
	for d := xml.NewDecoder(&b); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			count[e.Name.Local]++
			for _, a := range e.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("%s %s", a.Name.Local, a.Value)
				}
			}
		case xml.CharData:
			text.Write(e)
		}
	}
	for _, want := range []string{"runs & <more>", "loss", "up", "down", "step", "100"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not written", want)
		}
	}
	if count["circle"] != 3 { // two points, one in the legend
		t.Errorf("%v", count)
	}
}

// drawn is a canvas that remembers curves.
type drawn struct {
	svg
	curves map[color.NRGBA][][2]float64
}

func (d *drawn) line(points [][2]float64, width float64, c color.NRGBA, _ bool) {
	if width < 2 && c != grid && c != edge {
		d.curves[c] = points
	}
}

// Along each curve the picture has the curve's colour; of a dashed one, in parts.
func TestPNG(t *testing.T) {
	var b bytes.Buffer
	if err := diagonal().Write(&b, "x.png"); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	d := &drawn{svg{w: bufio.NewWriter(io.Discard)}, map[color.NRGBA][][2]float64{}}
	diagonal().draw(d)
	if len(d.curves) != 2 {
		t.Fatalf("%d curves", len(d.curves))
	}
	share := func(c color.NRGBA) float64 {
		p, hits := d.curves[c], 0
		for k := range 200 {
			at := func(i int) int { return int((p[0][i] + (p[1][i]-p[0][i])*(float64(k)+0.5)/200) * pngScale) }
			r, g, b, _ := img.At(at(0), at(1)).RGBA()
			if abs(int(r>>8)-int(c.R)) < 80 && abs(int(g>>8)-int(c.G)) < 80 && abs(int(b>>8)-int(c.B)) < 80 {
				hits++
			}
		}
		return float64(hits) / 200
	}
	if up, down := share(palette[0]), share(palette[1]); up < 0.95 || down < 0.4 || down > 0.85 {
		t.Errorf("%v of the solid line and %v of the dashed one are drawn", up, down)
	}
	if r, g, b, _ := img.At(0, 0).RGBA(); r != 0xffff || g != 0xffff || b != 0xffff {
		t.Error("the background is not white")
	}
	if err := diagonal().Write(&b, "x.gif"); err == nil {
		t.Error("drew a gif")
	}
}

func TestTerminal(t *testing.T) {
	f := diagonal()
	f.Panels[0].Series = f.Panels[0].Series[:1]
	want := strings.Join([]string{"loss  ━ up", "100┤               ⢀⡠⠔", "   │           ⢀⡠⠔⠊⠁", "   │       ⢀⡠⠔⠊⠁", "   │   ⢀⡠⠔⠊⠁", "  0┤⡠⠔⠊⠁",
		"   └┬────────────────┬", "    0              100", ""}, "\n")
	if got := f.Terminal(22, 8, nil); got != want {
		t.Errorf("\n%s", got)
	}
	got := f.Terminal(22, 8, func(c int, s string) string { return fmt.Sprintf("<%d:%s>", c, s) })
	if !strings.Contains(got, "<0:━ up>") || !strings.Contains(got, "<-1:loss>") {
		t.Errorf("\n%s", got)
	}
	for width := 1; width < 100; width += 7 {
		for height := 1; height < 30; height += 4 {
			for _, line := range strings.Split(diagonal().Terminal(width, height, nil), "\n") {
				if n := utf8.RuneCountInString(line); n > max(width, 8) {
					t.Errorf("%d columns of %d: %q", n, width, line)
				}
			}
		}
	}
	// The curve rises: its dots in the first column are in the last line, and the other way round.
	rows := strings.Split(f.Terminal(44, 13, nil), "\n")
	first, last := []rune(rows[1]), []rune(rows[len(rows)-4])
	if first[len(first)-1] < 0x2800 || last[4] < 0x2800 || len(last) > 12 {
		t.Errorf("\n%s", strings.Join(rows, "\n"))
	}
}

func TestCompare(t *testing.T) {
	var a, b []run.Point
	for i := 1; i <= 100; i++ {
		p := run.Point{"step": float64(i), "loss": 10 / float64(i), "seconds": float64(i) * 10}
		if i%20 == 0 {
			p["val_loss"] = 11 / float64(i)
		}
		a, b = append(a, p), append(b, run.Point{"step": float64(i), "loss": float64(i % 2), "seconds": float64(i)})
	}
	one, err := Compare([]Run{{"a", a}}, Selection{X: "seconds", Panels: [][]string{{"loss", "val_loss"}}})
	if err != nil {
		t.Fatal(err)
	}
	s := one.Panels[0].Series
	if one.X != "minutes" || len(s) != 2 || s[0].Name != "loss" || s[1].Name != "val_loss" || s[0].Colour == s[1].Colour || !s[1].Marked || s[0].Marked || s[0].X[99] != 1000.0/60 {
		t.Errorf("%+v", one)
	}
	two, err := Compare([]Run{{"a", a}, {"b", b}}, Selection{X: "step", Panels: [][]string{{"loss"}, {"val_loss"}}, Smooth: 0.9})
	if err != nil {
		t.Fatal(err)
	}
	s = two.Panels[0].Series
	if len(s) != 4 || s[1].Name != "a" || s[3].Name != "b" || !s[2].Faint || s[2].Colour != s[3].Colour || s[1].Colour == s[3].Colour || len(two.Panels[1].Series) != 1 {
		t.Errorf("%+v", s)
	}
	// Debiased: the first is itself, the average of 0 and 1 goes to a half.
	if v := s[3].Y; v[0] != 1 || math.Abs(v[99]-0.5) > 0.05 || s[2].Y[99] != 0 {
		t.Errorf("%v", v)
	}
	for _, bad := range []Selection{{X: "step", Panels: [][]string{{"fun"}}}, {X: "fun", Panels: [][]string{{"loss"}}}, {X: "step"}, {X: "step", Panels: [][]string{{"loss"}}, Smooth: 1}} {
		if _, err := Compare([]Run{{"a", a}}, bad); err == nil {
			t.Errorf("%+v was drawn", bad)
		}
	}
	if _, err := Compare([]Run{{"a", a}}, Selection{X: "step", Panels: [][]string{{"fun"}}}); !strings.Contains(err.Error(), "loss, seconds, step, val_loss") {
		t.Error(err)
	}
}
