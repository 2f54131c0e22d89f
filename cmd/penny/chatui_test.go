package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/pennyml/penny/chat"
)

// echo answers a question with a thought and the question itself; "wait" goes on until it is stopped, "fail" fails.
type echo struct {
	seen     [][]chat.Message
	settings []chatSettings
	started  chan struct{}
}

func (e *echo) Answer(ctx context.Context, messages []chat.Message, s chatSettings, emit func(chat.Kind, string)) (answerStats, error) {
	e.seen, e.settings = append(e.seen, messages), append(e.settings, s)
	question := messages[len(messages)-1].Content
	if question == "fail" {
		return answerStats{}, errors.New("context is full")
	}
	emit(chat.Reasoning, "I must ")
	emit(chat.Reasoning, "repeat.\x1b[31m")
	if question == "wait" {
		emit(chat.Answer, "partial")
		close(e.started)
		<-ctx.Done()
		return answerStats{}, ctx.Err()
	}
	emit(chat.Other, "tool")
	for _, w := range strings.SplitAfter("You said: "+question, " ") {
		emit(chat.Answer, w)
	}
	return answerStats{PromptTokens: 5, PrefilledTokens: 3, AnswerTokens: 4, Prefill: time.Second, Decode: 2 * time.Second, Used: 9, Context: 64, Finish: "stop"}, nil
}

func texts(messages []chat.Message) string {
	var b []string
	for _, m := range messages {
		b = append(b, m.Role+":"+m.Content)
	}
	return strings.Join(b, "|")
}

func TestPlainChat(t *testing.T) {
	e := &echo{}
	c := &conversation{answers: e, system: "be brief"}
	var out, notes bytes.Buffer
	in := "hello\ntwo \\\nlines\n\n/seed 7\n/temp 0.5\n/temp x\n/nosuch\n/etc/passwd\n/stats\nfail\n/clear\n/fold\nlast"
	never := func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }
	if err := plainChat(c, strings.NewReader(in), &out, &notes, never); err != nil {
		t.Fatal(err)
	}
	if want := "You said: hello\nYou said: two \nlines\nYou said: /etc/passwd\nYou said: last\n"; out.String() != want {
		t.Errorf("got %q", out.String())
	}
	for _, want := range []string{"I must repeat.[31m\n", "Seed 7.", "Temperature 0.5.", "/temp x: want", "no command /nosuch", "answer 4 tokens at 2.0/s; context 9 of 64",
		"context is full", "forgotten", "hidden"} {
		if !strings.Contains(notes.String(), want) {
			t.Errorf("notes lack %q:\n%s", want, &notes)
		}
	}
	if strings.ContainsRune(notes.String()+out.String(), 0x1b) {
		t.Error("an escape character got through")
	}
	if got := texts(e.seen[1]); got != "system:be brief|user:hello|assistant:You said: hello|user:two \nlines" {
		t.Errorf("second question: %s", got)
	}
	if got := texts(e.seen[4]); got != "system:be brief|user:last" {
		t.Errorf("after /clear: %s", got)
	}
	if got := e.settings[4]; got != (chatSettings{Temp: 0.5, Seed: 7}) {
		t.Errorf("settings %+v", got)
	}
	if got := c.turns[1].Reasoning; got != "I must repeat.\x1b[31m" {
		t.Errorf("reasoning %q", got)
	}
}

// TestPlainChatStops interrupts an answer: what came stays, and the chat goes on.
func TestPlainChatStops(t *testing.T) {
	e := &echo{started: make(chan struct{})}
	c := &conversation{answers: e}
	var out, notes bytes.Buffer
	interrupted := func() (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(context.Background())
		go func() { <-e.started; cancel() }()
		return ctx, cancel
	}
	if err := plainChat(c, strings.NewReader("wait\n/exit\nnot reached\n"), &out, &notes, interrupted); err != nil {
		t.Fatal(err)
	}
	if out.String() != "partial\n" || !strings.Contains(notes.String(), "[stopped]") || len(e.seen) != 1 || texts(c.turns) != "user:wait|assistant:partial" {
		t.Errorf("out %q, notes %q, turns %s", out.String(), notes.String(), texts(c.turns))
	}
}

