package jinja

import (
	"errors"
	"fmt"
)

// use notes that the macro being parsed reads a name.
func (p *parser) use(name string) {
	if p.uses != nil {
		p.uses[name] = true
	}
}

// tuple parses expressions separated by commas, a tuple when there is a comma; conditional allows "a if b else c".
func (p *parser) tuple(conditional bool, ends ...string) (expr, error) {
	one := p.expression
	if !conditional {
		one = p.or
	}
	first, err := one()
	if err != nil || !p.isOp(",") {
		return first, err
	}
	items := []expr{first}
	for p.take(",") {
		if p.tupleEnds(ends) {
			break
		}
		e, err := one()
		if err != nil {
			return nil, err
		}
		items = append(items, e)
	}
	return &sequenceExpr{items, true}, nil
}

func (p *parser) tupleEnds(ends []string) bool {
	for _, e := range ends {
		if p.isName(e) {
			return true
		}
	}
	k := p.peek().kind
	return k == tokVarEnd || k == tokBlockEnd || p.isOp(")")
}

func (p *parser) expression() (expr, error) {
	defer func() { p.depth-- }()
	if err := p.nest(); err != nil {
		return nil, err
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	for p.take("if") {
		c := &conditionalExpr{then: e}
		if c.test, err = p.or(); err != nil {
			return nil, err
		}
		if p.take("else") {
			if c.otherwise, err = p.expression(); err != nil {
				return nil, err
			}
		}
		e = c
	}
	return e, nil
}

func (p *parser) or() (expr, error) {
	return p.logic("or", func() (expr, error) { return p.logic("and", p.not) })
}

// logic parses operands of "and" or "or".
func (p *parser) logic(op string, operand func() (expr, error)) (expr, error) {
	left, err := operand()
	for err == nil && p.take(op) {
		var right expr
		right, err = operand()
		left = &logicExpr{left, right, op == "or"}
	}
	return left, err
}

func (p *parser) not() (expr, error) {
	if !p.take("not") {
		return p.comparison()
	}
	defer func() { p.depth-- }()
	if err := p.nest(); err != nil {
		return nil, err
	}
	e, err := p.not()
	return &notExpr{e}, err
}

func (p *parser) comparison() (expr, error) {
	first, err := p.sum()
	if err != nil {
		return nil, err
	}
	c := &compareExpr{first: first}
	for {
		op := p.comparisonOp()
		if op == "" {
			break
		}
		e, err := p.sum()
		if err != nil {
			return nil, err
		}
		c.ops, c.rest = append(c.ops, op), append(c.rest, e)
	}
	if c.ops == nil {
		return first, nil
	}
	return c, nil
}

func (p *parser) comparisonOp() string {
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">", "in"} {
		if p.take(op) {
			return op
		}
	}
	if p.isName("not") {
		if t := p.tokens[p.at+1]; t.kind == tokName && t.text == "in" {
			p.at += 2
			return "not in"
		}
	}
	return ""
}

func (p *parser) sum() (expr, error) { return p.arithmetic(p.concat, "+", "-") }

func (p *parser) concat() (expr, error) {
	first, err := p.product()
	if err != nil || !p.isOp("~") {
		return first, err
	}
	parts := []expr{first}
	for p.take("~") {
		e, err := p.product()
		if err != nil {
			return nil, err
		}
		parts = append(parts, e)
	}
	return &concatExpr{parts}, nil
}

func (p *parser) product() (expr, error) { return p.arithmetic(p.power, "*", "/", "//", "%") }
func (p *parser) power() (expr, error)   { return p.arithmetic(p.filtered, "**") }

func (p *parser) filtered() (expr, error) { return p.unary(true) }

// arithmetic parses left-associative operators of one strength.
func (p *parser) arithmetic(operand func() (expr, error), ops ...string) (expr, error) {
	left, err := operand()
	for err == nil {
		op := ""
		for _, o := range ops {
			if p.isOp(o) {
				op = o
			}
		}
		if op == "" {
			return left, nil
		}
		p.at++
		var right expr
		right, err = operand()
		left = &arithmeticExpr{op, left, right}
	}
	return nil, err
}

