package codegrade

import (
	"encoding/binary"
	"fmt"
	"io"
)

// maxFrame bounds one message between the processes.
const maxFrame = 32 << 20

// readFrame reads a message: its length in four bytes, little-endian, and itself.
func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > maxFrame {
		return nil, fmt.Errorf("message of %d bytes: at most %d", n, maxFrame)
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(n))) // grows with what really comes
	if err == nil && len(b) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// writeFrame writes a message whose parts are joined.
func writeFrame(w io.Writer, parts ...[]byte) error {
	b := make([]byte, 4, 64)
	for _, p := range parts {
		b = append(b, p...)
	}
	if len(b)-4 > maxFrame {
		return fmt.Errorf("message of %d bytes: at most %d", len(b)-4, maxFrame)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)-4))
	_, err := w.Write(b)
	return err
}
