package view

import (
	"fmt"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/run"
	"github.com/pennyml/penny/run/plot"
)

// screen redraws a board at the bottom of the terminal, and leaves its last state there. It reads no keys: Ctrl-C stays a signal, and a terminal is
// not left in a strange mode by a program that dies.
type screen struct {
	out     *os.File
	o       Options
	board   *board
	program *tea.Program
	done    chan struct{}
}

func (s *screen) Begin(i run.Info, p run.Progress) {
	s.board.begin(i, p)
	s.program = tea.NewProgram(model{board: s.board, width: 80, height: 24}, tea.WithOutput(s.out), tea.WithInput(nil), tea.WithoutSignalHandler(), tea.WithFPS(10))
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		_, _ = s.program.Run() // a terminal that went away is no reason to stop the run
	}()
}

func (s *screen) Row(r run.Row, p run.Progress) { s.board.row(r, p) }

func (s *screen) Tick(p run.Progress) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	s.board.progress = p
}

func (s *screen) Sample(sample run.Sample) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	s.board.sample = sample
}

// Event prints a line that stays, above what is redrawn.
func (s *screen) Event(name, text string) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	s.board.events = append(s.board.events, dim.Render(name+": ")+printable(text))
}

func (s *screen) End(r *ledger.Receipt) {
	if s.program == nil {
		return
	}
	s.board.mu.Lock()
	s.board.ended = true
	s.board.mu.Unlock()
	s.program.Send(frameMsg{}) // returns at once where the program has ended
	select {
	case <-s.done:
	case <-time.After(2 * time.Second):
		s.program.Kill()
	}
	fmt.Fprintln(s.out, closing(s.board.info.Dir, r))
}

// frameMsg asks for the next frame.
type frameMsg struct{}

const frame = time.Second / 4

func nextFrame() tea.Cmd { return tea.Tick(frame, func(time.Time) tea.Msg { return frameMsg{} }) }

// model is the board on a terminal of some size.
type model struct {
	board         *board
	width, height int
}

func (m model) Init() tea.Cmd { return nextFrame() }

func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case frameMsg:
		return m, m.board.next()
	}
	return m, nil
}

// next is what a frame brings besides itself: the events since the last one, and the end.
func (b *board) next() tea.Cmd {
	b.mu.Lock()
	defer b.mu.Unlock()
	var cmds []tea.Cmd
	for _, e := range b.events {
		cmds = append(cmds, tea.Println(e))
	}
	b.events = nil
	if b.ended {
		return tea.Sequence(append(cmds, tea.Quit)...)
	}
	return tea.Sequence(append(cmds, nextFrame())...)
}

func (m model) View() tea.View {
	m.board.mu.Lock()
	defer m.board.mu.Unlock()
	return tea.NewView(strings.Join(m.board.lines(m.width, m.height), "\n"))
}

var (
	dim    = lipgloss.NewStyle().Faint(true)
	strong = lipgloss.NewStyle().Bold(true)
	bar    = lipgloss.NewStyle().Foreground(lipgloss.Color("#009e73"))
)

func paint(colour int, text string) string {
	if colour < 0 {
		return dim.Render(text)
	}
	return lipgloss.NewStyle().Foreground(plot.Colour(colour)).Render(text)
}

// lines are what fits on a terminal of that size; the last line stays free, so that nothing scrolls.
func (b *board) lines(width, height int) []string {
	width, height = max(width, 1), max(height-1, 1)
	head := b.head(width)
	sample := b.sampleLines(width, min(6, (height-len(head))/3))
	room := height - len(head) - len(sample)
	var chart []string
	if room >= 6 && width >= 24 {
		chart = b.charts(width, min(room, 14))
	}
	all := append(append(head, chart...), sample...)
	for i, l := range all {
		all[i] = ansi.Truncate(l, width, "…")
	}
	all = all[:min(len(all), height)]
	if b.ended {
		all = append(all, "") // what is printed next begins on the last line
	}
	return all
}

