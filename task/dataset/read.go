package dataset

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxFile bounds a data file, unpacked; maxLine one line of it.
const (
	maxFile = 4 << 30
	maxLine = 64 << 20
)

// rows reads a JSONL file, or a JSON file with one list, plain or gzipped, as values of T.
func rows[T any](path string) ([]T, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, err
		}
	}
	b := bufio.NewReaderSize(io.LimitReader(r, maxFile), 1<<16)
	for {
		c, err := b.Peek(1)
		if err != nil {
			return nil, fmt.Errorf("it is empty: %w", err)
		}
		if c[0] == '[' {
			var list []T
			d := json.NewDecoder(b)
			d.UseNumber()
			return list, d.Decode(&list)
		}
		if c[0] != ' ' && c[0] != '\n' && c[0] != '\r' && c[0] != '\t' {
			break
		}
		_, _ = b.ReadByte()
	}
	return lines[T](b)
}

func lines[T any](r io.Reader) ([]T, error) {
	var out []T
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 1<<16), maxLine)
	for n := 1; s.Scan(); n++ {
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		var x T
		d := json.NewDecoder(bytes.NewReader(s.Bytes()))
		d.UseNumber()
		if err := d.Decode(&x); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		out = append(out, x)
	}
	return out, s.Err()
}

// plain is a JSON scalar as text; a whole number written 27.0 is 27.
func plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return strings.TrimSuffix(v.String(), ".0")
	case bool:
		return fmt.Sprint(v)
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = plain(x)
		}
		return strings.Join(parts, ", ")
	}
	return ""
}
