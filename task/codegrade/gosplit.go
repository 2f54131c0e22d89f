package codegrade

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// goHalves is a Go program and its tests cut into two programs: one that answers calls of the functions under test, one that runs the tests and
// has, in place of those functions, stubs that send the call away.
type goHalves struct {
	program, table string // the program as package main without its own main, and its table of functions
	checker        string // types of the program, stubs, tests, and the table of tests
}

// splitGo cuts. An error in the program is reported as such by fromProgram.
func splitGo(program, tests string) (h goHalves, err error) {
	fset := token.NewFileSet()
	prog, err := parser.ParseFile(fset, "program.go", program, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return h, programError{err}
	}
	test, err := parser.ParseFile(fset, "tests.go", tests, parser.SkipObjectResolution)
	if err != nil {
		if test, err = parser.ParseFile(fset, "tests.go", "package main\n"+tests, parser.SkipObjectResolution); err != nil {
			return h, fmt.Errorf("%w: tests: %v", ErrJob, err)
		}
	}
	own, names := functions(test), functions(prog)
	used := identifiers(test)
	var stubs []*ast.FuncDecl
	for name, f := range names {
		if used[name] && own[name] == nil && name != "main" && name != "init" {
			if f.Type.TypeParams != nil {
				return h, fmt.Errorf("%w: %s has type parameters: its calls cannot be sent", ErrJob, name)
			}
			stubs = append(stubs, f)
		}
	}
	slices.SortFunc(stubs, func(a, b *ast.FuncDecl) int { return strings.Compare(a.Name.Name, b.Name.Name) })
	h.table = functionTable(stubs)
	if h.checker, err = checkerSource(fset, prog, test, stubs); err != nil {
		return h, err
	}
	h.program, err = programSource(fset, prog)
	return h, err
}

// programError is an error of the program, not of the job.
type programError struct{ error }

func functions(f *ast.File) map[string]*ast.FuncDecl {
	out := map[string]*ast.FuncDecl{}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
			out[fn.Name.Name] = fn
		}
	}
	return out
}

func identifiers(nodes ...ast.Node) map[string]bool {
	out := map[string]bool{}
	for _, n := range nodes {
		ast.Inspect(n, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				out[id.Name] = true
			}
			return true
		})
	}
	return out
}

func functionTable(fs []*ast.FuncDecl) string {
	var b strings.Builder
	b.WriteString("package main\n\nvar pennyFunctions = map[string]any{\n")
	for _, f := range fs {
		fmt.Fprintf(&b, "\t%q: %s,\n", f.Name.Name, f.Name.Name)
	}
	return b.String() + "}\n"
}

// programSource is the program as package main, without a main of its own and without the imports that only its tests need.
func programSource(fset *token.FileSet, f *ast.File) (string, error) {
	f.Name.Name = "main"
	f.Decls = slices.DeleteFunc(f.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Recv == nil && fn.Name.Name == "main"
	})
	used := map[string]bool{}
	for _, d := range f.Decls {
		if g, ok := d.(*ast.GenDecl); !ok || g.Tok != token.IMPORT {
			for name := range identifiers(d) {
				used[name] = true
			}
		}
	}
	f.Decls = slices.DeleteFunc(f.Decls, func(d ast.Decl) bool {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.IMPORT {
			return false
		}
		g.Specs = slices.DeleteFunc(g.Specs, func(s ast.Spec) bool { return !needed(s.(*ast.ImportSpec), used) })
		return len(g.Specs) == 0
	})
	var b bytes.Buffer
	err := printer.Fprint(&b, fset, f)
	return b.String(), err
}

// needed says whether an import's name is used; those for effect stay.
func needed(s *ast.ImportSpec, used map[string]bool) bool {
	name := importName(s)
	return name == "_" || name == "." || used[name]
}

func importName(s *ast.ImportSpec) string {
	if s.Name != nil {
		return s.Name.Name
	}
	p, _ := strconv.Unquote(s.Path.Value)
	if b := path.Base(p); len(b) > 1 && b[0] == 'v' && strings.Trim(b[1:], "0123456789") == "" {
		p = path.Dir(p)
	}
	return path.Base(p)
}

// checkerSource puts the tests together with what they need of the program: its types and stubs of its functions.
func checkerSource(fset *token.FileSet, prog, test *ast.File, stubs []*ast.FuncDecl) (string, error) {
	var body bytes.Buffer
	var errs []error
	print := func(n any) {
		errs = append(errs, printer.Fprint(&body, fset, n))
		body.WriteString("\n\n")
	}
	own := identifiers(test)
	for _, d := range prog.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
			print(g)
		}
	}
	for _, f := range stubs {
		body.WriteString(stub(fset, f))
	}
	tests := "var pennyTests = []testing.InternalTest{\n"
	for _, d := range test.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
			continue
		}
		print(d)
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") && f.Name.Name != "TestMain" {
			tests += fmt.Sprintf("\t{Name: %q, F: %s},\n", f.Name.Name, f.Name.Name)
		}
	}
	if !strings.Contains(tests, "Name:") {
		return "", fmt.Errorf("%w: the tests have no function TestXxx", ErrJob)
	}
	head := "package main\n\nimport \"testing\"\n"
	whole, err := parser.ParseFile(token.NewFileSet(), "", "package main\n"+body.String(), parser.SkipObjectResolution)
	if err != nil {
		return "", errors.Join(append(errs, err)...)
	}
	used := identifiers(whole)
	seen := map[string]bool{`"testing"`: true}
	for _, s := range append(slices.Clone(test.Imports), prog.Imports...) {
		if name := importName(s); used[name] && !seen[s.Path.Value] && (own[name] || used[name]) {
			seen[s.Path.Value] = true
			alias := ""
			if s.Name != nil {
				alias = s.Name.Name + " "
			}
			head += "import " + alias + s.Path.Value + "\n"
		}
	}
	return head + "\n" + body.String() + tests + "}\n", errors.Join(errs...)
}

// stub is a function with the signature of f that sends its calls away.
func stub(fset *token.FileSet, f *ast.FuncDecl) string {
	list := func(fields *ast.FieldList, letter string) (decl, refs string) {
		var ds, rs []string
		if fields == nil {
			return "", ""
		}
		for _, x := range fields.List {
			var b bytes.Buffer
			printer.Fprint(&b, fset, x.Type)
			for range max(1, len(x.Names)) {
				name := fmt.Sprintf("penny%s%d", letter, len(ds))
				ds, rs = append(ds, name+" "+b.String()), append(rs, "&"+name)
			}
		}
		return strings.Join(ds, ", "), strings.Join(rs, ", ")
	}
	in, args := list(f.Type.Params, "In")
	out, results := list(f.Type.Results, "Out")
	return fmt.Sprintf("func %s(%s) (%s) {\n\tpennyCall(%q, []any{%s}, []any{%s})\n\treturn\n}\n\n", f.Name.Name, in, out, f.Name.Name, args, results)
}