func TestChatSave(t *testing.T) {
	c := &conversation{system: "s", turns: []chat.Message{{Role: "user", Content: "<é>"}, {Role: "assistant", Content: "a", Reasoning: "r1\nr2"}}}
	dir := t.TempDir()
	for name, want := range map[string]string{
		"c.jsonl": `{"messages":[{"role":"system","content":"s"},{"role":"user","content":"<é>"},{"role":"assistant","content":"a","reasoning_content":"r1\nr2"}]}` + "\n",
		"c.md":    "## System\n\ns\n\n## User\n\n<é>\n\n## Assistant\n\n> r1\n> r2\n\na\n\n",
	} {
		path := filepath.Join(dir, name)
		if _, err := c.command("/save " + path); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%v\n got %s\nwant %s", err, got, want)
		}
		if _, err := c.command("/save " + path); err == nil {
			t.Error("an existing file was overwritten")
		}
	}
}

func TestChatCommands(t *testing.T) {
	c := &conversation{}
	for _, step := range []struct{ line, want string }{
		{"/help", "/save FILE"}, {"/system", "No system"}, {"/system be kind", "set"}, {"/system", "be kind"}, {"/system -", "No system"},
		{"/stats", "No answer"}, {"/seed", "Seed 0"}, {"/seed -1", "want"}, {"/temp nan", "want"}, {"/save", "which file"}, {"/save /nonexistent/x", "no such"},
	} {
		shown, err := c.command(step.line)
		if got := fmt.Sprint(shown, err); !strings.Contains(got, step.want) {
			t.Errorf("%s: %s", step.line, got)
		}
	}
	for _, quit := range []string{"/exit", "/quit"} {
		if _, err := c.command(quit); !errors.Is(err, errQuit) {
			t.Errorf("%s: %v", quit, err)
		}
	}
}

