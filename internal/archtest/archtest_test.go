package archtest

import (
	_ "embed"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

//go:embed edges.txt
var edges string

const module = "github.com/pennyml/penny/"

// TestImports fails on any import between our packages that edges.txt does not allow.
func TestImports(t *testing.T) {
	rules := parseRules(t, edges)
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		checkFile(t, rules, filepath.ToSlash(rel), p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkFile(t *testing.T, rules map[string][]string, rel, file string) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	from := path.Dir(rel)
	allowed, known := lookup(rules, from)
	if !known {
		t.Errorf("%s: package %s has no line in edges.txt", rel, from)
		return
	}
	for _, imp := range f.Imports {
		p, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if to, ours := strings.CutPrefix(p, module); ours && !matchAny(allowed, to) && !matchAny(rules["any"], to) {
			t.Errorf("%s: %s may not import %s", rel, from, to)
		}
	}
}

// lookup finds the rule of a package: its own line, or that of a pattern above it.
func lookup(rules map[string][]string, pkg string) ([]string, bool) {
	if r, ok := rules[pkg]; ok {
		return r, true
	}
	for k, r := range rules {
		if strings.HasSuffix(k, "/*") && match(k, pkg) {
			return r, true
		}
	}
	return nil, false
}

func matchAny(patterns []string, pkg string) bool {
	for _, p := range patterns {
		if match(p, pkg) {
			return true
		}
	}
	return false
}

func match(pattern, pkg string) bool {
	if prefix, wild := strings.CutSuffix(pattern, "*"); wild {
		return strings.HasPrefix(pkg, prefix)
	}
	return pattern == pkg
}

func parseRules(t *testing.T, text string) map[string][]string {
	rules := map[string][]string{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		pkg, deps, ok := strings.Cut(line, ":")
		if !ok {
			t.Fatalf("edges.txt: no colon in %q", line)
		}
		rules[pkg] = strings.Fields(deps)
	}
	return rules
}
