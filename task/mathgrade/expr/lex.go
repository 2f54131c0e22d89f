package expr

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on what Parse takes.
const (
	MaxBytes    = 8 << 10 // length of the text
	maxDepth    = 120     // nesting
	maxDigits   = 4000    // digits of a literal
	maxExponent = 4000    // decimal exponent of a literal
)

// ErrTooBig says that the text is outside the limits of this package.
var ErrTooBig = errors.New("too long or too deep")

type tokKind uint8

const (
	tEOF  tokKind = iota
	tNum          // num
	tName         // a one-letter or Greek symbol, or a known constant; text
	tFunc         // a known function; text
	tCmd          // another LaTeX command; text without the backslash
	tText         // words
	tOp           // + - * / ^ _ ( ) [ ] { } | , ; : ! ' = < > and so on; text
)

type token struct {
	kind  tokKind
	text  string
	num   *Node
	space bool // white space stood before
	free  bool // a symbol given by \variable, or a digit taken as an argument
	pos   int
}

// opNames maps commands and Unicode signs to the operator they mean.
var opNames = map[string]string{
	"cdot": "*", "times": "*", "ast": "*", "div": "/", "pm": "±", "mp": "∓", "le": "≤", "leq": "≤", "leqslant": "≤", "ge": "≥", "geq": "≥",
	"geqslant": "≥", "lt": "<", "gt": ">", "ne": "≠", "neq": "≠", "approx": "≈", "simeq": "≈", "doteq": "≈", "in": "∈", "notin": "∉", "cup": "∪",
	"cap": "∩", "setminus": "∖", "backslash": "∖", "to": "→", "rightarrow": "→", "longrightarrow": "→", "Rightarrow": "→", "Longrightarrow": "→",
	"mapsto": "→", "equiv": "≡", "iff": "→", "implies": "→", "sim": "~", "cong": "≡", "propto": "∝", "subset": "⊂", "subseteq": "⊆", "colon": ":",
	"lbrace": "\\{", "rbrace": "\\}", "langle": "⟨", "rangle": "⟩", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|", "lbrack": "[", "rbrack": "]",
	"degree": "°", "circ": "∘", "prime": "'", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "land": "and", "wedge": "and", "lor": "or", "vee": "or",
	"bmod": "mod", "mod": "mod", "parallel": "∥", "perp": "⟂", "Vert": "‖", "lVert": "‖", "rVert": "‖", "|": "‖", "{": "\\{", "}": "\\}", "%": "%", "&": "and",
	"bullet": "*", "ltimes": "*", "rtimes": "*",
}

var runeOps = map[rune]string{
	'×': "*", '·': "*", '∙': "*", '⋅': "*", '÷': "/", '⁄': "/", '∕': "/", '−': "-", '–': "-", '—': "-", '±': "±", '∓': "∓", '≤': "≤", '≥': "≥", '⩽': "≤", '⩾': "≥", '≠': "≠", '≈': "≈", '≡': "≡",
	'∈': "∈", '∉': "∉", '∪': "∪", '∩': "∩", '∖': "∖", '→': "→", '°': "°", '′': "'", '（': "(", '）': ")", '，': ",", '；': ";", '：': ":", '、': ",", '⌊': "⌊", '⌋': "⌋",
	'⌈': "⌈", '⌉': "⌉", '⟨': "⟨", '⟩': "⟩", '％': "%", '∣': "|", '∘': "∘", '“': "'", '”': "'", '’': "'", '＝': "=", '＋': "+", '－': "-",
}

// superscripts are digits raised by Unicode.
var superscripts = map[rune]byte{'⁰': '0', '¹': '1', '²': '2', '³': '3', '⁴': '4', '⁵': '5', '⁶': '6', '⁷': '7', '⁸': '8', '⁹': '9', '⁻': '-'}

// subscripts are digits lowered by Unicode.
var subscripts = map[rune]byte{'₀': '0', '₁': '1', '₂': '2', '₃': '3', '₄': '4', '₅': '5', '₆': '6', '₇': '7', '₈': '8', '₉': '9'}

// greekLetters are the names of Greek letters by Unicode, from alpha and Alpha on; the final sigma is no symbol of its own.
var greekLetters = strings.Fields(`alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma sigma tau upsilon phi chi psi omega`)

var fractions = map[rune][2]int64{'½': {1, 2}, '⅓': {1, 3}, '⅔': {2, 3}, '¼': {1, 4}, '¾': {3, 4}, '⅕': {1, 5}, '⅙': {1, 6}, '⅛': {1, 8}, '⅜': {3, 8}, '⅝': {5, 8}, '⅞': {7, 8}}

