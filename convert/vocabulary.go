package convert

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// WriteVocabulary writes the tokenizer and the chat template of a checkpoint, or those that stand alone, into a folder as Hugging Face's tools know
// them. from is a GGUF file, a folder, or a tokenizer.json. It returns what is worth knowing about the translation.
func WriteVocabulary(from, dir string) (notes []string, err error) {
	info, err := os.Stat(from)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, eachBeside(from, func(name string, data []byte) error {
			if name == "config.json" || strings.HasSuffix(name, ".md") || strings.HasPrefix(name, "LICENSE") {
				return nil
			}
			return writeFile(filepath.Join(dir, name), data)
		})
	case filepath.Ext(from) == ".json":
		data, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		return nil, writeFile(filepath.Join(dir, "tokenizer.json"), data)
	}
	s, err := openSource(from)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	j := &job{source: s, result: &Result{}}
	if err := j.hfVocab(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return j.result.Notes, nil
}
