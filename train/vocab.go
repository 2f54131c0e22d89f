package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/pennyml/penny/chat"
	"github.com/pennyml/penny/convert"
	"github.com/pennyml/penny/run"
	"github.com/pennyml/penny/tokenizer"
	"github.com/pennyml/penny/train/data"
)

// WriteVocabulary puts the vocabulary that a recipe asks for into an empty folder: one learnt from the text that c names, or that of a file or
// checkpoint. It returns what is worth knowing about the translation.
func WriteVocabulary(dir string, t *Tokenizer, m *Model, c data.Config, dirs []string) (notes []string, err error) {
	switch t.Kind {
	case "":
		return convert.WriteVocabulary(m.From, dir)
	case "file":
		return convert.WriteVocabulary(t.Path, dir)
	}
	text, err := t.learn(c, dirs)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	settings := map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false}
	for key, token := range map[string]string{"bos_token": t.BOS, "eos_token": t.EOS} {
		if token == "" {
			continue
		}
		if !slices.Contains(t.Special, token) {
			return nil, fmt.Errorf("tokenizer: %s %q is not among the special tokens", key, token)
		}
		settings[key] = token
	}
	if t.BOS != "" {
		settings["add_bos_token"] = true
	}
	if t.Template != "" {
		if _, err := chat.Compile(t.Template, chat.Tokens{}); err != nil {
			return nil, fmt.Errorf("tokenizer.chat_template: %w", err)
		}
		settings["chat_template"] = t.Template
	}
	config, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		return nil, err
	}
	return nil, errors.Join(writeSynced(filepath.Join(dir, "tokenizer.json"), text), writeSynced(filepath.Join(dir, "tokenizer_config.json"), append(config, '\n')))
}

// learn makes a tokenizer.json of text.
func (t *Tokenizer) learn(c data.Config, dirs []string) ([]byte, error) {
	if t.Kind == "byte" {
		return tokenizer.TrainBytes(t.Special)
	}
	var failed error
	texts := func(yield func(string) bool) {
		for text, err := range data.Texts(c.Sources, dirs) {
			if err != nil {
				failed = err
				return
			}
			if !yield(text) {
				return
			}
		}
	}
	var text []byte
	var err error
	if t.Kind == "char" {
		text, err = tokenizer.TrainChars(t.Special, texts)
	} else {
		text, err = tokenizer.Train(tokenizer.TrainConfig{VocabSize: t.VocabSize, Special: t.Special}, texts)
	}
	return text, errors.Join(failed, err)
}

// DataFiles are the files that the sources of c name, those held out included.
func DataFiles(c data.Config, dirs []string) ([]string, error) {
	var files []string
	for _, s := range slices.Concat(c.Sources, c.Val.Sources) {
		found, err := data.Find(s.Paths(), dirs)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}

// OpenVocabulary reads the vocabulary in a folder.
func OpenVocabulary(dir string) (data.Vocabulary, error) {
	sum, _, err := run.HashTree(dir)
	if err != nil {
		return data.Vocabulary{}, err
	}
	v := data.Vocabulary{ID: string(sum)}
	if v.Tokenizer, err = tokenizer.Open(dir); err != nil {
		return v, err
	}
	source, err := chat.Open(dir)
	if err == nil && len(source.Templates) > 0 {
		v.Template, _, err = source.Template(false)
	}
	return v, err
}