// spaces are commands that only move the pen, or style what follows.
var spaces = wordSet(`, ; : ! quad qquad thinspace medspace thickspace negthinspace negmedspace negthickspace displaystyle textstyle scriptstyle limits nolimits
 left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr middle hfill hspace nobreak enspace newline noindent centering par bf it rm sf tt allowbreak
 mathstrut strut`)

// wrappers are commands whose braces hold mathematics in some style.
var wrappers = wordSet(`mathbf mathit mathrm mathsf mathtt mathcal mathbb mathfrak boldsymbol bm pmb vec hat widehat tilde widetilde dot ddot overrightarrow
 overleftarrow underline mathop mathord mathnormal mathscr underbrace overbrace boxed fbox cancel bar`)

// texts are commands whose braces hold words.
var texts = wordSet(`text textbf textit textrm textnormal mbox hbox emph textsf texttt textsc mathop`)

func wordSet(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// functions known by name, with or without a backslash.
var functions = wordSet(`sin cos tan cot sec csc sinh cosh tanh coth sech csch arcsin arccos arctan arccot arcsec arccsc asin acos atan arcsinh arccosh arctanh arsinh arcosh
 artanh asinh acosh atanh ln log lg exp sqrt cbrt abs floor ceil gcd lcm max min det sgn sign Re Im re adjugate conjugate trace rank dim deg arg Arg cis`)

// symbolNames are multi-letter names in plain text that are one symbol.
var symbolNames = map[string]string{"pi": "pi", "Pi": "pi", "infinity": "oo", "inf": "oo", "Infinity": "oo", "infty": "oo", "oo": "oo", "theta": "theta", "alpha": "alpha",
	"beta": "beta", "gamma": "gamma", "delta": "delta", "lambda": "lambda", "phi": "phi", "omega": "omega", "sigma": "sigma", "rho": "rho", "epsilon": "epsilon", "mu": "mu"}

// unitWords are short words that are units, not products of letters.
var unitWords = wordSet(`cm mm km kg mg ml mL ft yd mi mph kph sq cu hr hrs min mins sec secs oz lb lbs cc pm am deg dm nm Hz kHz kW kJ kPa Pa mol`)

// twoLetterWords are words, not products.
var twoLetterWords = wordSet(`no or is to of in it at as if by on an we so do No Or Is To Of In It At As If By On An We So Do am be he me my up us NO`)

// greek are commands that stand for one symbol.
var greek = wordSet(`alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi omicron rho varrho sigma varsigma tau upsilon phi varphi chi psi
 omega Gamma Delta Theta Lambda Xi Sigma Upsilon Phi Psi Omega ell hbar aleph partial nabla angle triangle square odot star dagger ldots cdots dots vdots ddots forall exists
 cdotp top bot neg lnot`)

type lexer struct {
	src  string
	pos  int
	toks []token
}

func lex(src string) ([]token, error) {
	if len(src) > MaxBytes {
		return nil, ErrTooBig
	}
	l := &lexer{src: src}
	for {
		start := l.pos
		l.skipSpace()
		space := l.pos > start
		if l.pos >= len(l.src) {
			l.toks = append(l.toks, token{kind: tEOF, pos: l.pos})
			return l.toks, nil
		}
		n := len(l.toks)
		if err := l.next(); err != nil {
			return nil, err
		}
		for i := n; i < len(l.toks); i++ {
			l.toks[i].pos = start
			if i == n {
				l.toks[i].space = space
			}
		}
	}
}

func (l *lexer) skipSpace() {
	for l.pos < len(l.src) {
		r, n := utf8.DecodeRuneInString(l.src[l.pos:])
		if !unicode.IsSpace(r) && r != '~' && r != '\u200b' && r != '\ufeff' {
			return
		}
		if r == '~' && strings.TrimSpace(l.src) == "~" {
			return
		}
		l.pos += n
	}
}

func (l *lexer) emit(k tokKind, text string) { l.toks = append(l.toks, token{kind: k, text: text}) }

func (l *lexer) next() error {
	c := l.src[l.pos]
	switch {
	case c == '\\':
		return l.command()
	case c >= '0' && c <= '9' || c == '.' && l.pos+1 < len(l.src) && isDigit(l.src[l.pos+1]):
		return l.number()
	case c < utf8.RuneSelf && (unicode.IsLetter(rune(c))):
		l.word()
		return nil
	}
	return l.sign()
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (l *lexer) sign() error {
	rest := l.src[l.pos:]
	for _, op := range []string{"**", "<=", ">=", "!=", "==", "=>", "->", "≈"} {
		if strings.HasPrefix(rest, op) {
			l.pos += len(op)
			if to, ok := map[string]string{"**": "^", "<=": "≤", ">=": "≥", "!=": "≠", "==": "=", "=>": "→", "->": "→"}[op]; ok {
				op = to
			}
			l.emit(tOp, op)
			return nil
		}
	}
	r, n := utf8.DecodeRuneInString(rest)
	l.pos += n
	switch {
	case strings.ContainsRune("+-*/^_()[]{}|,;:!'=<>%&", r):
		l.emit(tOp, string(r))
	case runeOps[r] != "":
		l.emit(tOp, runeOps[r])
	case superscripts[r] != 0:
		s := string(superscripts[r])
		for {
			r, n := utf8.DecodeRuneInString(l.src[l.pos:])
			if superscripts[r] == 0 {
				break
			}
			s += string(superscripts[r])
			l.pos += n
		}
		v, ok := new(big.Rat).SetString(s)
		if !ok || len(s) > 6 {
			return fmt.Errorf("bad superscript %q", s)
		}
		l.emit(tOp, "^")
		l.toks = append(l.toks, token{kind: tNum, num: Rat(v)})
	case subscripts[r] != 0:
		s := string(subscripts[r])
		for r, n := utf8.DecodeRuneInString(l.src[l.pos:]); subscripts[r] != 0 && len(s) < 6; r, n = utf8.DecodeRuneInString(l.src[l.pos:]) {
			s += string(subscripts[r])
			l.pos += n
		}
		l.emit(tOp, "_")
		l.toks = append(l.toks, token{kind: tNum, num: literal(s, 0, 0)})
	case fractions[r] != [2]int64{}:
		f := fractions[r]
		l.toks = append(l.toks, token{kind: tNum, num: Rat(big.NewRat(f[0], f[1]))})
	case r == 'π':
		l.emit(tName, "pi")
	case r == '∞':
		l.emit(tName, "oo")
	case r == '∅':
		l.emit(tCmd, "emptyset")
	case r == 'ℝ':
		l.emit(tName, "R")
	case r == '√':
		l.emit(tFunc, "sqrt")
	case r == '¢':
		l.emit(tText, "cents")
	case r == '∛':
		l.emit(tFunc, "cbrt")
	case r == '$', r == '€', r == '£', r == '¥':
		if strings.TrimFunc(l.src, func(r rune) bool { return r == '$' || r == '\\' || unicode.IsSpace(r) }) == "" {
			return fmt.Errorf("nothing beside %q", r)
		}
	case unicode.IsLetter(r):
		if r >= 'α' && r <= 'ω' {
			l.emit(tName, greekLetters[r-'α'])
			return nil
		}
		if r >= 'Α' && r <= 'Ω' {
			l.emit(tName, strings.ToUpper(greekLetters[r-'Α'][:1])+greekLetters[r-'Α'][1:])
			return nil
		}
		start := l.pos - n
		for l.pos < len(l.src) {
			r, n := utf8.DecodeRuneInString(l.src[l.pos:])
			if !unicode.IsLetter(r) {
				break
			}
			l.pos += n
		}
		l.emit(tText, l.src[start:l.pos])
	default:
		return fmt.Errorf("unexpected %q", r)
	}
	return nil
}

// number reads 12, 1.5, .5, 2.5E3, and a repeating part given by \overline{..}. A second point is an error.
func (l *lexer) number() error {
	start := l.pos
	for l.pos < len(l.src) && isDigit(l.src[l.pos]) {
		l.pos++
	}
	places := 0
	if l.pos < len(l.src) && l.src[l.pos] == '.' && !(l.pos+1 < len(l.src) && l.src[l.pos+1] == '.') {
		l.pos++
		for l.pos < len(l.src) && isDigit(l.src[l.pos]) {
			l.pos++
			places++
		}
		if l.pos < len(l.src) && l.src[l.pos] == '.' && l.pos+1 < len(l.src) {
			return errors.New("two points in a number")
		}
	}
	mant := l.src[start:l.pos]
	exp := l.exponent(mant)
	if len(mant) > maxDigits {
		return ErrTooBig
	}
	n := literal(mant, places, exp)
	if n == nil {
		return ErrTooBig
	}
	if exp == 0 {
		if m, ok := l.repeating(mant, places); ok {
			n = m
		}
	}
	l.toks = append(l.toks, token{kind: tNum, num: n})
	return nil
}

// exponent reads E+3 after a mantissa. A small e followed by + is Euler's number.
func (l *lexer) exponent(mant string) int {
	rest := l.src[l.pos:]
	if len(rest) < 2 || rest[0] != 'E' && rest[0] != 'e' {
		return 0
	}
	i := 1
	if rest[i] == '-' || rest[i] == '+' && (rest[0] == 'E' || strings.Contains(mant, ".")) {
		i++
	}
	j, v := i, 0
	for j < len(rest) && isDigit(rest[j]) {
		if v <= maxExponent {
			v = v*10 + int(rest[j]-'0')
		}
		j++
	}
	if j == i {
		return 0
	}
	l.pos += j
	if rest[1] == '-' {
		v = -v
	}
	return v
}

func literal(mant string, places, exp int) *Node {
	if exp > maxExponent || exp < -maxExponent {
		return nil
	}
	digits := strings.Replace(mant, ".", "", 1)
	v, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return nil
	}
	shift := exp - places
	r := new(big.Rat).SetInt(v)
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(abs(shift))), nil)
	if shift >= 0 {
		r.Mul(r, new(big.Rat).SetInt(p))
	} else {
		r.Quo(r, new(big.Rat).SetInt(p))
	}
	n := Rat(r)
	if places > 0 {
		n.Last, n.Sig = shift, max(1, len(strings.TrimLeft(digits, "0")))
	}
	return n
}

