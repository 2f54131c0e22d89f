package tokenizer

import (
	"encoding/binary"
	"errors"
	"math"
)

// errProto is any way a protobuf message can be broken.
var errProto = errors.New("broken protobuf message")

// protoField is one field of a protobuf message: a number for varints and fixed sizes, bytes for what has a length.
type protoField struct {
	num   int
	wire  int
	value uint64
	bytes []byte
}

// eachField calls f for every field of a message.
func eachField(b []byte, f func(protoField) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
			return errProto
		}
		b = b[n:]
		p := protoField{num: int(tag >> 3), wire: int(tag & 7)}
		switch p.wire {
		case 0:
			if p.value, n = binary.Uvarint(b); n <= 0 {
				return errProto
			}
		case 1:
			if n = 8; len(b) < n {
				return errProto
			}
			p.value = binary.LittleEndian.Uint64(b)
		case 2:
			size, k := binary.Uvarint(b)
			if k <= 0 || size > uint64(len(b)-k) {
				return errProto
			}
			n = k + int(size)
			p.bytes = b[k:n]
		case 5:
			if n = 4; len(b) < n {
				return errProto
			}
			p.value = uint64(binary.LittleEndian.Uint32(b))
		default: // groups are long gone
			return errProto
		}
		b = b[n:]
		if err := f(p); err != nil {
			return err
		}
	}
	return nil
}

// read copies the field to *v if it has the wire type of v.
func (p protoField) read(v any) error {
	wire := 0
	switch v := v.(type) {
	case *string:
		wire = 2
		*v = string(p.bytes)
	case *[]byte:
		wire = 2
		*v = p.bytes
	case *float32:
		wire = 5
		*v = math.Float32frombits(uint32(p.value))
	case *int32:
		*v = int32(p.value)
	case *bool:
		*v = p.value != 0
	}
	if p.wire != wire {
		return errProto
	}
	return nil
}
