package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pennyml/penny/tokenizer"
)

type tokenizeCmd struct {
	Model      string `arg:"" help:"GGUF file, Hugging Face folder, tokenizer.json (also gzipped), SentencePiece .model, or .tiktoken rank file."`
	Decode     bool   `help:"The other way: {\"ids\"} to {\"text\"}, with {\"base64\"} beside it where the bytes are not UTF-8."`
	Special    string `enum:"parse,text" default:"parse" help:"Special tokens named in a text: parse them, or take them as text (${enum})."`
	AddSpecial bool   `help:"Put the tokens around each text that the vocabulary asks for, such as BOS."`
	Kind       string `enum:",${kinds}" default:"" placeholder:"KIND" help:"What a rank file is: ${kinds}."`
}

func (tokenizeCmd) Help() string {
	return `Reads JSON lines from standard input and writes one for each:

  echo '{"text": "Why is the sky blue?"}' | penny tokenize model.gguf
  {"ids":[4898,314,260,6376,4461,47]}

A line is {"text": "..."}, or {"base64": "..."} for bytes that need not be UTF-8.`
}

func (c *tokenizeCmd) Run() error {
	t, err := c.open()
	if err != nil {
		return err
	}
	in, out := bufio.NewReaderSize(os.Stdin, 1<<16), bufio.NewWriterSize(os.Stdout, 1<<16)
	convert := c.encodeLine
	if c.Decode {
		convert = decodeLine
	}
	if err := eachJSONLine(in, out, func(dst, line []byte) ([]byte, error) { return convert(t, dst, line) }); err != nil {
		return errors.Join(err, out.Flush())
	}
	return out.Flush()
}

func (c *tokenizeCmd) open() (*tokenizer.Tokenizer, error) {
	path, err := findModel(c.Model)
	if err != nil {
		return nil, err
	}
	if c.Kind != "" {
		return tokenizer.OpenRanks(path, c.Kind)
	}
	t, err := tokenizer.Open(path)
	if errors.Is(err, tokenizer.ErrNeedsKind) {
		return nil, hinted{err, "say what it is with --kind " + strings.Join(tokenizer.RankKinds(), "|")}
	}
	return t, err
}

// eachJSONLine converts every line of in that is not blank. What is written is flushed whenever the input pauses, so that the verb can stand in
// a pipe that waits for answers.
func eachJSONLine(in *bufio.Reader, out *bufio.Writer, convert func(dst, line []byte) ([]byte, error)) error {
	var dst []byte
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return err
		}
		if len(bytes.TrimSpace(line)) > 0 {
			var bad error
			if dst, bad = convert(dst[:0], line); bad != nil {
				return fmt.Errorf("line %d: %w", n, bad)
			}
			if _, err := out.Write(append(dst, '\n')); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

func (c *tokenizeCmd) encodeLine(t *tokenizer.Tokenizer, dst, line []byte) ([]byte, error) {
	var row struct {
		Text   *string `json:"text"`
		Base64 *string `json:"base64"`
	}
	if err := json.Unmarshal(line, &row); err != nil {
		return nil, err
	}
	var text string
	switch {
	case row.Text != nil && row.Base64 == nil:
		text = *row.Text
	case row.Base64 != nil && row.Text == nil:
		b, err := base64.StdEncoding.DecodeString(*row.Base64)
		if err != nil {
			return nil, fmt.Errorf("base64: %w", err)
		}
		text = string(b)
	default:
		return nil, errors.New(`want {"text": "..."} or {"base64": "..."}`)
	}
	opt := tokenizer.Options{AddSpecial: c.AddSpecial}
	if c.Special == "text" {
		opt.Special = tokenizer.SpecialText
	}
	dst = append(dst, `{"ids":[`...)
	for i, id := range t.Encode(text, opt) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(id), 10)
	}
	return append(dst, "]}"...), nil
}

func decodeLine(t *tokenizer.Tokenizer, dst, line []byte) ([]byte, error) {
	var row struct {
		IDs *[]int32 `json:"ids"`
	}
	if err := json.Unmarshal(line, &row); err != nil {
		return nil, err
	}
	if row.IDs == nil {
		return nil, errors.New(`want {"ids": [...]}`)
	}
	if err := t.CheckIDs(*row.IDs); err != nil {
		return nil, err
	}
	b := t.AppendDecode(nil, *row.IDs)
	text, err := marshalPlain(t.Decode(*row.IDs))
	if err != nil {
		return nil, err
	}
	dst = append(append(dst, `{"text":`...), text...)
	if !utf8.Valid(b) { // the text has U+FFFD in their place; nothing is lost
		dst = append(dst, `,"base64":"`...)
		dst = append(base64.StdEncoding.AppendEncode(dst, b), '"')
	}
	return append(dst, '}'), nil
}

// marshalPlain is json.Marshal without the escapes for HTML.
func marshalPlain(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return []byte(strings.TrimSuffix(b.String(), "\n")), err
}
