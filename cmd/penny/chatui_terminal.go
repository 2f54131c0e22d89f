package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/textarea"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/pennyml/penny/chat"
)

// terminalChat runs the full-screen chat, and leaves the transcript on the terminal.
func terminalChat(c *conversation, h *history) error {
	m := newChatModel(c, h)
	_, err := tea.NewProgram(m).Run()
	m.stop()
	if err != nil && !errors.Is(err, tea.ErrInterrupted) {
		return err
	}
	_, err = lipgloss.Fprint(os.Stdout, m.transcript.plain(max(m.width, 20), c.folded))
	return err
}

// chatModel is the full-screen chat: transcript above, a status line, the input below.
type chatModel struct {
	c          *conversation
	history    *history
	input      textarea.Model
	transcript transcript
	width      int
	height     int
	hint       string // on the status line, until the next key
	answering  *answering
	leaving    bool // Ctrl-C was pressed at an empty input
}

// answering is an answer under way, in a goroutine of its own.
type answering struct {
	cancel  context.CancelFunc
	started time.Time
	done    chan struct{} // closed when the goroutine has ended
	reply   *reply        // then

	mu     sync.Mutex
	pieces []piece
}

type piece struct {
	kind chat.Kind
	text string
}

// tickMsg asks to show what has come; answeredMsg says that an answer has ended.
type (
	tickMsg     struct{ of *answering }
	answeredMsg struct{ reply *reply }
)

const frame = time.Second / 30

func newChatModel(c *conversation, h *history) *chatModel {
	in := textarea.New()
	in.Prompt = "> "
	in.Placeholder = "Ask something; /help lists the commands"
	in.ShowLineNumbers = false
	in.DynamicHeight, in.MinHeight, in.MaxHeight, in.MaxContentHeight = true, 1, 10, 100_000
	in.CharLimit = 0
	in.SetVirtualCursor(false)
	styles := in.Styles()
	styles.Focused.CursorLine = lipgloss.NewStyle()
	styles.Focused.Prompt = questionStyle
	styles.Focused.Placeholder = dimStyle
	in.SetStyles(styles)
	in.KeyMap.InsertNewline = key.NewBinding(key.WithKeys("alt+enter", "shift+enter", "ctrl+j"))
	in.SetHeight(1)
	in.Focus()
	return &chatModel{c: c, history: h, input: in, width: 80, height: 24}
}

func (m *chatModel) Init() tea.Cmd { return nil }

func (m *chatModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = max(msg.Width, 10), max(msg.Height, 4)
		m.input.MaxHeight = max(1, m.height/3)
		m.input.SetWidth(m.width)
		return m, nil
	case tea.KeyPressMsg:
		return m.press(msg)
	case tea.MouseWheelMsg:
		if msg.Mouse().Button == tea.MouseWheelUp {
			m.transcript.up += 3
		} else {
			m.transcript.up = max(m.transcript.up-3, 0)
		}
		return m, nil
	case tickMsg:
		if msg.of != m.answering {
			return m, nil
		}
		m.drain()
		return m, msg.of.tick()
	case answeredMsg:
		return m, m.conclude(msg.reply)
	}
	var cmd tea.Cmd
	m.input, cmd = m.input.Update(msg)
	return m, cmd
}

// press handles a key.
func (m *chatModel) press(msg tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	m.hint = ""
	wasLeaving := m.leaving
	m.leaving = false
	switch name := msg.String(); name {
	case "ctrl+c":
		return m, m.interrupt(wasLeaving)
	case "esc":
		if m.answering != nil {
			m.answering.cancel()
		}
		return m, nil
	case "ctrl+d":
		if m.input.Value() == "" && m.answering == nil {
			return m, tea.Quit
		}
	case "ctrl+o":
		m.c.folded = !m.c.folded
		return m, nil
	case "pgup":
		m.transcript.up += m.height / 2
		return m, nil
	case "pgdown":
		m.transcript.up = max(m.transcript.up-m.height/2, 0)
		return m, nil
	case "enter":
		return m, m.enter()
	case "up", "down":
		if m.leaf(name == "up") {
			return m, nil
		}
	}
	var cmd tea.Cmd
	m.input, cmd = m.input.Update(msg)
	return m, cmd
}

// interrupt is Ctrl-C: it ends the answer, else empties the input, else leaves when pressed twice.
func (m *chatModel) interrupt(again bool) tea.Cmd {
	switch {
	case m.answering != nil:
		m.answering.cancel()
		m.hint = "stopping"
	case m.input.Value() != "":
		m.input.Reset()
	case again:
		return tea.Quit
	default:
		m.leaving = true
		m.hint = "Ctrl-C again to leave"
	}
	return nil
}

