package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/pennyml/penny/chat/jinja"
)

// Message is one turn of a conversation, with the fields of the OpenAI chat format and reasoning_content.
type Message struct {
	Role       string
	Content    string
	Parts      []Part // content given as a list of parts; Content is not used then
	NoContent  bool   // content was null or not there
	Reasoning  string // reasoning_content
	ToolCalls  []ToolCall
	ToolCallID string
	Name       string
	Extra      *jinja.Dict // other fields, for the template
}

// Part is one part of a content list: {"type": "text", "text": ...} or another kind with its own fields.
type Part struct{ Fields *jinja.Dict }

// Text is the text of a text part.
func (p Part) Text() (string, bool) {
	if t, _ := p.Fields.Get("type"); t != "text" {
		return "", false
	}
	s, _ := p.Fields.Get("text")
	text, ok := s.(string)
	return text, ok
}

// ToolCall is a call that an assistant's message makes.
type ToolCall struct {
	ID        string
	Name      string
	Arguments Arguments
}

// Arguments are those of a tool call: an object with its keys in order, or text, which should be the JSON of one.
type Arguments struct {
	Object *jinja.Dict
	Text   string // when Object is nil
}

// object returns the arguments as an object if they are or spell one.
func (a Arguments) object() (*jinja.Dict, bool) {
	if a.Object != nil {
		return a.Object, true
	}
	v, err := jinja.DecodeJSON([]byte(a.Text))
	d, ok := v.(*jinja.Dict)
	return d, ok && err == nil
}

// text returns the arguments as JSON text, spaced as Python spaces it.
func (a Arguments) text() (string, error) {
	if a.Object == nil {
		return a.Text, nil
	}
	return jinja.EncodeJSON(a.Object)
}

// UnmarshalJSON reads a message. Keys of objects keep their order.
func (m *Message) UnmarshalJSON(data []byte) error {
	v, err := jinja.DecodeJSON(data)
	if err == nil {
		*m, err = MessageOf(v)
	}
	return err
}

// MessageOf reads a message that is decoded already.
func MessageOf(v jinja.Value) (Message, error) {
	d, ok := v.(*jinja.Dict)
	if !ok {
		return Message{}, errors.New("message: not an object")
	}
	m := Message{NoContent: true}
	for key, v := range d.All() {
		name, ok := key.(string)
		if !ok {
			return Message{}, fmt.Errorf("message: key %v is not a string", key)
		}
		if err := m.setField(name, v); err != nil {
			return Message{}, fmt.Errorf("message: %s: %w", name, err)
		}
	}
	if m.Role == "" {
		return Message{}, errors.New("message: no role")
	}
	return m, nil
}

func (m *Message) setField(key string, v jinja.Value) error {
	var err error
	switch key {
	case "role":
		m.Role, err = asText(v)
	case "content":
		return m.setContent(v)
	case "reasoning_content":
		m.Reasoning, err = asTextOrNull(v)
	case "tool_call_id":
		m.ToolCallID, err = asTextOrNull(v)
	case "name":
		m.Name, err = asTextOrNull(v)
	case "tool_calls":
		return m.setToolCalls(v)
	default:
		if m.Extra == nil {
			m.Extra = &jinja.Dict{}
		}
		m.Extra.Set(key, v)
	}
	return err
}

func asText(v jinja.Value) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", errors.New("not a string")
	}
	return s, nil
}

func asTextOrNull(v jinja.Value) (string, error) {
	if v == nil {
		return "", nil
	}
	return asText(v)
}

func (m *Message) setContent(v jinja.Value) error {
	m.NoContent = v == nil
	list, ok := v.(jinja.List)
	if !ok {
		s, err := asTextOrNull(v)
		m.Content = s
		return err
	}
	m.Parts = make([]Part, len(list))
	for i, e := range list {
		d, ok := e.(*jinja.Dict)
		if s, isText := e.(string); isText {
			d, ok = jinja.NewDict("type", "text", "text", s), true
		}
		if !ok {
			return fmt.Errorf("part %d is not an object", i)
		}
		m.Parts[i] = Part{d}
	}
	return nil
}

func (m *Message) setToolCalls(v jinja.Value) error {
	if v == nil {
		return nil
	}
	list, ok := v.(jinja.List)
	if !ok {
		return errors.New("not a list")
	}
	for i, e := range list {
		c, err := toolCall(e)
		if err != nil {
			return fmt.Errorf("call %d: %w", i, err)
		}
		m.ToolCalls = append(m.ToolCalls, c)
	}
	return nil
}

