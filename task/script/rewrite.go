package script

import (
	"fmt"

	"go.starlark.net/syntax"
)

// Names of the functions that rewritten code calls. No program can write them.
const (
	opName     = "$op"     // $op("+", x, y): a binary operation
	augName    = "$aug"    // $aug("+", x, y): x += y
	attrName   = "$attr"   // $attr(x.name): a method, metered
	madeName   = "$made"   // $made(x): a value that was just made
	spreadName = "$spread" // f(*$spread(x))
)

// rewrite sends each operation that can make a large value in one step through a metered function, since the interpreter counts steps but
// not what a step costs. Positions stay, so errors name the line as it was written.
func rewrite(f *syntax.File) error {
	w := &rewriter{}
	w.stmts(f.Stmts)
	return w.err
}

type rewriter struct{ err error }

func (w *rewriter) stmts(list []syntax.Stmt) {
	for _, s := range list {
		w.stmt(s)
	}
}

func (w *rewriter) stmt(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.AssignStmt:
		w.assign(s)
	case *syntax.DefStmt:
		w.params(s.Params)
		w.stmts(s.Body)
	case *syntax.ExprStmt:
		s.X = w.expr(s.X)
	case *syntax.ForStmt:
		w.target(s.Vars)
		s.X = w.expr(s.X)
		w.stmts(s.Body)
	case *syntax.WhileStmt:
		s.Cond = w.expr(s.Cond)
		w.stmts(s.Body)
	case *syntax.IfStmt:
		s.Cond = w.expr(s.Cond)
		w.stmts(s.True)
		w.stmts(s.False)
	case *syntax.ReturnStmt:
		s.Result = w.optional(s.Result)
	case *syntax.LoadStmt:
		w.fail(s.Load, "load is not available: a task is one file")
	}
}

func (w *rewriter) fail(pos syntax.Position, msg string) {
	if w.err == nil {
		w.err = fmt.Errorf("%v: %s", pos, msg)
	}
}

// augmented maps += to + and so on.
var augmented = map[syntax.Token]syntax.Token{
	syntax.PLUS_EQ: syntax.PLUS, syntax.MINUS_EQ: syntax.MINUS, syntax.STAR_EQ: syntax.STAR, syntax.SLASH_EQ: syntax.SLASH,
	syntax.SLASHSLASH_EQ: syntax.SLASHSLASH, syntax.PERCENT_EQ: syntax.PERCENT, syntax.AMP_EQ: syntax.AMP, syntax.PIPE_EQ: syntax.PIPE,
	syntax.CIRCUMFLEX_EQ: syntax.CIRCUMFLEX, syntax.LTLT_EQ: syntax.LTLT, syntax.GTGT_EQ: syntax.GTGT,
}

// assign turns x += y into x = $aug("+", x, y). The target is evaluated twice, so it must not call anything.
func (w *rewriter) assign(s *syntax.AssignStmt) {
	op, aug := augmented[s.Op]
	rhs := w.expr(s.RHS)
	if !aug {
		w.target(s.LHS)
		s.RHS = rhs
		return
	}
	syntax.Walk(s.LHS, func(n syntax.Node) bool {
		if _, call := n.(*syntax.CallExpr); call {
			w.fail(s.OpPos, "a call in the target of "+s.Op.String()+": put what it returns into a variable first")
		}
		return true
	})
	value := w.expr(clone(s.LHS))
	w.target(s.LHS)
	s.Op, s.RHS = syntax.EQ, call(augName, s.OpPos, text(op.String(), s.OpPos), value, rhs)
}

// clone copies the nodes of an assignment target that the resolver or the rewriter writes to.
func clone(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.Ident:
		return &syntax.Ident{NamePos: e.NamePos, Name: e.Name}
	case *syntax.ParenExpr:
		return &syntax.ParenExpr{Lparen: e.Lparen, X: clone(e.X), Rparen: e.Rparen}
	case *syntax.IndexExpr:
		return &syntax.IndexExpr{X: clone(e.X), Lbrack: e.Lbrack, Y: clone(e.Y), Rbrack: e.Rbrack}
	case *syntax.DotExpr:
		return &syntax.DotExpr{X: clone(e.X), Dot: e.Dot, NamePos: e.NamePos, Name: e.Name}
	case *syntax.BinaryExpr:
		return &syntax.BinaryExpr{X: clone(e.X), OpPos: e.OpPos, Op: e.Op, Y: clone(e.Y)}
	case *syntax.UnaryExpr:
		return &syntax.UnaryExpr{OpPos: e.OpPos, Op: e.Op, X: clone(e.X)}
	case *syntax.TupleExpr:
		t := &syntax.TupleExpr{Lparen: e.Lparen, Rparen: e.Rparen}
		for _, x := range e.List {
			t.List = append(t.List, clone(x))
		}
		return t
	}
	return e
}

