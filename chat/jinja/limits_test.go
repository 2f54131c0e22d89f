package jinja

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
)

// hostile are templates that would take all the time, memory or stack there is.
var hostile = map[string]string{
	"loops":          "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}{% endfor %}{% endfor %}{% endfor %}",
	"output":         "{% for a in range(100000) %}{{ 'x' * 100000 }}{% endfor %}",
	"doubling":       "{% set ns = namespace(s='xxxxxxxx') %}{% for a in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
	"doubling ~":     "{% set ns = namespace(s='xxxxxxxx') %}{% for a in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
	"list doubling":  "{% set ns = namespace(s=[1]) %}{% for a in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
	"shared lists":   "{% set ns = namespace(s=[1]) %}{% for a in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
	"shared equal":   "{% set ns = namespace(s=[1], t=[1]) %}{% for a in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}",
	"shared json":    "{% set ns = namespace(s=[1]) %}{% for a in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|tojson }}",
	"deep value":     "{% set ns = namespace(s=[1]) %}{% for a in range(100000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
	"deep json":      "{% set ns = namespace(s=[1]) %}{% for a in range(100000) %}{% set ns.s = {'a': ns.s} %}{% endfor %}{{ ns.s|tojson(indent=50) }}",
	"cycle":          "{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns }}",
	"recursion":      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
	"caller":         "{% macro f() %}{% call f() %}{% endcall %}{{ caller() }}{% endmacro %}{% call f() %}x{% endcall %}",
	"recursive loop": "{% set ns = namespace() %}{% set ns.a = [1] %}{% for x in ns.a recursive %}{{ loop([x]) }}{% endfor %}",
	"repeat":         "{{ 'a' * 10**15 }}",
	"repeat list":    "{{ ([1] * 10**9)|length }}",
	"power":          "{{ 10 ** (10 ** 10) }}",
	"power chain":    "{% set ns = namespace(x=3) %}{% for a in range(100) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
	"width %":        "{{ '%999999999999d' % 1 }}",
	"width * ":       "{{ '%*d' % (2**31 - 2, 1) }}",
	"precision %":    "{{ '%.999999999f' % 1.0 }}",
	"width format":   "{{ '{:>99999999999}'.format('a') }}",
	"center":         "{{ 'a'|center(2**31 - 2) }}",
	"zfill":          "{{ 'a'.zfill(2**31 - 2) }}",
	"indent":         "{{ ('\n' * 100000)|indent(100000, blank=true) }}",
	"replace":        "{{ ('a' * 100000)|replace('a', 'b' * 100000) }}",
	"join":           "{{ range(100000)|join('x' * 100000) }}",
	"batch":          "{{ [1]|batch(2**31 - 2, 'x')|list }}",
	"slice":          "{{ [1]|slice(2**31 - 2)|list }}",
	"expandtabs":     "{{ ('\t' * 100000).expandtabs(2**31 - 2) }}",
	"endless sort":   "{% for a in range(100000) %}{% set x = range(100000)|sort %}{% endfor %}",
	"big strings":    "{% set s = 'a' * 10000000 %}{% for a in range(100000) %}{{ 'b' in s }}{% endfor %}",
	"hold":           "{% set ns = namespace(l=[]) %}{% for a in range(100000) %}{% set ns.l = ns.l + ['x' * 1000000] %}{% endfor %}",
	"dict keys":      "{% for a in range(100000) %}{% set d = dict(range(100000)|map('list')) %}{% endfor %}",
	"format nesting": "{{ ('{0:' * 1000).format('a') }}",
	"items":          "{% for a in range(100000) %}{{ {'a': 1}|items|list|length }}{% for b in range(100000) %}{% endfor %}{% endfor %}",
}

// TestHostile checks that each ends with an error, in bounded memory.
func TestHostile(t *testing.T) {
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			tmpl, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			limits := Limits{Steps: 1_000_000, Bytes: 16 << 20}
			if _, err = tmpl.Render(nil, Options{Limits: limits}); err == nil {
				t.Error("no error")
			}
			runtime.ReadMemStats(&after)
			if made := after.TotalAlloc - before.TotalAlloc; made > 1<<28 {
				t.Errorf("%d MiB allocated under a limit of %d", made>>20, limits.Bytes>>20)
			}
		})
	}
}

