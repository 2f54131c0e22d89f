package data

import (
	"fmt"
)

// newReader opens a file of records.
func newReader(path, format string, s *Source, e *encoder) (reader, error) {
	switch format {
	case formatText:
		return &textReader{delimited{path: path, separator: s.Separator, cut: e.cut}}, nil
	}
	return nil, fmt.Errorf("%s: no reader for %s", path, format)
}
