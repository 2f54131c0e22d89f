package chat

// fallbackTemplates are stand-ins for a missing template, by a token that only their family's vocabularies hold. The last fits any model.
var fallbackTemplates = []struct {
	name, token, bos, eos, text string
	stops                       []string
}{
	{name: "ChatML", token: "<|im_start|>", eos: "<|im_end|>", text: `{% for m in messages %}
{{ '<|im_start|>' + m.role + '\n' + (m.content or '') + '<|im_end|>\n' }}
{%- endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`},
	{name: "Llama 3", token: "<|start_header_id|>", bos: "<|begin_of_text|>", eos: "<|eot_id|>", text: `{{ bos_token }}{% for m in messages %}
{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + (m.content or '')|trim + '<|eot_id|>' }}
{%- endfor %}
{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}`},
	{name: "DeepSeek", token: "<｜User｜>", bos: "<｜begin▁of▁sentence｜>", eos: "<｜end▁of▁sentence｜>", text: `{{ bos_token }}{% for m in messages %}
{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'assistant' %}
{{ '<｜Assistant｜>' + (m.content or '').split('</think>')[-1] + eos_token }}{% else %}{{ '<｜User｜>' + (m.content or '') }}{% endif %}
{% endfor %}
{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}`},
	{name: "plain", stops: []string{"\nUser:"}, text: `{{ bos_token }}{% for m in messages %}
{% if m.role == 'system' %}{{ (m.content or '') + '\n\n' }}{% else %}{{ m.role|capitalize + ': ' + (m.content or '')|trim + '\n' }}{% endif %}
{% endfor %}
{% if add_generation_prompt %}Assistant:{% endif %}`},
}

// fallback returns a template for a model that has none, chosen by the known tokens of its vocabulary, and its name.
func fallback(known map[string]bool, tokens Tokens) (t *Template, name string) {
	for _, f := range fallbackTemplates {
		if f.token != "" && !known[f.token] {
			continue
		}
		all := Tokens{"bos_token": f.bos, "eos_token": f.eos}
		for name, token := range tokens {
			all[name] = token
		}
		t, err := Compile(f.text, all)
		if err != nil {
			panic("chat: fallback template " + f.name + ": " + err.Error())
		}
		t.Stops = f.stops
		return t, f.name
	}
	panic("chat: the last fallback fits any model")
}
