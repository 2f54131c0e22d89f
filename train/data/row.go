package data

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pennyml/penny/chat"
	"github.com/pennyml/penny/chat/jinja"
)

// rowRule makes records of rows: of JSON objects and of the rows of tables.
type rowRule struct {
	messages, prompt, completion, text *field
	chat                               bool
	system                             string
}

// field is the name of a field, or a template over the fields.
type field struct {
	name     string
	template *jinja.Template
}

func newField(s string) (*field, error) {
	if s == "" {
		return nil, nil
	}
	if !strings.Contains(s, "{{") && !strings.Contains(s, "{%") {
		return &field{name: s}, nil
	}
	t, err := jinja.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", s, err)
	}
	return &field{s, t}, nil
}

func newRowRule(s *Source) (*rowRule, error) {
	r := &rowRule{chat: s.Chat, system: s.System}
	for _, f := range []struct {
		key, value string
		to         **field
	}{{"messages", s.Messages, &r.messages}, {"prompt", s.Prompt, &r.prompt}, {"completion", s.Completion, &r.completion}, {"text", s.Text, &r.text}} {
		var err error
		if *f.to, err = newField(f.value); err != nil {
			return nil, fmt.Errorf("%s: %w", f.key, err)
		}
	}
	return r, nil
}

// fields are the names of the fields that records are made of; nil: any.
func (r *rowRule) fields() []string {
	list := []string{"tools", "chat_template_kwargs"}
	for _, f := range []*field{r.messages, r.prompt, r.completion, r.text} {
		if f != nil && f.template != nil {
			return nil
		}
		if f != nil {
			list = append(list, f.name)
		}
	}
	if len(list) == 2 {
		list = append(list, "messages", "conversations", "prompt", "completion", "text")
	}
	return list
}

// record makes a record of a row.
func (r *rowRule) record(v jinja.Value) (Record, error) {
	if s, ok := v.(string); ok {
		return Record{Text: s}, nil
	}
	d, ok := v.(*jinja.Dict)
	if !ok {
		return Record{}, errors.New("neither an object nor a string")
	}
	has := func(name string) bool { _, ok := d.Get(name); return ok }
	rule := *r
	if r.messages == nil && r.prompt == nil && r.text == nil {
		switch {
		case has("messages"):
			rule.messages = &field{name: "messages"}
		case has("conversations"):
			rule.messages = &field{name: "conversations"}
		case has("prompt") && has("completion"):
			rule.prompt, rule.completion = &field{name: "prompt"}, &field{name: "completion"}
		case has("text"):
			rule.text = &field{name: "text"}
		default:
			return Record{}, fmt.Errorf("neither messages nor prompt and completion nor text; its fields are %s: say in the recipe which to take", names(d))
		}
	}
	switch {
	case rule.messages != nil:
		return rule.conversation(d)
	case rule.prompt != nil:
		return rule.pair(d)
	}
	text, err := rule.text.of(d)
	return Record{Text: text}, err
}

func names(d *jinja.Dict) string {
	var list []string
	for k := range d.All() {
		list = append(list, fmt.Sprint(k))
	}
	return strings.Join(list, ", ")
}

// value is the field as it is in a row.
func (f *field) value(d *jinja.Dict) (jinja.Value, error) {
	v, ok := d.Get(f.name)
	if !ok {
		return nil, fmt.Errorf("no field %q; its fields are %s", f.name, names(d))
	}
	return v, nil
}

// of is the field as text.
func (f *field) of(d *jinja.Dict) (string, error) {
	if f.template != nil {
		out, err := f.template.Render(d, jinja.Options{})
		if err != nil {
			return "", fmt.Errorf("%q: %w", f.name, err)
		}
		return out.Text, nil
	}
	v, err := f.value(d)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case nil, *jinja.Dict, jinja.List:
		return "", fmt.Errorf("field %q is no text", f.name)
	}
	return jinja.EncodeJSON(v) // a number
}

