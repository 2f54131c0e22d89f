package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// hfConfig is what counts in a tokenizer_config.json.
type hfConfig struct {
	BOS          tokenName       `json:"bos_token"`
	EOS          tokenName       `json:"eos_token"`
	UNK          tokenName       `json:"unk_token"`
	PAD          tokenName       `json:"pad_token"`
	AddBOS       *bool           `json:"add_bos_token"`
	AddEOS       *bool           `json:"add_eos_token"`
	ChatTemplate json.RawMessage `json:"chat_template"`
}

// tokenName is a token given by text or as {"content": text}.
type tokenName string

func (n *tokenName) UnmarshalJSON(b []byte) error {
	var s *string
	if json.Unmarshal(b, &s) == nil {
		*n = tokenName(or(s, ""))
		return nil
	}
	var obj struct {
		Content string `json:"content"`
	}
	err := json.Unmarshal(b, &obj)
	*n = tokenName(obj.Content)
	return err
}

// configure reads the settings beside a tokenizer.json, where they exist: roles, BOS and EOS around texts, chat template.
func (t *Tokenizer) configure(dir string) error {
	var c hfConfig
	if err := readSettings(filepath.Join(dir, "tokenizer_config.json"), &c); err != nil {
		return err
	}
	r := &t.roles
	for _, role := range []struct {
		name tokenName
		id   *int32
	}{{c.BOS, &r.BOS}, {c.EOS, &r.EOS}, {c.UNK, &r.UNK}, {c.PAD, &r.PAD}} {
		if role.name != "" {
			*role.id = t.named(string(role.name))
		}
	}
	if err := t.around(&t.prefix, c.AddBOS, r.BOS, "bos"); err != nil {
		return err
	}
	if err := t.around(&t.suffix, c.AddEOS, r.EOS, "eos"); err != nil {
		return err
	}
	if err := t.readEOG(dir); err != nil {
		return err
	}
	return t.readTemplate(dir, c.ChatTemplate)
}

// named returns the id of a special token by name.
func (t *Tokenizer) named(name string) int32 {
	if id, ok := t.ID(name); ok {
		return id
	}
	return none
}

// around applies add_bos_token or add_eos_token, which stand above the post-processor.
func (t *Tokenizer) around(ids *[]int32, add *bool, id int32, name string) error {
	switch {
	case add == nil:
	case !*add:
		*ids = nil
	case id == none:
		return fmt.Errorf("tokenizer_config.json: add_%s_token is set, but there is no %s_token in the vocabulary", name, name)
	default:
		*ids = []int32{id}
	}
	return nil
}

// readEOG collects the ids that end an answer: EOS, those of generation_config.json and the added tokens known by name.
func (t *Tokenizer) readEOG(dir string) error {
	var g struct {
		EOS json.RawMessage `json:"eos_token_id"`
	}
	if err := readSettings(filepath.Join(dir, "generation_config.json"), &g); err != nil {
		return err
	}
	var ids []int32
	if len(g.EOS) > 0 && json.Unmarshal(g.EOS, &ids) != nil {
		var id *int32
		if err := json.Unmarshal(g.EOS, &id); err != nil {
			return fmt.Errorf("generation_config.json: eos_token_id: %w", err)
		}
		if id != nil {
			ids = []int32{*id}
		}
	}
	ids = slices.DeleteFunc(ids, func(id int32) bool { return !t.Valid(id) })
	names := make([]string, len(t.flags))
	for id := range names {
		if t.flags[id]&flagAdded != 0 {
			names[id] = t.pieces.at(id)
		}
	}
	t.roles.EOG = endOfGeneration(names, append(ids, t.roles.EOS)...)
	return nil
}

// readTemplate takes the chat template of tokenizer_config.json, one or several by name, or the one in a file of its own.
func (t *Tokenizer) readTemplate(dir string, raw json.RawMessage) error {
	if b, err := os.ReadFile(filepath.Join(dir, "chat_template.jinja")); err == nil {
		t.chat = string(b)
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(raw) == 0 || json.Unmarshal(raw, &t.chat) == nil {
		return nil
	}
	var named []struct{ Name, Template string }
	if err := json.Unmarshal(raw, &named); err != nil {
		return fmt.Errorf("tokenizer_config.json: chat_template: %w", err)
	}
	for i, n := range named {
		if n.Name == "default" || i == 0 {
			t.chat = n.Template
		}
	}
	return nil
}

// readSettings reads a JSON file; one that does not exist leaves v as it is.
func readSettings(path string, v any) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil
}
