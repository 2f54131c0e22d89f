// Package tensorboard writes TensorBoard's event files: records with masked CRC-32C around protocol buffers that are small enough to be written by
// hand.
package tensorboard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pennyml/penny/run"
)

// Writer appends to one event file. It is a run.Sink.
type Writer struct {
	f   *os.File
	now func() time.Time
}

// Open begins an event file in dir; TensorBoard reads all files of a folder as one. A run that goes on from a step hides what older files say of
// later ones; one that begins has step 0.
func Open(dir string, step int64) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	w := &Writer{now: time.Now}
	for n := 0; w.f == nil; n++ {
		var err error
		name := fmt.Sprintf("events.out.tfevents.%010d.penny.%d.%d", w.now().Unix(), os.Getpid(), n)
		w.f, err = os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o666)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	err := w.event(0, text(nil, 3, "brain.Event:2"))
	if step > 0 {
		const start = 1 // SessionLog.START: events from this step on in older files are void
		err = errors.Join(err, w.event(step+1, message(nil, 7, integer(nil, 1, start))))
	}
	if err != nil {
		return nil, errors.Join(err, w.f.Close())
	}
	return w, nil
}

// groups are the charts' headings.
var groups = map[string]string{"loss": "train", "lr": "train", "grad_norm": "train", "val_loss": "evaluation", "tokens": "train", "tokens_per_s": "speed", "utilisation": "speed",
	"flops": "cost", "joules": "cost", "dollars": "cost", "seconds": "cost"}

// Row writes the numbers of a step, each as a scalar.
func (w *Writer) Row(step int64, values run.Point) error {
	var summary []byte
	for _, name := range slices.Sorted(maps.Keys(values)) {
		tag := name
		if g, ok := groups[name]; ok {
			tag = g + "/" + name
		}
		value := text(nil, 1, tag)
		value = append(value, 2<<3|5) // simple_value, a float
		value = binary.LittleEndian.AppendUint32(value, math.Float32bits(float32(values[name])))
		summary = message(summary, 1, value)
	}
	return w.event(step, message(nil, 5, summary))
}

// Sample writes a piece of text, under TensorBoard's tab for texts.
func (w *Writer) Sample(s run.Sample) error {
	const stringType = 7
	title := s.Title
	if title == "" {
		title = "sample"
	}
	// The tab reads Markdown: an indented block shows text as it is.
	body := []byte("\t")
	for _, b := range []byte(s.Prompt + s.Text + "\n" + s.Verdict) {
		if body = append(body, b); b == '\n' {
			body = append(body, '\t')
		}
	}
	tensor := integer(nil, 1, stringType)
	tensor = message(tensor, 2, message(nil, 2, integer(nil, 1, 1))) // shape [1]
	tensor = message(tensor, 8, body)
	value := text(nil, 1, "sample/"+title)
	value = message(value, 8, tensor)
	value = message(value, 9, message(nil, 1, text(nil, 1, "text"))) // the plug-in that shows it
	return w.event(s.Step, message(nil, 5, message(nil, 1, value)))
}

// Close closes the file.
func (w *Writer) Close() error { return w.f.Close() }

// event writes one Event: what is when and at which step.
func (w *Writer) event(step int64, what []byte) error {
	e := []byte{1<<3 | 1} // wall_time, a double
	e = binary.LittleEndian.AppendUint64(e, math.Float64bits(float64(w.now().UnixNano())/1e9))
	e = append(integer(e, 2, uint64(step)), what...)
	record := binary.LittleEndian.AppendUint64(nil, uint64(len(e)))
	record = binary.LittleEndian.AppendUint32(record, masked(record))
	record = append(record, e...)
	record = binary.LittleEndian.AppendUint32(record, masked(e))
	_, err := w.f.Write(record)
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the CRC as TFRecord stores it, rotated and shifted so that a CRC over a CRC means something.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// integer, message and text append a field of a protocol buffer.
func integer(b []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(field)<<3), v)
}

func message(b []byte, field int, m []byte) []byte {
	b = binary.AppendUvarint(b, uint64(field)<<3|2)
	return append(binary.AppendUvarint(b, uint64(len(m))), m...)
}

func text(b []byte, field int, s string) []byte { return message(b, field, []byte(s)) }