// toolCall reads {"id", "type", "function": {"name", "arguments"}}, the function wrapper being optional.
func toolCall(v jinja.Value) (ToolCall, error) {
	var c ToolCall
	d, ok := v.(*jinja.Dict)
	if !ok {
		return c, errors.New("not an object")
	}
	id, _ := d.Get("id")
	c.ID, _ = id.(string)
	if f, ok := d.Get("function"); ok {
		if d, ok = f.(*jinja.Dict); !ok {
			return c, errors.New("function is not an object")
		}
	}
	name, _ := d.Get("name")
	if c.Name, ok = name.(string); !ok {
		return c, errors.New("no function name")
	}
	switch a, _ := d.Get("arguments"); a := a.(type) {
	case nil:
		c.Arguments.Object = &jinja.Dict{}
	case string:
		c.Arguments.Text = a
	case *jinja.Dict:
		c.Arguments.Object = a
	default:
		return c, errors.New("arguments are neither an object nor a string")
	}
	return c, nil
}

// MarshalJSON writes the message; arguments of tool calls are text, as in the OpenAI format.
func (m Message) MarshalJSON() ([]byte, error) {
	d, err := m.value(style{asWritten: true, argumentsAsText: true, parts: true, reasoningKey: "reasoning_content"})
	if err != nil {
		return nil, err
	}
	s, err := jinja.EncodeJSON(d)
	return []byte(s), err
}

var _ json.Marshaler = Message{}

// style is the form in which a template wants messages.
type style struct {
	asWritten       bool   // content as it was given
	argumentsAsText bool   // tool call arguments as JSON text, not as an object
	parts           bool   // content lists are understood
	textAsParts     bool   // plain text is not understood, only content lists
	nullContent     bool   // tool calls without content are understood with null as content, not with ""
	reasoningKey    string // the field of past reasoning
}

// value is the message as a template sees it.
func (m Message) value(s style) (*jinja.Dict, error) {
	d := jinja.NewDict("role", m.Role, "content", m.content(s))
	if m.Reasoning != "" {
		d.Set(s.reasoningKey, m.Reasoning)
	}
	if len(m.ToolCalls) > 0 {
		calls := make(jinja.List, len(m.ToolCalls))
		for i, c := range m.ToolCalls {
			v, err := c.value(s)
			if err != nil {
				return nil, fmt.Errorf("tool call %q: %w", c.Name, err)
			}
			calls[i] = v
		}
		d.Set("tool_calls", calls)
	}
	if m.ToolCallID != "" {
		d.Set("tool_call_id", m.ToolCallID)
	}
	if m.Name != "" {
		d.Set("name", m.Name)
	}
	if m.Extra != nil {
		for k, v := range m.Extra.All() {
			d.Set(k.(string), v)
		}
	}
	return d, nil
}

func (m Message) content(s style) jinja.Value {
	switch {
	case m.Parts != nil && s.parts:
		parts := make(jinja.List, len(m.Parts))
		for i, p := range m.Parts {
			parts[i] = p.Fields
		}
		return parts
	case m.Parts != nil:
		return m.Text()
	case len(m.ToolCalls) > 0 && m.Content == "" && !s.asWritten:
		if s.nullContent {
			return nil
		}
		return ""
	case m.NoContent:
		return nil
	case s.textAsParts:
		return jinja.List{jinja.NewDict("type", "text", "text", m.Content)}
	}
	return m.Content
}

// Text is the content as one text; text parts are joined by line breaks, other parts left out.
func (m Message) Text() string {
	if m.Parts == nil {
		return m.Content
	}
	var texts []string
	for _, p := range m.Parts {
		if s, ok := p.Text(); ok {
			texts = append(texts, s)
		}
	}
	return strings.Join(texts, "\n")
}

func (c ToolCall) value(s style) (*jinja.Dict, error) {
	var arguments jinja.Value
	if object, ok := c.Arguments.object(); ok && !s.argumentsAsText {
		arguments = object
	} else {
		text, err := c.Arguments.text()
		if err != nil {
			return nil, err
		}
		arguments = text
	}
	d := jinja.NewDict("id", c.ID, "type", "function", "function", jinja.NewDict("name", c.Name, "arguments", arguments))
	return d, nil
}
