// Package jinja renders the Jinja2 templates that chat models carry, as Hugging Face's tokenizers render them: trim_blocks and lstrip_blocks on,
// no autoescaping, the immutable sandbox's rules, the loop controls, {% generation %}, and raise_exception, strftime_now and tojson.
//
// Templates come inside model files that nobody has checked. A rendering is therefore bounded in steps, in bytes that it may make and in depth, reaches
// no file, clock or network except through Options, and a fault in a template is an error, not a panic.
//
// Values follow Python: None, True, integers without bound, floats and containers compare, add and print as Python's do. What a chat template has no
// use for is refused with an error: template inheritance and inclusion (there is no loader), autoescape blocks, and the urlize, xmlattr, pprint and random filters.
package jinja

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Limits bounds one rendering. A zero field stands for its default.
type Limits struct {
	Steps int // evaluated nodes, visited elements and every 64 bytes compared or copied; default 10 million
	Bytes int // bytes of text and elements made, dropped ones included; default 256 MiB
	Depth int // nesting of evaluation, macros and printed values; default 1500
}

const (
	maxSource  = 4 << 20 // bytes of template text
	maxNesting = 200     // brackets, blocks and unary operators inside each other
)

func (l Limits) withDefaults() Limits {
	if l.Steps == 0 {
		l.Steps = 10_000_000
	}
	if l.Bytes == 0 {
		l.Bytes = 256 << 20
	}
	if l.Depth == 0 {
		l.Depth = 1500
	}
	return l
}

// Template is a parsed template. It holds no state of a rendering and may be used from several goroutines.
type Template struct {
	body   []node
	blocks map[string][]node
	lib    *library
}

// Options is what a rendering may use of the world.
type Options struct {
	Now    func() time.Time // the clock of strftime_now; nil: calling strftime_now is an error
	Limits Limits
}

// Span is a stretch of bytes [Start, End) of a rendered text.
type Span struct{ Start, End int }

// Result is a rendered text with the stretches that {% generation %} blocks wrote.
type Result struct {
	Text      string
	Generated []Span
}

// Error is a fault at a line of the template (counted from 1).
type Error struct {
	Line int
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("template line %d: %v", e.Line, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Raised is the error of a template that called raise_exception.
type Raised struct{ Message string }

func (r *Raised) Error() string { return "template raises: " + r.Message }

// ErrLimit is what a rendering that went past one of its Limits wraps.
var ErrLimit = errors.New("rendering limit exceeded")

// Parse compiles a template text. Errors are of type *Error.
func Parse(text string) (*Template, error) {
	if len(text) > maxSource {
		return nil, &Error{1, fmt.Errorf("template of %d bytes, at most %d are read", len(text), maxSource)}
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	return parse(tokens)
}

// Render executes the template over the variables. Vars is not changed.
func (t *Template) Render(vars *Dict, o Options) (Result, error) {
	m := &machine{template: t, vars: vars, now: o.Now, left: o.Limits.withDefaults(), out: &strings.Builder{}}
	m.root = m.out
	err := m.run(t.body, &scope{})
	if err != nil {
		return Result{}, err
	}
	return Result{Text: m.out.String(), Generated: m.generated}, nil
}

// machine is one rendering.
type machine struct {
	template  *Template
	vars      *Dict
	now       func() time.Time
	left      Limits
	out, root *strings.Builder
	generated []Span
}

func (m *machine) step(n int) error {
	if m.left.Steps -= n; m.left.Steps < 0 {
		return fmt.Errorf("%w: too many steps", ErrLimit)
	}
	return nil
}

// alloc pays for n bytes before they are made.
func (m *machine) alloc(n int) error {
	if n < 0 || n > m.left.Bytes {
		m.left.Bytes = 0
		return fmt.Errorf("%w: too many bytes", ErrLimit)
	}
	m.left.Bytes -= n
	return m.step(n / 64)
}

func (m *machine) enter() error {
	if m.left.Depth--; m.left.Depth < 0 {
		return fmt.Errorf("%w: nested too deeply", ErrLimit)
	}
	return m.step(1)
}

func (m *machine) leave() { m.left.Depth++ }

func (m *machine) write(s string) error {
	if err := m.alloc(len(s)); err != nil {
		return err
	}
	m.out.WriteString(s)
	return nil
}

// capture runs f with a fresh output and returns what it wrote.
func (m *machine) capture(f func() error) (string, error) {
	outer := m.out
	m.out = &strings.Builder{}
	err := f()
	text := m.out.String()
	m.out = outer
	return text, err
}

// scope is one level of names. Loops, macros and with blocks open one; if blocks do not.
type scope struct {
	names  map[string]Value
	parent *scope
}

func (s *scope) set(name string, v Value) {
	if s.names == nil {
		s.names = make(map[string]Value)
	}
	s.names[name] = v
}

func (m *machine) lookup(s *scope, name string) Value {
	for ; s != nil; s = s.parent {
		if v, ok := s.names[name]; ok {
			return v
		}
	}
	if m.vars != nil {
		if v, ok := m.vars.Get(name); ok {
			return v
		}
	}
	if f, ok := m.template.lib.globals[name]; ok {
		return f
	}
	return &Undefined{name: name}
}