// target rewrites what is evaluated on the left of an assignment.
func (w *rewriter) target(e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		w.target(e.X)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			w.target(x)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			w.target(x)
		}
	case *syntax.IndexExpr:
		e.X, e.Y = w.expr(e.X), w.expr(e.Y)
	case *syntax.DotExpr:
		e.X = w.expr(e.X)
	}
}

// params rewrites the default values of parameters.
func (w *rewriter) params(list []syntax.Expr) {
	for _, p := range list {
		if b, ok := p.(*syntax.BinaryExpr); ok {
			b.Y = w.expr(b.Y)
		}
	}
}

func (w *rewriter) optional(e syntax.Expr) syntax.Expr {
	if e == nil {
		return nil
	}
	return w.expr(e)
}

func (w *rewriter) all(list []syntax.Expr) {
	for i, e := range list {
		list[i] = w.expr(e)
	}
}

func (w *rewriter) expr(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		e.X = w.expr(e.X)
	case *syntax.UnaryExpr:
		e.X = w.optional(e.X)
	case *syntax.BinaryExpr:
		e.X, e.Y = w.expr(e.X), w.expr(e.Y)
		if e.Op != syntax.AND && e.Op != syntax.OR {
			return call(opName, e.OpPos, text(e.Op.String(), e.OpPos), e.X, e.Y)
		}
	case *syntax.CallExpr:
		e.Fn = w.expr(e.Fn)
		w.args(e.Args)
	case *syntax.DotExpr:
		e.X = w.expr(e.X)
		return call(attrName, e.Dot, e)
	case *syntax.IndexExpr:
		e.X, e.Y = w.expr(e.X), w.expr(e.Y)
	case *syntax.SliceExpr:
		e.X, e.Lo, e.Hi, e.Step = w.expr(e.X), w.optional(e.Lo), w.optional(e.Hi), w.optional(e.Step)
		return call(madeName, e.Lbrack, e)
	case *syntax.TupleExpr:
		w.all(e.List)
		return call(madeName, syntax.Start(e), e)
	case *syntax.ListExpr:
		w.all(e.List)
	case *syntax.DictExpr:
		for _, x := range e.List {
			d := x.(*syntax.DictEntry)
			d.Key, d.Value = w.expr(d.Key), w.expr(d.Value)
		}
	case *syntax.CondExpr:
		e.Cond, e.True, e.False = w.expr(e.Cond), w.expr(e.True), w.expr(e.False)
	case *syntax.LambdaExpr:
		w.params(e.Params)
		e.Body = w.expr(e.Body)
	case *syntax.Comprehension:
		w.comprehension(e)
	}
	return e
}

func (w *rewriter) comprehension(e *syntax.Comprehension) {
	if d, ok := e.Body.(*syntax.DictEntry); ok {
		d.Key, d.Value = w.expr(d.Key), w.expr(d.Value)
	} else {
		e.Body = w.expr(e.Body)
	}
	for _, c := range e.Clauses {
		switch c := c.(type) {
		case *syntax.ForClause:
			w.target(c.Vars)
			c.X = w.expr(c.X)
		case *syntax.IfClause:
			c.Cond = w.expr(c.Cond)
		}
	}
}

// args rewrites the arguments of a call: x, name=x, *x and **x.
func (w *rewriter) args(list []syntax.Expr) {
	for i, a := range list {
		if b, ok := a.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
			b.Y = w.expr(b.Y)
			continue
		}
		if u, ok := a.(*syntax.UnaryExpr); ok && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR) {
			u.X = call(spreadName, u.OpPos, w.expr(u.X))
			continue
		}
		list[i] = w.expr(a)
	}
}

func call(name string, pos syntax.Position, args ...syntax.Expr) syntax.Expr {
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: pos, Name: name}, Lparen: pos, Args: args, Rparen: pos}
}

func text(s string, pos syntax.Position) syntax.Expr {
	return &syntax.Literal{Token: syntax.STRING, TokenPos: pos, Raw: s, Value: s}
}
