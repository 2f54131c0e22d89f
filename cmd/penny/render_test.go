package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pennyml/penny/chat"
)

func TestRenderLines(t *testing.T) {
	source := chat.Source{
		Templates: map[string]string{
			"default":  "{{ bos_token }}{% if x %}{{ raise_exception('no x, ' ~ x) }}{% endif %}{{ messages[0].content }}{{ strftime_now('%Y-%m-%d') }}",
			"tool_use": "{{ tools[0]|tojson }}",
		},
		Tokens: chat.Tokens{"bos_token": "<s>"},
	}
	in := `{"messages": [{"content": "é<&"}]}

{"messages": [{"content": "a"}], "bos_token": "B"}
{"messages": [], "tools": [{"z": 1, "a": 2.0}]}
{"messages": [], "x": "please"}
{"messages": []
{"prompt": 1}
{"messages": [{}], "bos_token": {}}`
	want := `{"prompt": "<s>é<&2026-01-15"}
{"prompt": "Ba2026-01-15"}
{"prompt": "{\"z\": 1, \"a\": 2.0}"}
{"error": "template raises: no x, please"}
{"error": "json: unexpected EOF"}
{"error": "no messages"}
{"prompt": "{}2026-01-15"}
`
	now, err := renderClock("2026-01-15")
	if err != nil {
		t.Fatal(err)
	}
	var out, warnings bytes.Buffer
	if err := renderLines(source, now, strings.NewReader(in), &out, &warnings); err != nil {
		t.Fatal(err)
	}
	if out.String() != want || warnings.Len() > 0 {
		t.Errorf("got\n%s\nwant\n%s\nwarnings %s", &out, want, &warnings)
	}
	out.Reset()
	if err := renderLines(chat.Source{}, now, strings.NewReader(`{"messages": [{"role": "user", "content": "hi"}]}`), &out, &warnings); err != nil {
		t.Fatal(err)
	}
	if out.String() != "{\"prompt\": \"User: hi\\n\"}\n" || !strings.Contains(warnings.String(), "no chat template") {
		t.Errorf("got %s, warnings %s", &out, &warnings)
	}
}