func TestHistory(t *testing.T) {
	home := filepath.Join(t.TempDir(), "penny")
	h, err := openHistory(home)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []string{"one", "two\nlines", "two\nlines", "three"} {
		if err := h.add(e); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(h.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, "\"torn")
	f.Close()
	if h, err = openHistory(home); err != nil || !slices.Equal(h.entries, []string{"one", "two\nlines", "three"}) {
		t.Fatalf("%v %q", err, h.entries)
	}
	var got []string
	for _, back := range []bool{true, true, true, true, false, false, false, false} {
		entry, ok := h.forward, false
		var text string
		if back {
			text, ok = h.back("draft")
		} else {
			text, ok = entry()
		}
		got = append(got, fmt.Sprint(text, ok))
	}
	if want := []string{"threetrue", "two\nlinestrue", "onetrue", "false", "two\nlinestrue", "threetrue", "drafttrue", "false"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// screen drives a chatModel as a terminal would.
type screen struct {
	t    *testing.T
	m    *chatModel
	quit bool
}

func newScreen(t *testing.T, e *echo) *screen {
	s := &screen{t: t, m: newChatModel(&conversation{answers: e, name: "tiny"}, &history{})}
	s.send(tea.WindowSizeMsg{Width: 60, Height: 16})
	return s
}

func (s *screen) send(msg tea.Msg) {
	s.t.Helper()
	_, cmd := s.m.Update(msg)
	s.follow(cmd)
}

// follow runs commands until nothing is under way, ticks included.
func (s *screen) follow(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.QuitMsg:
		s.quit = true
	case tea.BatchMsg:
		for _, c := range msg {
			s.follow(c)
		}
	case tickMsg:
		if s.m.answering != nil {
			select {
			case <-s.m.answering.done:
				_, _ = s.m.Update(msg)
			default:
				s.send(msg)
			}
		}
	default:
		s.send(msg)
	}
}

func (s *screen) typed(text string) {
	for _, r := range text {
		s.send(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
}

func (s *screen) key(code rune, mod tea.KeyMod) { s.send(tea.KeyPressMsg{Code: code, Mod: mod}) }
func (s *screen) text() string                  { return ansi.Strip(s.m.View().Content) }

func (s *screen) expect(want ...string) {
	s.t.Helper()
	for _, w := range want {
		if !strings.Contains(s.text(), w) {
			s.t.Errorf("the screen lacks %q:\n%s", w, s.text())
		}
	}
}

func TestTerminalChat(t *testing.T) {
	e := &echo{started: make(chan struct{})}
	s := newScreen(t, e)
	s.expect("Ask something", "tiny")
	s.typed("hello")
	s.key(tea.KeyEnter, 0)
	s.expect("> hello", "│ I must repeat.[31m", "You said: hello", "2.0 tokens/s", "context 9 of 64")
	s.key('o', tea.ModCtrl)
	if s.expect("▸ thought, 3 words"); strings.Contains(s.text(), "I must") {
		t.Errorf("thoughts are not folded:\n%s", s.text())
	}
	s.key('o', tea.ModCtrl)
	s.expect("I must repeat.")

	s.typed(`two\`)
	s.key(tea.KeyEnter, 0)
	s.typed("lines")
	s.key(tea.KeyEnter, tea.ModAlt)
	s.send(tea.PasteMsg{Content: "pasted\ntext"})
	s.key(tea.KeyEnter, 0)
	if got := e.seen[1][2].Content; got != "two\nlines\npasted\ntext" {
		t.Errorf("question %q", got)
	}
	s.key(tea.KeyUp, 0)
	if got := s.m.input.Value(); got != "two\nlines\npasted\ntext" {
		t.Errorf("history gave %q", got)
	}
	s.key('c', tea.ModCtrl)
	if s.m.input.Value() != "" || s.quit {
		t.Error("Ctrl-C did not empty the input")
	}
	s.typed("/nosuch")
	s.key(tea.KeyEnter, 0)
	s.expect("no command /nosuch")
	s.typed("/clear")
	s.key(tea.KeyEnter, 0)
	s.expect("forgotten")
	if strings.Contains(s.text(), "hello") {
		t.Errorf("the screen was not cleared:\n%s", s.text())
	}
	s.typed("fail")
	s.key(tea.KeyEnter, 0)
	s.expect("context is full")
	s.key('c', tea.ModCtrl)
	s.expect("Ctrl-C again to leave")
	s.typed("x")
	s.key('c', tea.ModCtrl)
	s.key('c', tea.ModCtrl)
	if s.quit {
		t.Error("left although a key came between")
	}
	s.key('c', tea.ModCtrl)
	if !s.quit {
		t.Error("two Ctrl-C did not leave")
	}
}

// TestTerminalChatStops presses Ctrl-C while an answer comes.
func TestTerminalChatStops(t *testing.T) {
	e := &echo{started: make(chan struct{})}
	s := newScreen(t, e)
	s.m.input.SetValue("wait")
	_, cmd := s.m.Update(tea.KeyPressMsg{Code: tea.KeyEnter})
	<-e.started
	s.m.Update(tickMsg{s.m.answering})
	s.expect("partial", "answering")
	s.typed("next")
	s.key(tea.KeyEnter, 0)
	s.expect("under way")
	s.key('c', tea.ModCtrl)
	s.follow(cmd)
	s.expect("[stopped]", "partial", "> next")
	if s.m.answering != nil || s.quit || texts(s.m.c.turns) != "user:wait|assistant:partial" {
		t.Errorf("answering %v, quit %v, turns %s", s.m.answering, s.quit, texts(s.m.c.turns))
	}
}

// TestTranscript checks that text wrapped as it grows looks like text wrapped at once, at several widths, and that the window scrolls.
func TestTranscript(t *testing.T) {
	text := strings.Repeat("The quick brown fox — 狐狸 🦊 — jumps over the lazy dog.\n\nAnd again, without an end in sight. ", 20)
	grown, whole := &transcript{}, &transcript{}
	for _, r := range text {
		grown.grow(answerBlock, string(r))
		grown.window(20, 5, false)
	}
	grown.finish()
	whole.add(answerBlock, text)
	for _, width := range []int{20, 7, 80} {
		a, b := grown.window(width, 1000, false), whole.window(width, 1000, false)
		if !slices.Equal(a, b) {
			t.Errorf("width %d: grown text is wrapped otherwise:\n%q\n%q", width, a, b)
		}
		for _, l := range a {
			if ansi.StringWidth(l) > width {
				t.Errorf("width %d: line %q", width, l)
			}
		}
	}
	all := whole.window(40, 1000, false)
	whole.up = 3
	if got := whole.window(40, 5, false); !slices.Equal(got, all[len(all)-8:len(all)-3]) {
		t.Errorf("scrolled window %q", got)
	}
	whole.up = 1 << 20
	if got := whole.window(40, 5, false); !slices.Equal(got, all[:5]) {
		t.Errorf("window at the top %q", got)
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2J\r\x07\tb\n\u202ec\u009b1m é🙂"); got != "a[2J    b\nc1m é🙂" {
		t.Errorf("got %q", got)
	}
}