// unary parses signs, a primary expression, what is called or taken from it, and its filters and tests.
func (p *parser) unary(withFilters bool) (expr, error) {
	defer func() { p.depth-- }()
	if err := p.nest(); err != nil {
		return nil, err
	}
	var e expr
	var err error
	switch {
	case p.take("-"):
		e, err = p.unary(false)
		e = &negExpr{e}
	case p.take("+"):
		e, err = p.unary(false)
		e = &arithmeticExpr{"+", constant{int64(0)}, e}
	default:
		e, err = p.primary()
	}
	if err != nil {
		return nil, err
	}
	if e, err = p.postfix(e); err != nil || !withFilters {
		return e, err
	}
	for {
		switch {
		case p.isOp("|"):
			e, err = p.filters(e)
		case p.take("is"):
			e, err = p.test(e)
		case p.isOp("("):
			e, err = p.call(e)
		default:
			return e, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) primary() (expr, error) {
	t := p.next()
	switch t.kind {
	case tokName:
		switch t.text {
		case "true", "True":
			return constant{true}, nil
		case "false", "False":
			return constant{false}, nil
		case "none", "None":
			return constant{nil}, nil
		}
		p.use(t.text)
		return nameExpr(t.text), nil
	case tokString:
		s := t.text
		for p.peek().kind == tokString {
			s += p.next().text
		}
		return constant{s}, nil
	case tokNumber:
		return constant{t.num}, nil
	case tokOp:
		switch t.text {
		case "(":
			return p.parenthesised()
		case "[":
			items, err := p.list("]")
			return &sequenceExpr{items, false}, err
		case "{":
			return p.dict()
		}
	}
	return nil, fmt.Errorf("unexpected %v", t)
}

func (p *parser) parenthesised() (expr, error) {
	if p.take(")") {
		return &sequenceExpr{nil, true}, nil
	}
	e, err := p.tuple(true)
	if err != nil {
		return nil, err
	}
	return e, p.expect(")")
}

func (p *parser) list(end string) ([]expr, error) {
	var items []expr
	for !p.take(end) {
		if len(items) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
			if p.take(end) {
				break
			}
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		items = append(items, e)
	}
	return items, nil
}

func (p *parser) dict() (expr, error) {
	d := &dictExpr{}
	for !p.take("}") {
		if len(d.keys) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
			if p.take("}") {
				break
			}
		}
		k, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		d.keys, d.values = append(d.keys, k), append(d.values, v)
	}
	return d, nil
}

func (p *parser) postfix(e expr) (expr, error) {
	var err error
	for {
		switch {
		case p.take("."):
			e, err = p.dotted(e)
		case p.take("["):
			e, err = p.subscript(e)
		case p.isOp("("):
			e, err = p.call(e)
		default:
			return e, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) dotted(e expr) (expr, error) {
	switch t := p.next(); t.kind {
	case tokName:
		return &attrExpr{e, t.text}, nil
	case tokNumber:
		return &itemExpr{e, constant{t.num}}, nil
	}
	return nil, errors.New("expected name or number")
}

// subscript parses the inside of v[...].
func (p *parser) subscript(e expr) (expr, error) {
	var keys []expr
	for !p.take("]") {
		if len(keys) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		k, err := p.subscriptKey()
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if len(keys) == 1 {
		return &itemExpr{e, keys[0]}, nil
	}
	return &itemExpr{e, &sequenceExpr{keys, true}}, nil
}

func (p *parser) subscriptKey() (expr, error) {
	var bounds [3]expr
	for i := range bounds {
		if !p.isOp(":") && !p.isOp("]") && !p.isOp(",") {
			e, err := p.expression()
			if err != nil {
				return nil, err
			}
			bounds[i] = e
		}
		if i == 0 && !p.isOp(":") {
			if bounds[0] == nil {
				return nil, fmt.Errorf("unexpected %v", p.peek())
			}
			return bounds[0], nil
		}
		if i == 2 || !p.take(":") {
			break
		}
	}
	return &sliceExpr{bounds}, nil
}
