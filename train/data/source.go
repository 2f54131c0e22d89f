package data

// newReader opens a file of records.
func newReader(path, format string, s *Source, e *encoder) (reader, error) {
	if format == formatText {
		return &textReader{delimited{path: path, separator: s.Separator, cut: e.cut}}, nil
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
