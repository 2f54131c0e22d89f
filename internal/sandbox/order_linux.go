package sandbox

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// orderFD is the socket on which the first process of a sandbox gets orders and gives reports; its end means that the starter is gone.
const orderFD = 3

// order is what the starter tells the first process: one program to run. The program's descriptors come with it.
type order struct {
	Spec   Spec
	SetUID bool // the program gets a user id of its own (the starter is root)
	Trial  bool // only build the sandbox
	files  []int
}

// close closes the program's descriptors in this process; more than once does no harm.
func (o *order) close() {
	for _, fd := range o.files {
		syscall.Close(fd)
	}
	o.files = nil
}

// report is what the first process tells the starter: why it could not start the program, or how the program ended.
type report struct {
	Err      string `json:",omitempty"`
	ExitCode int
	Signal   int
	CPU      int64 // nanoseconds, of everything reaped
	MaxRSS   int64 // bytes, of the largest process reaped
	Again    bool  // another program can be run
}

// programFiles is the most descriptors a program gets: standard input, output and error, and two to talk.
const programFiles = 5

// maxMessage bounds an order or report: it is our own, so that more is a mistake.
const maxMessage = 1 << 30

// encode is a message with its length ahead.
func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(b))), b...), nil
}

// decode reads a message whose length is known.
func decode(r io.Reader, head []byte, v any) error {
	n := binary.LittleEndian.Uint64(head)
	if n > maxMessage {
		return fmt.Errorf("message of %d bytes", n)
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(b) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	return errors.Join(err, json.Unmarshal(b, v))
}

// rawFD reads and writes a blocking descriptor.
type rawFD int

func (fd rawFD) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), b)
		if err == unix.EINTR {
			continue
		}
		if n == 0 && err == nil {
			err = io.EOF
		}
		return max(n, 0), err
	}
}

func (fd rawFD) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, err := unix.Write(int(fd), b[done:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// receive waits for an order. The descriptors come with the first byte.
func receive(fd int) (o order, err error) {
	head, oob := make([]byte, 8), make([]byte, unix.CmsgSpace(4*programFiles))
	n, oobn := 0, 0
	for err = unix.EINTR; err == unix.EINTR; {
		n, oobn, _, _, err = unix.Recvmsg(fd, head, oob, unix.MSG_CMSG_CLOEXEC)
	}
	if err != nil || n == 0 {
		return o, errors.Join(err, io.EOF)
	}
	if _, err := io.ReadFull(rawFD(fd), head[n:]); err != nil {
		return o, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return o, fmt.Errorf("order with %d control messages: %v", len(messages), err)
	}
	if o.files, err = unix.ParseUnixRights(&messages[0]); err != nil {
		return o, err
	}
	files := o.files
	err = decode(rawFD(fd), head, &o)
	o.files = files
	return o, err
}

func send(fd int, r report) error {
	b, err := encode(r)
	if err == nil {
		_, err = rawFD(fd).Write(b)
	}
	return err
}
