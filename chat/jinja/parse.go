package jinja

import (
	"errors"
	"fmt"
	"slices"
)

// parser turns tokens into a tree by recursive descent, in the shape of Jinja2's grammar.
type parser struct {
	tokens []token
	at     int
	depth  int // of statements and expressions inside each other
	loops  int // for blocks around this place, within its macro
	blocks map[string][]node
	uses   map[string]bool // names read by the macro being parsed
}

func parse(tokens []token) (*Template, error) {
	p := &parser{tokens: tokens, blocks: map[string][]node{}}
	body, err := p.statements()
	if err == nil && p.peek().kind != tokEOF {
		err = fmt.Errorf("unexpected tag %v", p.tokens[p.at+1])
	}
	if err != nil {
		return nil, &Error{p.peek().line, err}
	}
	return &Template{body: body, blocks: p.blocks, lib: newLibrary()}, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokEOF {
		p.at++
	}
	return t
}

func (p *parser) isOp(op string) bool     { t := p.peek(); return t.kind == tokOp && t.text == op }
func (p *parser) isName(name string) bool { t := p.peek(); return t.kind == tokName && t.text == name }

// take skips an operator or name if it comes next.
func (p *parser) take(text string) bool {
	if p.isOp(text) || p.isName(text) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(text string) error {
	if !p.take(text) {
		return fmt.Errorf("expected '%s', got %v", text, p.peek())
	}
	return nil
}

func (p *parser) name() (string, error) {
	if t := p.peek(); t.kind != tokName {
		return "", fmt.Errorf("expected a name, got %v", t)
	}
	return p.next().text, nil
}

func (p *parser) nest() error {
	if p.depth++; p.depth > maxNesting {
		return fmt.Errorf("nested more than %d levels deep", maxNesting)
	}
	return nil
}

// statements parses text, prints and blocks up to a tag named one of ends (which stays, its opening mark taken) or to the end of the template.
func (p *parser) statements(ends ...string) ([]node, error) {
	defer func() { p.depth-- }()
	if err := p.nest(); err != nil {
		return nil, err
	}
	var body []node
	for {
		t := p.peek()
		switch t.kind {
		case tokEOF:
			if ends != nil {
				return nil, fmt.Errorf("end of template where a tag '%s' must come", ends[0])
			}
			return body, nil
		case tokData:
			p.at++
			body = append(body, node{t.line, textStmt(t.text)})
		case tokVarBegin:
			p.at++
			e, err := p.tuple(true)
			if err != nil {
				return nil, err
			}
			if p.peek().kind != tokVarEnd {
				return nil, fmt.Errorf("expected end of print tag, got %v", p.peek())
			}
			p.at++
			body = append(body, node{t.line, &printStmt{e}})
		default:
			if tag := p.tokens[p.at+1]; tag.kind == tokName && slices.Contains(ends, tag.text) {
				p.at++
				return body, nil
			} else if tag.kind == tokName && ends == nil && len(tag.text) > 3 && tag.text[:3] == "end" {
				return body, nil // parse reports it
			}
			p.at++
			s, err := p.statement()
			if err != nil {
				return nil, err
			}
			if err := p.blockEnd(); err != nil {
				return nil, err
			}
			body = append(body, node{t.line, s})
		}
	}
}

func (p *parser) blockEnd() error {
	if t := p.peek(); t.kind != tokBlockEnd {
		return fmt.Errorf("expected end of tag, got %v", t)
	}
	p.at++
	return nil
}

// body parses the inside of a block whose tag ends here, up to and past a tag named one of ends, which it returns.
func (p *parser) body(ends ...string) ([]node, string, error) {
	p.take(":")
	if err := p.blockEnd(); err != nil {
		return nil, "", err
	}
	body, err := p.statements(ends...)
	if err != nil {
		return nil, "", err
	}
	return body, p.next().text, nil
}

func (p *parser) statement() (stmt, error) {
	tag, err := p.name()
	if err != nil {
		return nil, err
	}
	switch tag {
	case "if":
		return p.ifBlock()
	case "for":
		return p.forBlock()
	case "set":
		return p.setBlock()
	case "macro":
		return p.macroBlock()
	case "call":
		return p.callBlock()
	case "filter":
		return p.filterBlock()
	case "with":
		return p.withBlock()
	case "block":
		return p.namedBlock()
	case "generation":
		body, _, err := p.body("endgeneration")
		return &generationStmt{body}, err
	case "print":
		e, err := p.tuple(true)
		if list, ok := e.(*sequenceExpr); ok && list.tuple {
			e = &concatExpr{list.items}
		}
		return &printStmt{e}, err
	case "break", "continue":
		if p.loops == 0 {
			return nil, fmt.Errorf("%s outside of a loop", tag)
		}
		if tag == "break" {
			return loopControl{errBreak}, nil
		}
		return loopControl{errContinue}, nil
	case "extends", "include", "import", "from", "autoescape":
		return nil, fmt.Errorf("tag '%s' is not available in chat templates", tag)
	}
	return nil, fmt.Errorf("unknown tag '%s'", tag)
}

func (p *parser) ifBlock() (stmt, error) {
	s := &ifStmt{}
	for {
		test, err := p.tuple(false)
		if err != nil {
			return nil, err
		}
		body, end, err := p.body("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		s.tests, s.bodies = append(s.tests, test), append(s.bodies, body)
		switch end {
		case "else":
			s.otherwise, _, err = p.body("endif")
			return s, err
		case "endif":
			return s, nil
		}
	}
}

func (p *parser) forBlock() (stmt, error) {
	s := &forStmt{}
	var err error
	if s.target, err = p.target("in"); err != nil {
		return nil, err
	}
	if err = p.expect("in"); err != nil {
		return nil, err
	}
	if s.iter, err = p.tuple(false, "recursive"); err != nil {
		return nil, err
	}
	if p.take("if") {
		if s.test, err = p.expression(); err != nil {
			return nil, err
		}
	}
	s.recursive = p.take("recursive")
	p.loops++
	body, end, err := p.body("endfor", "else")
	p.loops--
	if err != nil {
		return nil, err
	}
	s.body = body
	if end == "else" {
		s.otherwise, _, err = p.body("endfor")
	}
	return s, err
}

// target parses what an assignment stores to: a name, a tuple of names, or the attribute of a namespace.
func (p *parser) target(end string) (target, error) {
	var t target
	for {
		if p.take("(") {
			inner, err := p.target(")")
			if err != nil {
				return t, err
			}
			if err := p.expect(")"); err != nil {
				return t, err
			}
			t.parts = append(t.parts, inner)
		} else {
			name, err := p.name()
			if err != nil {
				return t, err
			}
			if reserved[name] {
				return t, fmt.Errorf("can't assign to '%s'", name)
			}
			t.parts = append(t.parts, target{name: name})
		}
		if !p.take(",") {
			if len(t.parts) == 1 && !t.tuple {
				return t.parts[0], nil
			}
			return t, nil
		}
		t.tuple = true
		if p.isOp(end) || p.isName(end) || p.peek().kind == tokBlockEnd {
			return t, nil
		}
	}
}

var reserved = map[string]bool{"true": true, "false": true, "none": true, "True": true, "False": true, "None": true}

func (p *parser) setBlock() (stmt, error) {
	t, err := p.target("=")
	if err != nil {
		return nil, err
	}
	if !t.tuple && p.take(".") {
		if t.attr, err = p.name(); err != nil {
			return nil, err
		}
		p.use(t.name)
	}
	if p.take("=") {
		e, err := p.tuple(true)
		return &setStmt{target: t, value: e}, err
	}
	filters, err := p.filters(nil)
	if err != nil {
		return nil, err
	}
	body, _, err := p.body("endset")
	return &setBlockStmt{target: t, filters: filters, body: body}, err
}

func (p *parser) macroBlock() (stmt, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	def, err := p.macroDef(name, "endmacro", func() error { return nil })
	return &macroStmt{def}, err
}

// macroDef parses a signature, what header parses, and a body.
func (p *parser) macroDef(name, end string, header func() error) (*macroDef, error) {
	def := &macroDef{name: name}
	if p.isOp("(") || name != "" {
		if err := p.signature(def); err != nil {
			return nil, err
		}
	}
	if err := header(); err != nil {
		return nil, err
	}
	loops, uses := p.loops, p.uses
	p.loops, p.uses = 0, map[string]bool{}
	defer func() {
		p.loops = loops
		for name := range p.uses {
			if uses != nil {
				uses[name] = true
			}
		}
		p.uses = uses
	}()
	var err error
	def.body, _, err = p.body(end)
	def.caller, def.varargs, def.kwargs = p.uses["caller"], p.uses["varargs"], p.uses["kwargs"]
	return def, err
}

func (p *parser) signature(def *macroDef) error {
	if err := p.expect("("); err != nil {
		return err
	}
	for !p.take(")") {
		if len(def.params) > 0 {
			if err := p.expect(","); err != nil {
				return err
			}
		}
		name, err := p.name()
		if err != nil {
			return err
		}
		var value expr
		if p.take("=") {
			if value, err = p.expression(); err != nil {
				return err
			}
		} else if n := len(def.params); n > 0 && def.params[n-1].value != nil {
			return errors.New("non-default argument follows default argument")
		}
		def.params = append(def.params, param{name, value})
	}
	return nil
}

func (p *parser) callBlock() (stmt, error) {
	s := &callStmt{}
	var err error
	s.caller, err = p.macroDef("", "endcall", func() error {
		e, err := p.expression()
		if err != nil {
			return err
		}
		call, ok := e.(*callExpr)
		if !ok {
			return errors.New("expected a call")
		}
		s.call = call
		return nil
	})
	return s, err
}

func (p *parser) filterBlock() (stmt, error) {
	first, err := p.filter(nil)
	if err != nil {
		return nil, err
	}
	filters, err := p.filters(first)
	if err != nil {
		return nil, err
	}
	body, _, err := p.body("endfilter")
	return &filterStmt{filters, body}, err
}

func (p *parser) withBlock() (stmt, error) {
	s := &withStmt{}
	for p.peek().kind != tokBlockEnd {
		if len(s.targets) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		t, err := p.target("=")
		if err != nil {
			return nil, err
		}
		if err := p.expect("="); err != nil {
			return nil, err
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		s.targets, s.values = append(s.targets, t), append(s.values, e)
	}
	var err error
	s.body, _, err = p.body("endwith")
	return s, err
}

func (p *parser) namedBlock() (stmt, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	if _, ok := p.blocks[name]; ok {
		return nil, fmt.Errorf("block '%s' defined twice", name)
	}
	p.blocks[name] = nil
	scoped := p.take("scoped")
	p.take("required")
	loops := p.loops
	p.loops = 0
	body, _, err := p.body("endblock")
	p.loops = loops
	p.take(name)
	p.blocks[name] = body
	return &blockStmt{name: name, scoped: scoped}, err
}
