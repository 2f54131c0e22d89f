package safetensors

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// maxHeaderBytes is the official limit on the JSON header.
const maxHeaderBytes = 100_000_000

// headerStart is the size of the header's length field, which starts the file.
const headerStart = 8

// entry is a tensor as the header describes it.
type entry struct {
	Tensor
	begin, end int
}

// parse reads a whole file's bytes by the official reader's rules: tensors lie back to back without hole or overlap and fill the
// file. Tensor data in the result aliases data.
func parse(data []byte) (tensors []Tensor, metadata map[string]string, err error) {
	if len(data) < headerStart {
		return nil, nil, fmt.Errorf("header length: needs %d bytes, the file has %d", headerStart, len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	if n > maxHeaderBytes {
		return nil, nil, fmt.Errorf("header length: %d is above the limit of %d", n, maxHeaderBytes)
	}
	if n > uint64(len(data)-headerStart) {
		return nil, nil, fmt.Errorf("header length: %d reaches beyond the file's %d bytes", n, len(data))
	}
	header, body := data[headerStart:headerStart+int(n)], data[headerStart+int(n):]
	entries, metadata, err := parseHeader(header)
	if err != nil {
		return nil, nil, err
	}
	tensors, err = place(entries, body)
	return tensors, metadata, err
}

func parseHeader(header []byte) (entries []entry, metadata map[string]string, err error) {
	if !utf8.Valid(header) {
		return nil, nil, fmt.Errorf("header is not UTF-8")
	}
	s := &scanner{data: header}
	seen := map[string]bool{}
	err = s.object(func(key string) (err error) {
		if seen[key] {
			return fmt.Errorf("tensor %q: the name occurs twice", key)
		}
		seen[key] = true
		if key == "__metadata__" {
			metadata, err = s.parseMetadata()
			return err
		}
		e, err := s.parseEntry()
		if err != nil {
			return fmt.Errorf("tensor %q: %w", key, err)
		}
		e.Name = key
		entries = append(entries, e)
		return nil
	})
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	return entries, metadata, nil
}

func (s *scanner) parseMetadata() (map[string]string, error) {
	m := map[string]string{}
	err := s.object(func(key string) error {
		if _, dup := m[key]; dup {
			return fmt.Errorf("key %q occurs twice", key)
		}
		v, err := s.string()
		if err != nil {
			return fmt.Errorf("key %q: values must be strings: %w", key, err)
		}
		m[key] = v
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("__metadata__: %w", err)
	}
	return m, nil
}

// parseEntry reads the description of one tensor. Unknown fields are passed over, as the official reader does.
func (s *scanner) parseEntry() (e entry, err error) {
	var offsets []int
	err = s.object(func(field string) (err error) {
		switch field {
		case "dtype":
			if e.DType != "" {
				return fmt.Errorf("dtype: given twice")
			}
			e.DType, err = s.string()
		case "shape":
			if e.Shape != nil {
				return fmt.Errorf("shape: given twice")
			}
			e.Shape, err = s.sizes()
		case "data_offsets":
			if offsets != nil {
				return fmt.Errorf("data_offsets: given twice")
			}
			offsets, err = s.sizes()
		default:
			err = s.skip(0)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
		return nil
	})
	if err != nil {
		return e, err
	}
	if e.DType == "" || e.Shape == nil || offsets == nil {
		return e, fmt.Errorf("dtype, shape or data_offsets is missing")
	}
	if len(offsets) != 2 || offsets[0] > offsets[1] {
		return e, fmt.Errorf("data_offsets: want [begin, end] with begin <= end, have %d", offsets)
	}
	e.begin, e.end = offsets[0], offsets[1]
	return e, e.checkSize()
}

// checkSize holds the extent against element type and shape.
func (e *entry) checkSize() error {
	elem, ok := elementNamed(e.DType)
	if !ok {
		return fmt.Errorf("dtype: unknown type %q", e.DType)
	}
	e.Type = elem.typ
	bits := uint64(elem.bits)
	for _, d := range e.Shape {
		if d != 0 && bits > math.MaxInt64/uint64(d) {
			return fmt.Errorf("shape: %d of %s are more bits than 63 bits can count", e.Shape, e.DType)
		}
		bits *= uint64(d)
	}
	if bits%8 != 0 {
		return fmt.Errorf("shape: %d of %s do not fill whole bytes", e.Shape, e.DType)
	}
	if uint64(e.end-e.begin) != bits/8 {
		return fmt.Errorf("data_offsets: [%d, %d] hold %d bytes, but %s of shape %d takes %d", e.begin, e.end, e.end-e.begin,
			e.DType, e.Shape, bits/8)
	}
	return nil
}

// place gives each tensor its bytes. Together they must fill body exactly.
func place(entries []entry, body []byte) ([]Tensor, error) {
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end)) })
	tensors := make([]Tensor, len(entries))
	at := 0
	for i, e := range entries {
		if e.begin != at {
			return nil, fmt.Errorf("tensor %q: data_offsets: begins at %d, but the tensor before it ends at %d", e.Name, e.begin, at)
		}
		if e.end > len(body) {
			return nil, fmt.Errorf("tensor %q: data_offsets: ends at %d, beyond the %d bytes of tensor data in the file; is it complete?", e.Name, e.end, len(body))
		}
		tensors[i] = e.Tensor
		tensors[i].Data = body[e.begin:e.end:e.end]
		at = e.end
	}
	if at != len(body) {
		return nil, fmt.Errorf("data: the file has %d bytes after the last tensor", len(body)-at)
	}
	return tensors, nil
}
