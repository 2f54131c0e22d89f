package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/pennyml/penny/chat/jinja"
)

// jsonReader reads a file of JSON rows: one a line, or all in one list.
type jsonReader struct {
	delimited
	rule *rowRule
	list bool
}

func newJSONReader(path string, rule *rowRule) (*jsonReader, error) {
	j := &jsonReader{delimited: delimited{path: path, separator: "\n"}, rule: rule}
	r, err := open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b := bufio.NewReader(r)
	for {
		c, err := b.ReadByte()
		if err == io.EOF {
			return nil, fmt.Errorf("%s: it is empty", path)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if !blank(c) {
			j.list = c == '['
			return j, nil
		}
	}
}

func (j *jsonReader) scan() iter.Seq2[Record, error] {
	if j.list {
		return j.entries
	}
	return func(yield func(Record, error) bool) {
		for p, err := range j.delimited.scan() {
			var rec Record
			if err == nil {
				rec, err = j.record(p)
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

func (j *jsonReader) record(p stretchOf) (Record, error) {
	rec, err := j.row(p.bytes)
	if err != nil {
		return rec, fmt.Errorf("%s: line %d: %w", j.path, p.line, err)
	}
	rec.Path, rec.Unit, rec.Number = j.path, "line", p.line
	return rec, nil
}

func (j *jsonReader) row(b []byte) (Record, error) {
	v, err := jinja.DecodeJSON(bytes.TrimSpace(b))
	if err != nil {
		return Record{}, err
	}
	return j.rule.record(v)
}

// entries reads a list.
func (j *jsonReader) entries(yield func(Record, error) bool) {
	fail := func(n int64, err error) { yield(Record{}, fmt.Errorf("%s: entry %d: %w", j.path, n, err)) }
	r, err := open(j.path)
	if err != nil {
		yield(Record{}, err)
		return
	}
	defer r.Close()
	d := json.NewDecoder(r)
	if _, err := d.Token(); err != nil {
		fail(0, err)
		return
	}
	for n := int64(1); d.More(); n++ {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			fail(n, err)
			return
		}
		rec, err := j.row(raw)
		if err != nil {
			fail(n, err)
			return
		}
		rec.Path, rec.Unit, rec.Number = j.path, "entry", n
		if !yield(rec, nil) {
			return
		}
	}
	if _, err := d.Token(); err != nil {
		fail(0, errors.New("the list is cut short"))
	}
}

func (j *jsonReader) index() error {
	if j.list {
		return fmt.Errorf("%s: the entries of a list cannot be read one by one: let it be tokenised once", j.path)
	}
	return j.delimited.index()
}

func (j *jsonReader) len() int { return j.records }

func (j *jsonReader) read(i int) (Record, error) {
	p, err := j.delimited.read(i)
	if err != nil {
		return Record{}, err
	}
	return j.record(p)
}
