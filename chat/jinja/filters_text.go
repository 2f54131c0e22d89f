package jinja

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// onText makes a filter that works on the printed form of its input.
func onText(f method) method {
	return func(m *machine, v Value, a *args) (Value, error) {
		s, err := m.str(v)
		if err != nil {
			return nil, err
		}
		return f(m, s, a)
	}
}

func textFilters() map[string]method {
	str := stringMethods()
	escape := onText(func(m *machine, v Value, a *args) (Value, error) {
		s := escapeHTML(v.(string))
		return Markup(s), errors.Join(a.end(), m.alloc(len(s)))
	})
	return map[string]method{
		"string":      func(m *machine, v Value, a *args) (Value, error) { return keepMarkup(m, v, a) },
		"safe":        onText(func(m *machine, v Value, a *args) (Value, error) { return Markup(v.(string)), a.end() }),
		"forceescape": escape,
		"escape":      unlessMarkup(escape),
		"e":           unlessMarkup(escape),
		"upper":       onText(str["upper"]),
		"lower":       onText(str["lower"]),
		"capitalize":  onText(str["capitalize"]),
		"title":       onText(textMethod(func(s string) Value { return titleFilter(s) })),
		"trim":        onText(str["strip"]),
		"center":      onText(str["center"]),
		"replace":     onText(filterReplace),
		"indent":      filterIndent,
		"truncate":    filterTruncate,
		"wordwrap":    filterWordwrap,
		"wordcount":   onText(textMethod(func(s string) Value { return int64(len(wordPattern.FindAllStringIndex(s, -1))) })),
		"striptags":   onText(textMethod(func(s string) Value { return stripTags(s) })),
		"urlencode":   filterURLEncode,
		"format":      filterFormat,
		"int":         filterInt,
		"float":       filterFloat,
		"round":       filterRound,
		"abs":         filterAbs,
		"filesizeformat": func(m *machine, v Value, a *args) (Value, error) {
			return filterFileSize(v, a)
		},
	}
}

func keepMarkup(m *machine, v Value, a *args) (Value, error) {
	if _, ok := v.(Markup); ok {
		return v, a.end()
	}
	s, err := m.str(v)
	return s, errors.Join(err, a.end())
}

func unlessMarkup(f method) method {
	return func(m *machine, v Value, a *args) (Value, error) {
		if _, ok := v.(Markup); ok {
			return v, a.end()
		}
		return f(m, v, a)
	}
}

// needText returns the Go string of a filter's input that must be text.
func needText(v Value) (string, error) {
	if s, ok := text(v); ok {
		return s, nil
	}
	if u, ok := v.(*Undefined); ok {
		return "", u.err()
	}
	return "", fmt.Errorf("expected str, got %s", typeName(v))
}

var titleBreak = regexp.MustCompile(`[-\s({\[<]+`)

// titleFilter upper-cases the first letter of each word and lower-cases the rest; words end at blanks, hyphens and opening brackets.
func titleFilter(s string) string {
	var b strings.Builder
	at := 0
	for _, cut := range append(titleBreak.FindAllStringIndex(s, -1), []int{len(s), len(s)}) {
		word := s[at:cut[0]]
		_, n := utf8.DecodeRuneInString(word)
		b.WriteString(upper(word[:n]) + lower(word[n:]) + s[cut[0]:cut[1]])
		at = cut[1]
	}
	return b.String()
}

