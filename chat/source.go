package chat

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pennyml/penny/chat/jinja"
	"github.com/pennyml/penny/format/gguf"
)

// Source is what a model's files say about its prompts.
type Source struct {
	Templates map[string]string // template texts by name; most models have "default" only, some "tool_use" besides
	Tokens    Tokens            // special tokens
	Known     map[string]bool   // those tokens of the vocabulary that tell a family of templates
}

// Tokens are special tokens by role: bos_token, eos_token, unk_token, pad_token, ... are texts, additional_special_tokens a list of them.
type Tokens map[string]jinja.Value

func newSource() Source {
	return Source{Templates: map[string]string{}, Tokens: Tokens{}, Known: map[string]bool{}}
}

// note remembers a token of the vocabulary if a fallback template goes by it.
func (s Source) note(token string) {
	for _, f := range fallbackTemplates {
		if f.token == token {
			s.Known[token] = true
		}
	}
}

// Open reads the chat templates and special tokens of a template file (.jinja), a Hugging Face folder or a GGUF file. A source without template is no
// error.
func Open(path string) (Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Source{}, err
	}
	if info.IsDir() {
		return readFolder(path)
	}
	switch filepath.Ext(strings.ToLower(path)) {
	case ".gguf":
		f, err := gguf.Open(path)
		if err != nil {
			return Source{}, err
		}
		defer f.Close()
		return FromGGUF(&f.Meta), nil
	case ".jinja", ".jinja2", ".j2", ".txt":
		s := newSource()
		s.Templates["default"], err = readText(path)
		return s, err
	}
	return Source{}, fmt.Errorf("%s: neither a folder nor a .gguf or .jinja file", path)
}

// Template compiles the template for conversations with or without tools. When the source has none it gives a fallback and a warning that says so.
func (s Source) Template(withTools bool) (t *Template, warning string, err error) {
	text, ok := s.Templates["tool_use"]
	if !ok || !withTools {
		if text, ok = s.Templates["default"]; !ok && len(s.Templates) == 1 {
			for _, only := range s.Templates {
				text, ok = only, true
			}
		}
	}
	if !ok {
		t, name := fallback(s.Known, s.Tokens)
		return t, "the model has no chat template; taking the " + name + " form", nil
	}
	t, err = Compile(text, s.Tokens)
	return t, "", err
}

// FromGGUF reads the templates and special tokens of a GGUF file's metadata.
func FromGGUF(meta *gguf.Meta) Source {
	const key = "tokenizer.chat_template"
	s := newSource()
	for _, k := range meta.Keys() {
		name, ok := strings.CutPrefix(k, key)
		if text, isText := meta.String(k); ok && isText {
			if name = strings.TrimPrefix(name, "."); name == "" {
				name = "default"
			}
			s.Templates[name] = text
		}
	}
	vocab, _ := meta.Strings("tokenizer.ggml.tokens")
	for role, name := range map[string]string{"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"} {
		if id, ok := meta.Uint("tokenizer.ggml." + name + "_token_id"); ok && id < uint64(len(vocab)) {
			s.Tokens[role] = vocab[id]
		}
	}
	for _, token := range vocab {
		s.note(token)
	}
	return s
}

// readFolder reads a Hugging Face folder. A chat_template.jinja stands above what tokenizer_config.json says.
func readFolder(dir string) (Source, error) {
	s := newSource()
	for _, read := range []struct {
		file string
		use  func(text string) error
	}{
		{"special_tokens_map.json", s.addSettings},
		{"tokenizer_config.json", s.addSettings},
		{"chat_template.json", s.addSettings},
		{"chat_template.jinja", func(text string) error { s.Templates["default"] = text; return nil }},
	} {
		path := filepath.Join(dir, read.file)
		text, err := readText(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = read.use(text)
		}
		if err != nil {
			return Source{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	more, err := filepath.Glob(filepath.Join(dir, "additional_chat_templates", "*.jinja"))
	if err != nil {
		return Source{}, err
	}
	for _, path := range more {
		text, err := readText(path)
		if err != nil {
			return Source{}, err
		}
		s.Templates[strings.TrimSuffix(filepath.Base(path), ".jinja")] = text
	}
	return s, nil
}

// addSettings takes special tokens and templates from a settings file.
func (s Source) addSettings(text string) error {
	v, err := jinja.DecodeJSON([]byte(text))
	if err != nil {
		return err
	}
	settings, ok := v.(*jinja.Dict)
	if !ok {
		return errors.New("not a JSON object")
	}
	for key, v := range settings.All() {
		role := key.(string)
		if token, ok := tokenText(v); ok && strings.HasSuffix(role, "_token") {
			s.Tokens[role] = token
		}
		if list, ok := v.(jinja.List); ok && role == "additional_special_tokens" {
			var texts jinja.List
			for _, e := range list {
				if token, ok := tokenText(e); ok {
					texts = append(texts, token)
				}
			}
			s.Tokens[role] = texts
		}
	}
	if added, _ := settings.Get("added_tokens_decoder"); added != nil {
		if d, ok := added.(*jinja.Dict); ok {
			for _, v := range d.All() {
				if token, ok := tokenText(v); ok {
					s.note(token)
				}
			}
		}
	}
	switch t, _ := settings.Get("chat_template"); t := t.(type) {
	case nil:
	case string:
		s.Templates["default"] = t
	case jinja.List:
		return s.addNamed(t)
	default:
		return errors.New("chat_template is neither a string nor a list")
	}
	return nil
}

// addNamed takes templates from a list of {"name", "template"}.
func (s Source) addNamed(list jinja.List) error {
	for i, e := range list {
		d, ok := e.(*jinja.Dict)
		if !ok {
			return fmt.Errorf("chat_template: entry %d is not an object", i)
		}
		name, _ := d.Get("name")
		text, _ := d.Get("template")
		n, okName := name.(string)
		t, okText := text.(string)
		if !okName || !okText {
			return fmt.Errorf("chat_template: entry %d lacks name or template", i)
		}
		s.Templates[n] = t
	}
	return nil
}

// tokenText reads a token given by text or as {"content": text}.
func tokenText(v jinja.Value) (string, bool) {
	if d, ok := v.(*jinja.Dict); ok {
		v, _ = d.Get("content")
	}
	s, ok := v.(string)
	return s, ok
}

// maxSettings is the most that is read of a settings or template file: the largest published ones, with tens of thousands of added tokens, have 10 MB.
const maxSettings = 64 << 20

func readText(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Size() > maxSettings {
		return "", fmt.Errorf("%s: %d bytes, at most %d are read", path, info.Size(), maxSettings)
	}
	data, err := os.ReadFile(path)
	return string(data), err
}
