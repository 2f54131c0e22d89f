package data

import (
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/pennyml/penny/chat/jinja"
)

// parquetReader reads the rows of a table.
type parquetReader struct {
	path string
	rule *rowRule
	file *os.File
	rows *parquet.File

	schema *parquet.Schema // of the columns that are read

	mu     sync.Mutex // of random
	random *parquet.GenericReader[any]
}

func newParquetReader(path string, rule *rowRule) (p *parquetReader, err error) {
	defer caught(&err, path)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		p = &parquetReader{path: path, rule: rule, file: f}
		p.rows, err = parquet.OpenFile(f, info.Size(), parquet.SkipBloomFilters(true))
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p.schema = p.rows.Schema()
	if names := rule.fields(); names != nil {
		p.schema = project(p.schema, names)
	}
	return p, nil
}

// project is a schema with some of its columns; with all if it has none of them, for the message that says so.
func project(s *parquet.Schema, names []string) *parquet.Schema {
	some := parquet.Group{}
	for _, f := range s.Fields() {
		if slices.Contains(names, f.Name()) {
			some[f.Name()] = f
		}
	}
	if len(some) == 0 {
		return s
	}
	return parquet.NewSchema(s.Name(), some)
}

// caught turns a panic of the library over a damaged file into an error.
func caught(err *error, path string) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%s: damaged: %v", path, v)
	}
}

func (p *parquetReader) close() error { return p.file.Close() }

// rowsAtOnce are read at a time.
const rowsAtOnce = 64

func (p *parquetReader) scan() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := parquet.NewGenericReader[any](p.rows, p.schema)
		defer r.Close()
		rows := make([]any, rowsAtOnce)
		for n := int64(1); ; {
			clear(rows)
			k, err := p.next(r, rows)
			for _, row := range rows[:k] {
				rec, err := p.record(row, n)
				if !yield(rec, err) || err != nil {
					return
				}
				n++
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Record{}, fmt.Errorf("%s: row %d: %w", p.path, n, err))
				return
			}
		}
	}
}

func (p *parquetReader) next(r *parquet.GenericReader[any], rows []any) (n int, err error) {
	defer caught(&err, p.path)
	return r.Read(rows)
}

func (p *parquetReader) record(row any, n int64) (Record, error) {
	v, err := value(row)
	var rec Record
	if err == nil {
		rec, err = p.rule.record(v)
	}
	if err != nil {
		return rec, fmt.Errorf("%s: row %d: %w", p.path, n, err)
	}
	rec.Path, rec.Unit, rec.Number = p.path, "row", n
	return rec, nil
}

func (p *parquetReader) index() error {
	p.random = parquet.NewGenericReader[any](p.rows, p.schema)
	return nil
}

func (p *parquetReader) len() int { return int(p.rows.NumRows()) }

func (p *parquetReader) read(i int) (Record, error) {
	row, err := p.at(i)
	if err != nil {
		return Record{}, fmt.Errorf("%s: row %d: %w", p.path, i+1, err)
	}
	return p.record(row, int64(i)+1)
}

func (p *parquetReader) at(i int) (row any, err error) {
	defer caught(&err, p.path)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.random.SeekToRow(int64(i)); err != nil {
		return nil, err
	}
	rows := make([]any, 1)
	if n, err := p.random.Read(rows); n < 1 {
		return nil, err
	}
	return rows[0], nil
}

// value is a value of a table as templates have it. Columns come by name: a table does not tell their order apart.
func value(v any) (jinja.Value, error) {
	switch v := v.(type) {
	case nil, bool, int64, float64, string:
		return v, nil
	case int32:
		return int64(v), nil
	case float32:
		return float64(v), nil
	case []byte:
		return string(v), nil
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), nil
	case []any:
		list := make(jinja.List, len(v))
		for i, x := range v {
			var err error
			if list[i], err = value(x); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		d := &jinja.Dict{}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			x, err := value(v[k])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			d.Set(k, x)
		}
		return d, nil
	}
	return fmt.Sprint(v), nil
}