func filterReplace(m *machine, v Value, a *args) (Value, error) {
	from, to := a.need("old"), a.need("new")
	count := a.value("count", nil)
	n := -1
	if count != nil {
		n = a.toInt("count", count)
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	old, err := m.str(from)
	if err != nil {
		return nil, err
	}
	by, err := m.str(to)
	if err != nil {
		return nil, err
	}
	return m.replace(v.(string), old, by, n)
}

func filterIndent(m *machine, v Value, a *args) (Value, error) {
	width, first, blank := a.value("width", int64(4)), a.bool("first", false), a.bool("blank", false)
	indent, ok := text(width)
	if !ok {
		n := max(a.toInt("width", width), 0)
		if err := m.alloc(n); err != nil {
			return nil, err
		}
		indent = strings.Repeat(" ", n)
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	s, err := needText(v)
	if err != nil {
		return nil, err
	}
	lines := splitLines(s+"\n", false)
	if err := m.allocTimes(len(indent)+2*elementSize, len(lines)); err != nil {
		return nil, err
	}
	for i := range lines {
		if i == 0 && first || i > 0 && (blank || lines[i] != "") {
			lines[i] = indent + lines[i]
		}
	}
	return strings.Join(lines, "\n"), m.alloc(len(s))
}

func filterTruncate(m *machine, v Value, a *args) (Value, error) {
	length, kill, end, leeway := a.int("length", 255), a.bool("killwords", false), a.textOr("end", "..."), a.value("leeway", nil)
	slack := 5
	if leeway != nil {
		slack = a.toInt("leeway", leeway)
	}
	n := utf8.RuneCountInString(end)
	if length < n || slack < 0 {
		a.fail("expected length >= %d and leeway >= 0", n)
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	s, err := needText(v)
	if err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(s) <= length+slack {
		return s, nil
	}
	if err := m.alloc(5 * len(s)); err != nil {
		return nil, err
	}
	s = string([]rune(s)[:length-n])
	if i := strings.LastIndexByte(s, ' '); i >= 0 && !kill {
		s = s[:i]
	}
	return s + end, nil
}

// filterWordwrap breaks lines at blanks (and, unless told otherwise, behind hyphens) so that none is longer than width.
func filterWordwrap(m *machine, v Value, a *args) (Value, error) {
	width, breakWords := a.int("width", 79), a.bool("break_long_words", true)
	wrap, hyphens := a.value("wrapstring", nil), a.bool("break_on_hyphens", true)
	mark := "\n"
	if wrap != nil {
		mark = a.toText("wrapstring", wrap)
	}
	if width <= 0 {
		a.fail("invalid width %d (must be > 0)", width)
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	s, err := needText(v)
	if err != nil {
		return nil, err
	}
	if err := m.allocTimes(len(mark)+elementSize, 1+len(s)); err != nil {
		return nil, err
	}
	var lines []string
	for _, line := range splitLines(s, false) {
		lines = append(lines, strings.Join(wrapLine(line, width, breakWords, hyphens), mark))
	}
	return strings.Join(lines, mark), nil
}

var (
	wordPattern   = regexp.MustCompile(`[\p{L}\p{N}_]+`)
	chunkPattern  = regexp.MustCompile(`\s+|\S+`)
	hyphenPattern = regexp.MustCompile(`[^\s-]*\p{L}-+|[^\s-]+|-+`)
	tagPattern    = regexp.MustCompile(`(?s)<!--.*?-->|<[^>]*>`)
)

func wrapLine(line string, width int, breakWords, hyphens bool) []string {
	var chunks []string
	for _, c := range chunkPattern.FindAllString(line, -1) {
		if hyphens && strings.Contains(c, "-") {
			chunks = append(chunks, hyphenPattern.FindAllString(c, -1)...)
		} else {
			chunks = append(chunks, c)
		}
	}
	var lines []string
	current, used := "", 0
	flush := func() {
		if current = strings.TrimRightFunc(current, unicode.IsSpace); current != "" {
			lines = append(lines, current)
		}
		current, used = "", 0
	}
	for _, c := range chunks {
		n := utf8.RuneCountInString(c)
		if used+n > width && used > 0 && (n <= width || !breakWords || strings.TrimSpace(c) == "") {
			flush()
		}
		if used == 0 && len(lines) > 0 && strings.TrimSpace(c) == "" {
			continue
		}
		for breakWords && used+n > width {
			r := []rune(c)
			current += string(r[:width-used])
			c = string(r[width-used:])
			n = len(r) - (width - used)
			flush()
		}
		current += c
		used += n
	}
	flush()
	return lines
}

// stripTags removes markup and joins runs of blanks.
func stripTags(s string) string {
	s = strings.Join(strings.Fields(tagPattern.ReplaceAllString(s, "")), " ")
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#39;", "'", "&#34;", `"`, "&quot;", `"`, "&amp;", "&").Replace(s)
}

func filterURLEncode(m *machine, v Value, a *args) (Value, error) {
	if err := a.end(); err != nil {
		return nil, err
	}
	if d, ok := v.(*Dict); ok {
		v = &View{"dict_items", d}
	}
	items, err := m.collect(v)
	if isText(v) || err != nil {
		return m.quoteURL(v, false)
	}
	parts := make([]string, len(items))
	for i, e := range items {
		pair, err := m.collect(e)
		if err != nil || len(pair) != 2 {
			return nil, errors.Join(errors.New("urlencode: expected pairs"), err)
		}
		key, err := m.quoteURL(pair[0], true)
		if err != nil {
			return nil, err
		}
		val, err := m.quoteURL(pair[1], true)
		if err != nil {
			return nil, err
		}
		parts[i] = key + "=" + val
	}
	return strings.Join(parts, "&"), nil
}

func (m *machine) quoteURL(v Value, query bool) (string, error) {
	s, err := m.str(v)
	if err != nil {
		return "", err
	}
	if err := m.alloc(3 * len(s)); err != nil {
		return "", err
	}
	out := strings.NewReplacer("%7E", "~").Replace(url.QueryEscape(s))
	if !query {
		out = strings.NewReplacer("+", "%20", "%2F", "/").Replace(out)
	}
	return out, nil
}

func filterFormat(m *machine, v Value, a *args) (Value, error) {
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	if len(a.pos) > 0 && len(a.kw) > 0 {
		return nil, errors.New("format: positional and keyword arguments at the same time")
	}
	if len(a.kw) == 0 {
		return m.percentFormat(s, Tuple(a.pos))
	}
	d := &Dict{}
	for _, k := range a.kw {
		d.Set(k.name, k.value)
	}
	return m.percentFormat(s, d)
}

func filterInt(m *machine, v Value, a *args) (Value, error) {
	def, base := a.value("default", int64(0)), a.int("base", 10)
	if err := a.end(); err != nil {
		return nil, err
	}
	if err := firstUndefined(v); err != nil {
		return nil, err
	}
	if i, ok := integer(v); ok {
		return narrow(i), nil
	}
	if s, ok := text(v); ok {
		if i, ok := pythonInt(s, base); ok {
			return i, nil
		}
		f, ok := pythonFloat(s)
		if !ok {
			return def, nil
		}
		v = f
	}
	if f, ok := v.(float64); ok && !math.IsNaN(f) && !math.IsInf(f, 0) {
		i, _ := big.NewFloat(f).Int(nil)
		return narrow(i), nil
	}
	return def, nil
}

// pythonInt is Python's int(s, base).
func pythonInt(s string, base int) (Value, bool) {
	s = strings.TrimFunc(s, isSpace)
	sign := ""
	if s != "" && (s[0] == '+' || s[0] == '-') {
		sign, s = s[:1], s[1:]
	}
	if len(s) > 2 && s[0] == '0' && base != 10 {
		if b := map[byte]int{'x': 16, 'o': 8, 'b': 2}[s[1]|0x20]; b != 0 && (base == b || base == 0) {
			base, s = b, s[2:]
		}
	}
	if base == 0 {
		base = 10
	}
	if s == "" || base < 2 || base > 36 || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") || s[0] == '+' || s[0] == '-' {
		return nil, false
	}
	v, err := parseInt(sign+strings.ReplaceAll(s, "_", ""), base)
	return v, err == nil
}

// pythonFloat is Python's float(s).
func pythonFloat(s string) (float64, bool) {
	s = strings.TrimFunc(s, isSpace)
	if strings.ContainsAny(s, "xXpP") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

func filterFloat(m *machine, v Value, a *args) (Value, error) {
	def := a.value("default", 0.0)
	if err := a.end(); err != nil {
		return nil, err
	}
	if err := firstUndefined(v); err != nil {
		return nil, err
	}
	if f, ok := float(v); ok {
		return f, nil
	}
	if s, ok := text(v); ok {
		if f, ok := pythonFloat(s); ok {
			return f, nil
		}
	}
	return def, nil
}

func filterRound(m *machine, v Value, a *args) (Value, error) {
	precision, how := a.int("precision", 0), a.textOr("method", "common")
	if how != "common" && how != "ceil" && how != "floor" {
		a.fail("method must be common, ceil or floor")
	}
	f, ok := float(v)
	if !ok {
		a.fail("cannot round %s", typeName(v))
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	precision = min(max(precision, -400), 400)
	scale := math.Pow(10, float64(precision))
	switch how {
	case "ceil":
		return math.Ceil(f*scale) / scale, nil
	case "floor":
		return math.Floor(f*scale) / scale, nil
	}
	if i, ok := integer(v); ok && precision >= 0 {
		return narrow(i), nil
	}
	if precision < 0 {
		f = math.RoundToEven(f*scale) / scale
	} else if !math.IsInf(f, 0) && !math.IsNaN(f) {
		f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'f', precision, 64), 64)
	}
	if _, ok := integer(v); ok {
		return int64(f), nil
	}
	return f, nil
}

func filterAbs(m *machine, v Value, a *args) (Value, error) {
	if err := a.end(); err != nil {
		return nil, err
	}
	if i, ok := integer(v); ok {
		return narrow(new(big.Int).Abs(i)), nil
	}
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	return nil, fmt.Errorf("bad operand type for abs(): '%s'", typeName(v))
}

func filterFileSize(v Value, a *args) (Value, error) {
	base, prefixes := 1000.0, []string{"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"}
	if a.bool("binary", false) {
		base, prefixes = 1024, []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}
	}
	size, ok := float(v)
	if s, isString := text(v); isString {
		size, ok = pythonFloat(s)
	}
	if !ok {
		a.fail("not a size: %s", typeName(v))
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	switch {
	case size == 1:
		return "1 Byte", nil
	case size < base:
		return fmt.Sprintf("%d Bytes", int64(size)), nil
	}
	unit := base
	for i, p := range prefixes {
		unit *= base
		if size < unit || i == len(prefixes)-1 {
			return fmt.Sprintf("%.1f %s", base*size/unit, p), nil
		}
	}
	return nil, nil
}