// enter takes the input: a line that goes on, a command, or a question.
func (m *chatModel) enter() tea.Cmd {
	text := m.input.Value()
	if joined, more := continued(text); more {
		m.input.SetValue(joined)
		return nil
	}
	if strings.TrimSpace(text) == "" {
		return nil
	}
	if m.answering != nil {
		m.hint = "an answer is under way; Ctrl-C stops it"
		return nil
	}
	m.input.Reset()
	m.transcript.up = 0
	if err := m.history.add(text); err != nil {
		m.hint = "history: " + err.Error()
	}
	if isCommand(text) {
		return m.command(text)
	}
	m.transcript.add(questionBlock, text)
	return m.ask(text)
}

func (m *chatModel) command(line string) tea.Cmd {
	shown, err := m.c.command(line)
	switch {
	case errors.Is(err, errQuit):
		return tea.Quit
	case err != nil:
		m.transcript.add(errorBlock, err.Error())
		return nil
	case strings.HasPrefix(line, "/clear"):
		m.transcript = transcript{}
	}
	m.transcript.add(noteBlock, shown)
	return nil
}

// ask starts an answer.
func (m *chatModel) ask(question string) tea.Cmd {
	ctx, cancel := context.WithCancel(context.Background())
	a := &answering{cancel: cancel, started: time.Now(), done: make(chan struct{})}
	m.answering = a
	answers, messages, settings := m.c.answers, m.c.messages(question), m.c.settings
	go func() {
		defer close(a.done)
		defer cancel()
		a.reply = ask(ctx, answers, messages, settings, a.emit)
	}()
	return tea.Batch(a.tick(), func() tea.Msg {
		<-a.done
		return answeredMsg{a.reply}
	})
}

func (a *answering) emit(kind chat.Kind, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pieces = append(a.pieces, piece{kind, text})
}

func (a *answering) tick() tea.Cmd {
	return tea.Tick(frame, func(time.Time) tea.Msg { return tickMsg{a} })
}

// drain shows what has come since the last frame.
func (m *chatModel) drain() {
	m.answering.mu.Lock()
	pieces := m.answering.pieces
	m.answering.pieces = nil
	m.answering.mu.Unlock()
	for _, p := range pieces {
		switch p.kind {
		case chat.Reasoning:
			m.transcript.grow(thoughtBlock, p.text)
		case chat.Answer:
			m.transcript.grow(answerBlock, p.text)
		}
	}
}

// conclude ends an answer.
func (m *chatModel) conclude(r *reply) tea.Cmd {
	m.drain()
	m.answering, m.hint = nil, ""
	m.transcript.finish()
	stopped := errors.Is(r.err, context.Canceled)
	if err := m.c.conclude(r); err != nil {
		m.transcript.add(errorBlock, err.Error())
	} else if stopped {
		m.transcript.add(noteBlock, "[stopped]")
	}
	return nil
}

// stop ends an answer under way and waits until its goroutine has left the engine.
func (m *chatModel) stop() {
	if m.answering != nil {
		m.answering.cancel()
		<-m.answering.done
	}
}

// leaf shows older or newer input when the cursor stands on the first or last line.
func (m *chatModel) leaf(back bool) bool {
	entry, ok := "", false
	if back && m.input.Line() == 0 && m.input.LineInfo().RowOffset == 0 {
		entry, ok = m.history.back(m.input.Value())
	} else if !back && m.input.Line() == m.input.LineCount()-1 && m.input.LineInfo().RowOffset+1 >= m.input.LineInfo().Height {
		entry, ok = m.history.forward()
	}
	if ok {
		m.input.SetValue(entry)
	}
	return ok
}

func (m *chatModel) View() tea.View {
	input := m.input.View()
	room := max(m.height-m.input.Height()-1, 1)
	lines := m.transcript.window(m.width, room, m.c.folded)
	for len(lines) < room {
		lines = append(lines, "")
	}
	v := tea.NewView(strings.Join(lines, "\n") + "\n" + m.status() + "\n" + input)
	v.AltScreen = true
	v.MouseMode = tea.MouseModeCellMotion
	v.WindowTitle = "penny chat " + printable(m.c.name)
	if cursor := m.input.Cursor(); cursor != nil {
		cursor.Y += room + 1
		v.Cursor = cursor
	}
	return v
}

// status is the line between transcript and input.
func (m *chatModel) status() string {
	text := printable(m.c.name)
	switch {
	case m.hint != "":
		text += " · " + m.hint
	case m.answering != nil:
		text += fmt.Sprintf(" · answering, %.0f s (Ctrl-C stops)", time.Since(m.answering.started).Seconds())
	case m.c.answered > 0:
		text += fmt.Sprintf(" · %.1f tokens/s", rate(m.c.last.AnswerTokens, m.c.last.Decode.Seconds()))
		if m.c.last.Context > 0 {
			text += fmt.Sprintf(" · context %d of %d", m.c.last.Used, m.c.last.Context)
		}
	}
	if m.transcript.up > 0 {
		text += fmt.Sprintf(" · %d lines below", m.transcript.up)
	}
	return dimStyle.Render(ansi.Truncate(text, m.width, "…"))
}
