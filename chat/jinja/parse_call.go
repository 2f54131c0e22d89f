package jinja

import "errors"

func (p *parser) call(f expr) (expr, error) {
	a, err := p.arguments()
	return &callExpr{f, a}, err
}

// arguments parses a parenthesised argument list.
func (p *parser) arguments() (callArgs, error) {
	var a callArgs
	if err := p.expect("("); err != nil {
		return a, err
	}
	for first := true; !p.take(")"); first = false {
		if !first {
			if err := p.expect(","); err != nil {
				return a, err
			}
			if p.take(")") {
				break
			}
		}
		if err := p.argument(&a); err != nil {
			return a, err
		}
	}
	return a, nil
}

func (p *parser) argument(a *callArgs) (err error) {
	invalid := errors.New("invalid order of call arguments")
	switch t := p.peek(); {
	case p.take("*"):
		if a.star != nil || a.starStar != nil {
			return invalid
		}
		a.star, err = p.expression()
	case p.take("**"):
		if a.starStar != nil {
			return invalid
		}
		a.starStar, err = p.expression()
	case t.kind == tokName && p.tokens[p.at+1].kind == tokOp && p.tokens[p.at+1].text == "=":
		if a.starStar != nil {
			return invalid
		}
		p.at += 2
		var e expr
		e, err = p.expression()
		a.kw = append(a.kw, param{t.text, e})
	default:
		if a.star != nil || a.starStar != nil || len(a.kw) > 0 {
			return invalid
		}
		var e expr
		e, err = p.expression()
		a.pos = append(a.pos, e)
	}
	return err
}

// filters parses | name(arguments) as often as it comes. With a nil input the chain works on what it is given.
func (p *parser) filters(e expr) (expr, error) {
	for p.take("|") {
		var err error
		if e, err = p.filter(e); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (p *parser) filter(e expr) (expr, error) {
	name, err := p.dottedName()
	if err != nil {
		return nil, err
	}
	f := &filterExpr{in: e, name: name}
	if p.isOp("(") {
		f.args, err = p.arguments()
	}
	return f, err
}

func (p *parser) dottedName() (string, error) {
	name, err := p.name()
	for err == nil && p.take(".") {
		var part string
		part, err = p.name()
		name += "." + part
	}
	return name, err
}

// test parses what follows "is".
func (p *parser) test(e expr) (expr, error) {
	negated := p.take("not")
	name, err := p.dottedName()
	if err != nil {
		return nil, err
	}
	t := &testExpr{in: e, name: name}
	switch k := p.peek(); {
	case p.isOp("("):
		t.args, err = p.arguments()
	case p.isName("else"), p.isName("or"), p.isName("and"):
	case p.isName("is"):
		err = errors.New("tests cannot be chained with is")
	case k.kind == tokName, k.kind == tokString, k.kind == tokNumber, p.isOp("["), p.isOp("{"):
		var arg expr
		if arg, err = p.primary(); err == nil {
			arg, err = p.postfix(arg)
		}
		t.args.pos = []expr{arg}
	}
	if negated {
		return &notExpr{t}, err
	}
	return t, err
}
