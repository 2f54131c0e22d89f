package tokenizer

import "errors"

type charsmap struct{}

func parseCharsmap(blob []byte) (*charsmap, error) { return nil, errors.New("not yet") }

func (m *charsmap) normalize(s string) string { return s }

func (f *hfFile) buildUnigram(t *Tokenizer) error { return errors.New("not yet") }
