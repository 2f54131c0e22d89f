package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/pennyml/penny/chat"
)

// interrupts returns a context that the next Ctrl-C cancels, without ending the program.
func interrupts() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt)
}

// plainChat reads questions and commands line by line. Answers go to out, thoughts and everything else to notes. interrupted makes the context of one
// answer.
func plainChat(c *conversation, in io.Reader, out, notes io.Writer, interrupted func() (context.Context, context.CancelFunc)) error {
	lines := bufio.NewReader(in)
	question := ""
	for {
		line, readErr := lines.ReadString('\n')
		text, more := continued(strings.TrimRight(line, "\r\n"))
		question += text
		if more && readErr == nil {
			continue
		}
		if strings.TrimSpace(question) != "" {
			if err := plainTurn(c, question, out, notes, interrupted); errors.Is(err, errQuit) {
				return nil
			} else if err != nil {
				return err
			}
		}
		question = ""
		if errors.Is(readErr, io.EOF) {
			return nil
		} else if readErr != nil {
			return readErr
		}
	}
}

// plainTurn handles one question or command. Its errors end the chat: only output that cannot be written does.
func plainTurn(c *conversation, question string, out, notes io.Writer, interrupted func() (context.Context, context.CancelFunc)) error {
	if isCommand(question) {
		shown, err := c.command(question)
		switch {
		case errors.Is(err, errQuit):
			return err
		case err != nil:
			fmt.Fprintln(notes, "penny:", err)
		default:
			fmt.Fprintln(notes, shown)
		}
		return nil
	}
	ctx, stop := interrupted()
	defer stop()
	var writeErr error
	thinking := false
	o := ask(ctx, c.answers, c.messages(question), c.settings, func(kind chat.Kind, text string) {
		if kind == chat.Reasoning && !c.folded {
			thinking = true
			fmt.Fprint(notes, printable(text))
		}
		if kind != chat.Answer {
			return
		}
		if thinking {
			fmt.Fprintln(notes)
			thinking = false
		}
		if _, err := io.WriteString(out, printable(text)); err != nil {
			writeErr = err
			stop()
		}
	})
	if thinking {
		fmt.Fprintln(notes)
	}
	if writeErr == nil && o.answer.Len() > 0 {
		_, writeErr = fmt.Fprintln(out)
	}
	if ctx.Err() != nil {
		fmt.Fprintln(notes, "[stopped]")
	}
	if err := c.conclude(o); err != nil {
		fmt.Fprintln(notes, "penny:", err)
	}
	return writeErr
}
