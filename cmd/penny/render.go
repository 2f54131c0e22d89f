package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/pennyml/penny/chat"
	"github.com/pennyml/penny/chat/jinja"
)

type renderCmd struct {
	Source string `arg:"" name:"MODEL_OR_TEMPLATE" help:"A .jinja file, a Hugging Face folder, a GGUF file, or the name of a model in the cache."`
	Input  string `arg:"" optional:"" name:"FILE" help:"JSONL to read instead of standard input."`
	Date   string `help:"Date (2006-01-02) that templates see as today; default the clock, or SOURCE_DATE_EPOCH where that is set."`
}

func (renderCmd) Help() string {
	return `Reads one JSON object a line: {"messages": [...], "tools": [...], "add_generation_prompt": true} and any other variables of the template
(enable_thinking, bos_token, ...), and writes {"prompt": "..."} or {"error": "..."} for each. Variables reach the template as they are;
bos_token, eos_token and their like come from the model's files unless a line gives its own.

  echo '{"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": true}' | penny render model.gguf`
}

// Run renders line by line.
func (c renderCmd) Run() error {
	now, err := renderClock(c.Date)
	if err != nil {
		return err
	}
	path, err := findModel(c.Source)
	if err != nil {
		return err
	}
	source, err := chat.Open(path)
	if err != nil {
		return hinted{err, "give a .jinja file, a folder with tokenizer_config.json or chat_template.jinja, or a GGUF file"}
	}
	in := io.Reader(os.Stdin)
	if c.Input != "" {
		f, err := os.Open(c.Input)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	return renderLines(source, now, in, os.Stdout, os.Stderr)
}

func renderClock(date string) (func() time.Time, error) {
	if date != "" {
		day, err := time.Parse(time.DateOnly, date)
		return func() time.Time { return day }, err
	}
	if s := os.Getenv("SOURCE_DATE_EPOCH"); s != "" {
		seconds, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
		}
		return func() time.Time { return time.Unix(seconds, 0).UTC() }, nil
	}
	return time.Now, nil
}

// renderLines renders each line of in. A line that cannot be rendered gives an error line, not the end.
func renderLines(source chat.Source, now func() time.Time, in io.Reader, out, warnings io.Writer) error {
	templates := map[bool]*chat.Template{}
	for _, withTools := range []bool{false, true} {
		t, warning, err := source.Template(withTools)
		if err != nil {
			return err
		}
		if warning != "" && !withTools {
			fmt.Fprintln(warnings, "penny: warning:", warning)
		}
		t.Now = now
		templates[withTools] = t
	}
	r, w := bufio.NewReader(in), bufio.NewWriter(out)
	defer w.Flush()
	for {
		line, readErr := r.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := writeRendering(w, templates, line); err != nil {
				return err
			}
			if err := w.Flush(); err != nil {
				return err
			}
		}
		if errors.Is(readErr, io.EOF) {
			return nil
		} else if readErr != nil {
			return readErr
		}
	}
}

func writeRendering(w io.Writer, templates map[bool]*chat.Template, line []byte) error {
	prompt, err := renderLine(templates, line)
	result := jinja.NewDict("prompt", prompt)
	if err != nil {
		result = jinja.NewDict("error", err.Error())
		if raised := (*jinja.Raised)(nil); errors.As(err, &raised) {
			result = jinja.NewDict("error", raised.Error()) // the template's own words
		}
	}
	text, err := jinja.EncodeJSON(result)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, text)
	return err
}

func renderLine(templates map[bool]*chat.Template, line []byte) (string, error) {
	v, err := jinja.DecodeJSON(line)
	if err != nil {
		return "", err
	}
	vars, ok := v.(*jinja.Dict)
	if !ok {
		return "", errors.New("not a JSON object")
	}
	if _, ok := vars.Get("messages"); !ok {
		return "", errors.New("no messages")
	}
	if _, ok := vars.Get("add_generation_prompt"); !ok {
		vars.Set("add_generation_prompt", false)
	}
	tools, _ := vars.Get("tools")
	list, _ := tools.(jinja.List)
	got, err := templates[len(list) > 0].Execute(vars)
	return got.Text, err
}
