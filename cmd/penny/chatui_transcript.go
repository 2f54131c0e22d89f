package main

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// blockKind is what a stretch of the transcript is.
type blockKind int

const (
	questionBlock blockKind = iota
	thoughtBlock
	answerBlock
	noteBlock
	errorBlock
)

var (
	dimStyle      = lipgloss.NewStyle().Faint(true)
	questionStyle = lipgloss.NewStyle().Bold(true)
	errorStyle    = lipgloss.NewStyle().Foreground(lipgloss.Red)
)

// block is a stretch of the transcript. Text that grows is wrapped piece by piece: only the last line is ever wrapped again.
type block struct {
	kind  blockKind
	text  string   // as it came, control characters removed
	width int      // for which lines was made
	lines []string // the whole lines of text, wrapped
	done  int      // bytes of text that lines hold
	open  bool     // more text is to come
}

func (b *block) add(text string) { b.text += printable(text) }

// prefix stands in front of each line.
func (b *block) prefix() string {
	switch b.kind {
	case questionBlock:
		return "> "
	case thoughtBlock:
		return "│ "
	}
	return ""
}

func (b *block) style(line string) string {
	switch b.kind {
	case questionBlock:
		return questionStyle.Render(line)
	case thoughtBlock, noteBlock:
		return dimStyle.Render(line)
	case errorBlock:
		return errorStyle.Render(line)
	}
	return line
}

// wrapped returns the lines of the block at a width, one empty line behind them.
func (b *block) wrapped(width int, folded bool) []string {
	if b.kind == thoughtBlock && folded {
		return []string{dimStyle.Render(ansi.Truncate(b.summary(), width, "…")), ""}
	}
	if b.width != width {
		b.width, b.lines, b.done = width, nil, 0
	}
	if i := strings.LastIndexByte(b.text, '\n') + 1; i > b.done {
		b.lines = append(b.lines, b.wrap(strings.TrimSuffix(b.text[b.done:i], "\n"))...)
		b.done = i
	}
	all := b.lines[:len(b.lines):len(b.lines)]
	if rest := b.text[b.done:]; rest != "" || b.open {
		all = append(all, b.wrap(rest)...)
	}
	return append(all, "")
}

func (b *block) wrap(text string) []string {
	prefix := b.prefix()
	lines := strings.Split(ansi.Wrap(text, max(b.width-ansi.StringWidth(prefix), 1), ""), "\n")
	for i, l := range lines {
		lines[i] = b.style(prefix + l)
	}
	return lines
}

// summary stands for folded thoughts.
func (b *block) summary() string {
	verb := "thought"
	if b.open {
		verb = "thinking"
	}
	return fmt.Sprintf("▸ %s, %d words (Ctrl-O shows them)", verb, len(strings.Fields(b.text)))
}

// transcript is what the chat shows above the input.
type transcript struct {
	blocks []*block
	up     int // lines that the user has scrolled up from the end
}

func (t *transcript) add(kind blockKind, text string) *block {
	b := &block{kind: kind}
	b.add(text)
	t.blocks = append(t.blocks, b)
	return b
}

// grow adds text to the last block if it is an open one of that kind, else to a new one.
func (t *transcript) grow(kind blockKind, text string) {
	if n := len(t.blocks); n > 0 && t.blocks[n-1].open {
		if t.blocks[n-1].kind == kind {
			t.blocks[n-1].add(text)
			return
		}
		t.blocks[n-1].open = false
	}
	t.add(kind, text).open = true
}

// finish closes the last block.
func (t *transcript) finish() {
	if n := len(t.blocks); n > 0 {
		t.blocks[n-1].open = false
	}
}

// window returns height lines of the transcript, the last ones unless scrolled. It wraps only the blocks it needs.
func (t *transcript) window(width, height int, folded bool) []string {
	var tail []string // of the transcript, from some block on
	for i := len(t.blocks) - 1; i >= 0 && len(tail) < height+t.up; i-- {
		lines := t.blocks[i].wrapped(width, folded)
		tail = append(lines[:len(lines):len(lines)], tail...)
	}
	t.up = max(min(t.up, len(tail)-height), 0)
	end := len(tail) - t.up
	return tail[max(end-height, 0):end]
}

// plain returns the whole transcript for the terminal after the chat.
func (t *transcript) plain(width int, folded bool) string {
	var b strings.Builder
	for _, block := range t.blocks {
		for _, l := range block.wrapped(width, folded) {
			b.WriteString(l + "\n")
		}
	}
	return b.String()
}