// head is what is always shown: name, bar, numbers, speed and cost. What does not fit on a line goes on the next.
func (b *board) head(width int) []string {
	p := b.progress
	name := strong.Render(b.info.Run)
	for _, s := range []string{b.o.Title, p.Stage} {
		if s != "" {
			name += dim.Render(" · ") + printable(s)
		}
	}
	lines := []string{name, progressBar(p, width)}
	lines = append(lines, wrap(numbers(b.o.Charts, b.values), width)...)
	return append(lines, wrap(append(speed(p.Cost), cost(p.Cost)...), width)...)
}

// wrap joins parts, as many on a line as fit.
func wrap(parts []string, width int) []string {
	var lines []string
	line := ""
	for _, p := range parts {
		switch {
		case line == "":
			line = p
		case ansi.StringWidth(line)+3+ansi.StringWidth(p) <= width:
			line += dim.Render(" · ") + p
		default:
			lines = append(lines, line)
			line = p
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// progressBar is a bar and what it means; without a budget, only where the run is.
func progressBar(p run.Progress, width int) string {
	text := of(p)
	if p.Remaining >= 0 && p.Fraction < 1 {
		text += " · " + duration(p.Remaining) + " left"
	}
	room := min(width-ansi.StringWidth(text)-1, 40)
	if p.Fraction <= 0 || room < 4 {
		return text
	}
	full := int(min(p.Fraction, 1) * float64(room))
	return bar.Render(strings.Repeat("█", full)) + dim.Render(strings.Repeat("░", room-full)) + " " + text
}

// charts stand side by side where there is room, else the first alone.
func (b *board) charts(width, height int) []string {
	var drawn [][]string
	var figures []*plot.Figure
	for _, names := range b.o.Charts {
		if f := b.figure(names); f != nil {
			figures = append(figures, f)
		}
	}
	if len(figures) == 0 {
		return nil
	}
	n := max(1, min(len(figures), width/48))
	each := (width - 3*(n-1)) / n
	for _, f := range figures[:n] {
		drawn = append(drawn, strings.Split(strings.TrimRight(f.Terminal(each, height, paint), "\n"), "\n"))
	}
	var lines []string
	for i := range drawn[0] {
		var parts []string
		for j, d := range drawn {
			text := ""
			if i < len(d) {
				text = d[i]
			}
			if j < len(drawn)-1 {
				text += strings.Repeat(" ", max(0, each-ansi.StringWidth(text)))
			}
			parts = append(parts, text)
		}
		lines = append(lines, strings.Join(parts, "   "))
	}
	return lines
}

// figure is one chart, nil before there is something to draw.
func (b *board) figure(names []string) *plot.Figure {
	f := &plot.Figure{X: "step", Panels: []plot.Panel{{Title: names[0]}}}
	points := 0
	for i, name := range names {
		if c := b.curves[name]; c != nil {
			points = max(points, len(c.x))
			f.Panels[0].Series = append(f.Panels[0].Series, plot.Series{Name: name, X: c.x, Y: c.y, Colour: i, Marked: i > 0 && len(c.x) < 40})
		}
	}
	if points < 2 {
		return nil
	}
	return f
}

// sampleLines is the pane with the live sample.
func (b *board) sampleLines(width, height int) []string {
	if b.sample.Text == "" && b.sample.Prompt == "" || height < 2 {
		return nil
	}
	title := b.sample.Title
	if title == "" {
		title = "sample"
	}
	title = fmt.Sprintf("── %s, step %s ", printable(title), count(b.sample.Step))
	if b.sample.Verdict != "" {
		title += "── " + strings.ReplaceAll(printable(b.sample.Verdict), "\n", " ") + " "
	}
	lines := []string{dim.Render(title + strings.Repeat("─", max(0, min(width, 100)-ansi.StringWidth(title))))}
	prompt := printable(b.sample.Prompt)
	text := ansi.Hardwrap(dim.Render(prompt)+printable(b.sample.Text), width, true)
	body := strings.Split(text, "\n")
	if len(body) > height-1 { // the end is what is new
		body = body[len(body)-height+1:]
	}
	return append(lines, body...)
}