// Ulp is the weight of the last digit written of a decimal literal, zero for an exact one.
func (n *Node) Ulp() *big.Rat {
	if n.Kind != Num || n.Sig == 0 {
		return new(big.Rat)
	}
	t := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(abs(n.Last))), nil)
	if n.Last < 0 {
		return new(big.Rat).SetFrac(big.NewInt(1), t)
	}
	return new(big.Rat).SetInt(t)
}

func abs(x int) int {
	if x < 0 {
		return -x
	}
	return x
}

func (l *lexer) repeating(mant string, places int) (*Node, bool) {
	rest := l.src[l.pos:]
	if !strings.Contains(mant, ".") || !strings.HasPrefix(rest, `\overline{`) && !strings.HasPrefix(rest, `\bar{`) && !strings.HasPrefix(rest, `\dot{`) {
		return nil, false
	}
	open := strings.IndexByte(rest, '{')
	end := strings.IndexByte(rest, '}')
	if end <= open+1 || end > 200 {
		return nil, false
	}
	rep := rest[open+1 : end]
	v, ok := new(big.Int).SetString(rep, 10)
	if !ok || rep[0] == '-' || rep[0] == '+' {
		return nil, false
	}
	l.pos += end + 1
	nines := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(rep))), nil)
	nines.Sub(nines, big.NewInt(1))
	r := new(big.Rat).SetFrac(v, nines)
	r.Quo(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)))
	return Rat(r.Add(r, literal(mant, places, 0).Rat)), true
}

