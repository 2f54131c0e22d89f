package data

import "iter"

// textReader reads the documents of a text file.
type textReader struct{ delimited }

func (t *textReader) scan() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for p, err := range t.delimited.scan() {
			if err != nil {
				yield(Record{}, err)
				return
			}
			if !yield(t.record(p), nil) {
				return
			}
		}
	}
}

func (t *textReader) record(p stretchOf) Record {
	return Record{Text: string(p.bytes), More: p.more, Path: t.path, Unit: "line", Number: p.line}
}

func (t *textReader) len() int { return t.records }

func (t *textReader) read(i int) (Record, error) {
	p, err := t.delimited.read(i)
	return t.record(p), err
}