// TestNesting checks that deep template texts fail to parse or to render, and do not exhaust the stack.
func TestNesting(t *testing.T) {
	const n = 100_000
	for _, text := range []string{
		"{{ " + strings.Repeat("(", n) + "1" + strings.Repeat(")", n) + " }}",
		"{{ " + strings.Repeat("[", n),
		"{{ " + strings.Repeat("-", n) + "1 }}",
		"{% if " + strings.Repeat("not ", n) + "1 %}{% endif %}",
		"{{ 1" + strings.Repeat(" + 1", n) + " }}",
		"{{ 1" + strings.Repeat(" if 1 else 1", n) + " }}",
		"{{ 1" + strings.Repeat(" if 1", n) + " }}",
		"{{ a" + strings.Repeat(".b", n) + " }}",
		"{{ a" + strings.Repeat("|d", n) + " }}",
		"{{ a" + strings.Repeat(" is defined and a", n) + " }}",
		strings.Repeat("{% if 1 %}", n) + strings.Repeat("{% endif %}", n),
		strings.Repeat("{% for x in [1] %}", n) + strings.Repeat("{% endfor %}", n),
		strings.Repeat("{% macro f() %}", n),
		"{% for " + strings.Repeat("(", n) + "a in b %}{% endfor %}",
		"{% set x " + strings.Repeat("|upper", n) + "%}{% endset %}",
		strings.Repeat("x", maxSource+1),
	} {
		if got, err := render(text, NewDict("a", int64(1))); err == nil {
			t.Errorf("%.40s...: no error, got %.40q", text, got)
		}
	}
}

// TestErrors checks that an error names its line, and that a template's own error can be told from others.
func TestErrors(t *testing.T) {
	_, err := render("a\n{% if true %}\n{{ raise_exception('no ' ~ 'way') }}\n{% endif %}", nil)
	var raised *Raised
	if !errors.As(err, &raised) || raised.Message != "no way" || err.Error() != "template line 3: template raises: no way" {
		t.Errorf("got %v", err)
	}
	if _, err = render("\n\n{{ x.y }}", nil); err == nil || err.Error() != "template line 3: 'x' is undefined" {
		t.Errorf("got %v", err)
	}
	if _, err = render("\n{% if %}", nil); err == nil || !strings.HasPrefix(err.Error(), "template line 2:") {
		t.Errorf("got %v", err)
	}
	if _, err = render("{{ strftime_now('%Y') }}", nil); err != nil {
		t.Errorf("got %v", err)
	}
	tmpl, _ := Parse("{{ strftime_now('%Y') }}")
	if _, err = tmpl.Render(nil, Options{}); err == nil {
		t.Error("a clock without Options.Now")
	}
}

// TestGenerated checks the places of {% generation %} blocks in the text.
func TestGenerated(t *testing.T) {
	tmpl, err := Parse("{% for m in messages %}<{{ m.role }}>{% generation %}{{ m.text }}{% endgeneration %}\n{% endfor %}")
	if err != nil {
		t.Fatal(err)
	}
	messages := List{NewDict("role", "a", "text", "é1"), NewDict("role", "b", "text", "2")}
	got, err := tmpl.Render(NewDict("messages", messages), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, s := range got.Generated {
		parts = append(parts, got.Text[s.Start:s.End])
	}
	if got.Text != "<a>é1<b>2" || strings.Join(parts, ",") != "é1,2" {
		t.Errorf("got %q %q", got.Text, parts)
	}
}

// TestJSONRoundTrip checks key order, number forms and the refusal of broken documents.
func TestJSONRoundTrip(t *testing.T) {
	const doc = `{"z": 1, "a": [1.0, 1e+16, -0.0, 12345678901234567890], "é": null, "b": {"y": true, "x": "\"\\\n\u0001"}}`
	v, err := DecodeJSON([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := render("{{ v|tojson }}", NewDict("v", v)); err != nil || got != doc {
		t.Errorf("got %s, %v", got, err)
	}
	for _, bad := range []string{"", "{", `{"a"}`, `{"a":1,}`, "[1 2]", "1 2", "nul", strings.Repeat("[", 100000), strings.Repeat(`{"a":`, 100000)} {
		if _, err := DecodeJSON([]byte(bad)); err == nil {
			t.Errorf("%.20q: no error", bad)
		}
	}
}

// FuzzRender looks for panics and for renderings that escape their limits.
func FuzzRender(f *testing.F) {
	for _, text := range hostile {
		f.Add(text, "{}")
	}
	seeds := 0
	lines(f, "testdata/reference.jsonl", func(line []byte) {
		var c struct{ Template string }
		if err := json.Unmarshal(line, &c); err == nil && seeds%10 == 0 {
			f.Add(c.Template, `{"s": "Hello, World", "l": [3, 1, 2], "d": {"a": 1}, "i": 7, "f": 2.5, "n": null, "users": [{"name": "x", "age": 3}]}`)
		}
		seeds++
	})
	f.Fuzz(func(t *testing.T, text, document string) {
		tmpl, err := Parse(text)
		if err != nil {
			return
		}
		v, _ := DecodeJSON([]byte(document))
		vars, _ := v.(*Dict)
		got, err := tmpl.Render(vars, Options{Now: referenceDay, Limits: Limits{Steps: 200_000, Bytes: 4 << 20}})
		if err == nil && len(got.Text) > 4<<20 {
			t.Errorf("%d bytes", len(got.Text))
		}
	})
}