// word reads a run of letters in plain text: functions and names first, then a product of letters or a word.
func (l *lexer) word() {
	start := l.pos
	for l.pos < len(l.src) && l.src[l.pos] < utf8.RuneSelf && unicode.IsLetter(rune(l.src[l.pos])) {
		l.pos++
	}
	run := l.src[start:l.pos]
	switch {
	case run == "and" || run == "or" || run == "mod" || run == "AND" || run == "OR":
		l.emit(tOp, strings.ToLower(run))
	case functions[run] && run != "re" && run != "deg" && run != "dim" && run != "rank":
		l.emit(tFunc, run)
	case symbolNames[run] != "":
		l.emit(tName, symbolNames[run])
	case unitWords[run] && !l.afterScript():
		l.emit(tText, run)
	case !isWord(run):
		for i := 0; i < len(run); i++ {
			l.emit(tName, run[i:i+1])
		}
	default:
		if parts := splitRun(run); parts != nil {
			for _, p := range parts {
				if functions[p] {
					l.emit(tFunc, p)
				} else {
					l.emit(tName, symbolName(p))
				}
			}
			return
		}
		l.emit(tText, run)
	}
}

func symbolName(p string) string {
	if s := symbolNames[p]; s != "" {
		return s
	}
	return p
}

func (l *lexer) afterScript() bool {
	n := len(l.toks)
	return n > 0 && l.toks[n-1].kind == tOp && (l.toks[n-1].text == "_" || l.toks[n-1].text == "^")
}

// splitRun reads "xsin" as x·sin and "npi" as n·pi, if the run is letters and one function or constant, and short.
func splitRun(run string) []string {
	for _, f := range []string{"sin", "cos", "tan", "ln", "log", "exp", "sqrt", "pi"} {
		i := strings.Index(run, f)
		if i < 0 || len(run)-len(f) > 2 {
			continue
		}
		var out []string
		for _, c := range run[:i] {
			out = append(out, string(c))
		}
		out = append(out, f)
		for _, c := range run[i+len(f):] {
			out = append(out, string(c))
		}
		return out
	}
	return nil
}

// isWord reports whether a run of letters is a word rather than a product: three or more letters that are neither in
// alphabetic order (abc, xyz) nor all capitals (ABC, a segment or triangle), or a common two-letter word.
func isWord(run string) bool {
	if len(run) == 1 {
		return false
	}
	if len(run) == 2 {
		return twoLetterWords[run]
	}
	sorted, upper := true, true
	for i := range len(run) {
		upper = upper && unicode.IsUpper(rune(run[i]))
		sorted = sorted && (i == 0 || run[i-1] <= run[i])
	}
	return !upper && !sorted
}
