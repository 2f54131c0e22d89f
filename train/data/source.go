package data

import (
	"fmt"
	"iter"
)

// format is that of a source's files.
func (s *Source) format(paths []string) (string, error) {
	if s.Format != "" {
		return s.Format, nil
	}
	format := formatOf(paths[0])
	if format == "" {
		return "", fmt.Errorf("%s: its name tells no format: give one", paths[0])
	}
	return format, nil
}

// newReader opens a file of records. Cut says where long texts may be cut.
func newReader(path, format string, s *Source, cut func([]byte) int) (reader, error) {
	if format == formatText {
		return &textReader{delimited{path: path, separator: s.Separator, cut: cut}}, nil
	}
	rule, err := newRowRule(s)
	if err != nil {
		return nil, err
	}
	if format == formatParquet {
		return newParquetReader(path, rule)
	}
	return newJSONReader(path, rule)
}

// Texts yields the texts of sources, for learning a vocabulary: long ones in parts that end with a line, of conversations each message.
func Texts(sources []Source, dirs []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for i := range sources {
			if !sources[i].texts(dirs, yield) {
				return
			}
		}
	}
}

// texts yields the texts of one source; it returns false when no more are wanted.
func (s *Source) texts(dirs []string, yield func(string, error) bool) bool {
	fail := func(err error) bool {
		yield("", err)
		return false
	}
	paths, err := Find(s.Paths(), dirs)
	if err != nil {
		return fail(err)
	}
	format, err := s.format(paths)
	if err == nil && format == formatTokens {
		err = fmt.Errorf("%s: token files hold no text", paths[0])
	}
	if err != nil {
		return fail(fmt.Errorf("data: %w", err))
	}
	for _, path := range paths {
		r, err := newReader(path, format, s, lineStart)
		if err != nil {
			return fail(fmt.Errorf("data: %w", err))
		}
		more := true
		for rec, err := range r.scan() {
			if err != nil {
				more = fail(fmt.Errorf("data: %w", err))
			} else {
				more = rec.texts(yield)
			}
			if !more {
				break
			}
		}
		if err := r.close(); err != nil && more {
			return fail(fmt.Errorf("data: %s: %w", path, err))
		}
		if !more {
			return false
		}
	}
	return true
}

// lineStart finds a place where a line begins with something, which is where every usual vocabulary splits text.
func lineStart(text []byte) int {
	for i := len(text) / 2; i < len(text); i++ {
		if text[i-1] == '\n' && !blank(text[i]) {
			return i
		}
	}
	return -1
}

// texts yields the texts of a record.
func (r *Record) texts(yield func(string, error) bool) bool {
	all := []string{r.Text}
	switch r.Kind {
	case Pair:
		all = []string{r.Prompt + r.Completion}
	case Chat:
		all = all[:0]
		for _, m := range r.Messages {
			all = append(all, m.Reasoning, m.Text())
		}
	}
	for _, s := range all {
		if s != "" && !yield(s, nil) {
			return false
		}
	}
	return true
}
