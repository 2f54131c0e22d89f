package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pennyml/penny/chat"
)

// errQuit is what a command returns to end the chat.
var errQuit = fmt.Errorf("quit")

// chatCommand is one /command. run gets the text behind the name and returns what to show.
type chatCommand struct {
	name, args, help string
	run              func(c *conversation, args string) (string, error)
}

func chatCommands() []chatCommand {
	return []chatCommand{
		{"help", "", "show this", func(*conversation, string) (string, error) { return chatHelp(), nil }},
		{"clear", "", "forget the conversation", (*conversation).clear},
		{"system", "[TEXT]", "show or set the system message; - removes it", (*conversation).setSystem},
		{"fold", "", "hide or show the model's thoughts", (*conversation).fold},
		{"save", "FILE", "write the conversation: .jsonl for penny render, else text", (*conversation).save},
		{"seed", "[N]", "show or set the seed of the draws", (*conversation).setSeed},
		{"temp", "[T]", "show or set the temperature; 0 always takes the likeliest token", (*conversation).setTemp},
		{"stats", "", "show what the last answer took", (*conversation).stats},
		{"exit", "", "leave (also /quit, Ctrl-D)", func(*conversation, string) (string, error) { return "", errQuit }},
	}
}

func chatHelp() string {
	var b strings.Builder
	for _, c := range chatCommands() {
		fmt.Fprintf(&b, "%-18s%s\n", strings.TrimSpace("/"+c.name+" "+c.args), c.help)
	}
	b.WriteString("A backslash at the end of a line goes on to the next one.")
	return b.String()
}

// isCommand tells a command from a question. Paths and the like, with a second slash in the first word, are questions.
func isCommand(line string) bool {
	name, _, _ := strings.Cut(line, " ")
	return strings.HasPrefix(name, "/") && !strings.Contains(name[1:], "/") && !strings.Contains(line, "\n")
}

// command runs a line that isCommand.
func (c *conversation) command(line string) (string, error) {
	name, args, _ := strings.Cut(strings.TrimPrefix(line, "/"), " ")
	if name == "quit" {
		name = "exit"
	}
	for _, cmd := range chatCommands() {
		if cmd.name == name {
			return cmd.run(c, strings.TrimSpace(args))
		}
	}
	return "", fmt.Errorf("no command /%s; /help lists them", name)
}

func (c *conversation) clear(string) (string, error) {
	c.turns = nil
	return "The conversation is forgotten.", nil
}

func (c *conversation) setSystem(text string) (string, error) {
	switch text {
	case "":
		if c.system == "" {
			return "No system message is set.", nil
		}
		return "System message: " + c.system, nil
	case "-":
		c.system = ""
		return "No system message any more.", nil
	}
	c.system = text
	return "System message set; it holds from the next question on.", nil
}

func (c *conversation) fold(string) (string, error) {
	c.folded = !c.folded
	if c.folded {
		return "Thoughts are hidden.", nil
	}
	return "Thoughts are shown.", nil
}

func (c *conversation) setSeed(text string) (string, error) {
	if text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return "", fmt.Errorf("/seed %s: want a whole number from 0", text)
		}
		c.settings.Seed = seed
	}
	return fmt.Sprintf("Seed %d.", c.settings.Seed), nil
}

func (c *conversation) setTemp(text string) (string, error) {
	if text != "" {
		t, err := strconv.ParseFloat(text, 64)
		if err != nil || !(t >= 0 && t <= 100) {
			return "", fmt.Errorf("/temp %s: want a number from 0 to 100", text)
		}
		c.settings.Temp = t
	}
	return fmt.Sprintf("Temperature %g.", c.settings.Temp), nil
}

func (c *conversation) stats(string) (string, error) {
	if c.answered == 0 {
		return "No answer yet.", nil
	}
	return c.last.line() + ".", nil
}

// save writes the conversation to a new file.
func (c *conversation) save(path string) (string, error) {
	if path == "" {
		return "", fmt.Errorf("/save: to which file?")
	}
	var b bytes.Buffer
	if ext := filepath.Ext(path); ext == ".jsonl" || ext == ".json" {
		messages := c.turns
		if c.system != "" {
			messages = append([]chat.Message{{Role: "system", Content: c.system}}, messages...)
		}
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]any{"messages": messages}); err != nil {
			return "", err
		}
	} else if err := c.transcript(&b); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	if _, err := f.Write(b.Bytes()); err != nil {
		f.Close()
		return "", err
	}
	return fmt.Sprintf("Saved %d messages to %s.", len(c.turns), path), f.Close()
}
