package codegrade

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// suite is what a job's tests say, in one of three forms:
//
//   - text (or a list of texts, joined by newlines): test code, which uses the program's names; HumanEval's check(candidate) is called;
//   - a list of {"input", "output"}, or {"inputs": [...], "outputs": [...]}: the program is run with each input and must print the output;
//   - a list of {"args", "kwargs", "expected"}, or the pair of lists with "fn_name": the function (or method of class Solution) is called.
type suite struct {
	code  string
	io    []ioCase
	calls []callCase
	entry string
}

type ioCase struct{ Input, Output string }

type callCase struct {
	Args     []json.RawMessage          `json:"args"`
	Kwargs   map[string]json.RawMessage `json:"kwargs,omitempty"`
	Expected json.RawMessage            `json:"expected"`
}

// pairedTests is the form of APPS and of datasets after it. A call's arguments are JSON, one a line, or a list.
type pairedTests struct {
	Inputs  []json.RawMessage `json:"inputs"`
	Outputs []json.RawMessage `json:"outputs"`
	Name    string            `json:"fn_name"`
}

func parseTests(raw json.RawMessage) (s suite, err error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return s, fmt.Errorf("%w: no tests", ErrJob)
	}
	switch raw[0] {
	case '"':
		err = json.Unmarshal(raw, &s.code)
	case '{':
		err = s.paired(raw)
	case '[':
		err = s.list(raw)
	default:
		err = fmt.Errorf("want a text, a list or an object")
	}
	if err != nil {
		return s, fmt.Errorf("%w: tests: %v", ErrJob, err)
	}
	if strings.TrimSpace(s.code) == "" && len(s.io) == 0 && len(s.calls) == 0 {
		return s, fmt.Errorf("%w: no tests", ErrJob)
	}
	return s, nil
}

func (s *suite) list(raw json.RawMessage) error {
	var texts []string
	if json.Unmarshal(raw, &texts) == nil {
		s.code = strings.Join(texts, "\n")
		return nil
	}
	var cases []struct {
		Input  *string `json:"input"`
		Output *string `json:"output"`
		callCase
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		return err
	}
	for i, c := range cases {
		switch {
		case c.Output != nil && c.Expected == nil:
			in := ""
			if c.Input != nil {
				in = *c.Input
			}
			s.io = append(s.io, ioCase{in, *c.Output})
		case c.Expected != nil && c.Output == nil:
			s.calls = append(s.calls, c.callCase)
		default:
			return fmt.Errorf(`case %d: want "output" or "expected"`, i+1)
		}
	}
	if len(s.io) > 0 && len(s.calls) > 0 {
		return fmt.Errorf("cases of input and output beside calls")
	}
	return nil
}

func (s *suite) paired(raw json.RawMessage) error {
	var p pairedTests
	if err := json.Unmarshal(raw, &p); err != nil {
		return err
	}
	if len(p.Inputs) != len(p.Outputs) {
		return fmt.Errorf("%d inputs against %d outputs", len(p.Inputs), len(p.Outputs))
	}
	s.entry = p.Name
	for i := range p.Inputs {
		if p.Name != "" {
			c, err := callOf(p.Inputs[i], p.Outputs[i])
			if err != nil {
				return fmt.Errorf("case %d: %w", i+1, err)
			}
			s.calls = append(s.calls, c)
			continue
		}
		in, err := plainText(p.Inputs[i])
		if err != nil {
			return fmt.Errorf("input %d: %w", i+1, err)
		}
		out, err := plainText(p.Outputs[i])
		if err != nil {
			return fmt.Errorf("output %d: %w", i+1, err)
		}
		s.io = append(s.io, ioCase{in, out})
	}
	return nil
}

// plainText reads a text, or a list of lines.
func plainText(raw json.RawMessage) (string, error) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one, nil
	}
	var lines []string
	if err := json.Unmarshal(raw, &lines); err != nil {
		return "", err
	}
	return strings.Join(lines, "\n"), nil
}

// callOf reads arguments, as a list or as a text with one JSON value a line, and the value expected, as JSON or as a text that holds JSON.
func callOf(in, out json.RawMessage) (c callCase, err error) {
	var lines string
	if json.Unmarshal(in, &lines) == nil {
		for _, l := range strings.Split(strings.TrimSpace(lines), "\n") {
			if !json.Valid([]byte(l)) {
				return c, fmt.Errorf("argument %.80q is not JSON", l)
			}
			c.Args = append(c.Args, json.RawMessage(l))
		}
		var value string
		if json.Unmarshal(out, &value) == nil && json.Valid([]byte(value)) {
			out = json.RawMessage(value)
		}
	} else if err := json.Unmarshal(in, &c.Args); err != nil {
		return c, err
	}
	c.Expected = out
	return c, nil
}

// sameOutput compares what a program printed: line ends may be CR LF, blank space at the ends of lines and blank lines at the end do not count,
// all else does, so that 1.0 is not 1.
func sameOutput(got, want string) bool { return normalOutput(got) == normalOutput(want) }

func normalOutput(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " \t\r")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}