// pair reads prompt and completion: texts, or lists of messages.
func (r *rowRule) pair(d *jinja.Dict) (Record, error) {
	if r.prompt.template == nil && r.completion.template == nil {
		p, err := r.prompt.value(d)
		if err != nil {
			return Record{}, err
		}
		before, ok1 := p.(jinja.List)
		c, err := r.completion.value(d)
		if err != nil {
			return Record{}, err
		}
		after, ok2 := c.(jinja.List)
		if ok1 && ok2 {
			return r.dialogue(d, append(before[:len(before):len(before)], after...), len(before))
		}
	}
	prompt, err := r.prompt.of(d)
	if err != nil {
		return Record{}, err
	}
	completion, err := r.completion.of(d)
	if err != nil {
		return Record{}, err
	}
	if !r.chat {
		return Record{Kind: Pair, Prompt: prompt, Completion: completion}, nil
	}
	rec := Record{Kind: Chat}
	if r.system != "" {
		rec.Messages = append(rec.Messages, chat.Message{Role: "system", Content: r.system})
	}
	rec.Messages = append(rec.Messages, chat.Message{Role: "user", Content: prompt}, chat.Message{Role: assistant, Content: completion})
	return rec, nil
}

// conversation reads messages.
func (r *rowRule) conversation(d *jinja.Dict) (Record, error) {
	if r.messages.template != nil {
		return Record{}, errors.New("messages: a template makes text, not messages")
	}
	v, err := r.messages.value(d)
	if err != nil {
		return Record{}, err
	}
	list, ok := v.(jinja.List)
	if !ok {
		return Record{}, fmt.Errorf("field %q is no list of messages", r.messages.name)
	}
	return r.dialogue(d, list, 0)
}

// dialogue makes a conversation of messages, of which those before from are not learnt, and of the fields beside them.
func (r *rowRule) dialogue(d *jinja.Dict, list jinja.List, from int) (Record, error) {
	rec := Record{Kind: Chat, From: from}
	for i, v := range list {
		m, err := message(v)
		if err != nil {
			return Record{}, fmt.Errorf("messages[%d]: %w", i, err)
		}
		rec.Messages = append(rec.Messages, m)
	}
	if r.system != "" && (len(rec.Messages) == 0 || rec.Messages[0].Role != "system") {
		rec.Messages = append([]chat.Message{{Role: "system", Content: r.system}}, rec.Messages...)
		rec.From++
	}
	var err error
	if rec.Tools, err = tools(d); err != nil {
		return Record{}, fmt.Errorf("tools: %w", err)
	}
	if v, ok := d.Get("chat_template_kwargs"); ok && v != nil {
		if rec.Vars, ok = v.(*jinja.Dict); !ok {
			return Record{}, errors.New("chat_template_kwargs: not an object")
		}
	}
	return rec, nil
}

// tools reads the tools of a conversation: a list, or the JSON of one.
func tools(d *jinja.Dict) (jinja.List, error) {
	v, _ := d.Get("tools")
	if s, ok := v.(string); ok && s != "" {
		var err error
		if v, err = jinja.DecodeJSON([]byte(s)); err != nil {
			return nil, err
		}
	}
	switch v := v.(type) {
	case nil, string:
		return nil, nil
	case jinja.List:
		return v, nil
	}
	return nil, errors.New("not a list")
}

// shareRoles are the roles of {"from", "value"} messages.
var shareRoles = map[string]string{"human": "user", "gpt": assistant, "function_call": assistant, "observation": "tool", "function_response": "tool"}

// message reads {"role", "content", ...} or {"from", "value"}. Its content must be text.
func message(v jinja.Value) (chat.Message, error) {
	d, ok := v.(*jinja.Dict)
	if !ok {
		return chat.Message{}, errors.New("not an object")
	}
	if from, ok := d.Get("from"); ok {
		if _, ok := d.Get("role"); !ok {
			role, _ := from.(string)
			value, _ := d.Get("value")
			text, ok := value.(string)
			if role == "" || !ok {
				return chat.Message{}, errors.New("from and value are not both text")
			}
			if r, ok := shareRoles[role]; ok {
				role = r
			}
			return chat.Message{Role: role, Content: text}, nil
		}
	}
	m, err := chat.MessageOf(v)
	if err != nil {
		return m, err
	}
	for i, p := range m.Parts {
		if _, ok := p.Text(); !ok {
			return m, fmt.Errorf("content[%d] is no text part", i)
		}
	}
	return m, nil
}
