package data

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/pennyml/penny/chat"
	"github.com/pennyml/penny/chat/jinja"
)

// Record is what is read of a source and tokenised: a text, a prompt with its completion, or a conversation.
type Record struct {
	Kind Kind
	Text string // of Text
	More bool   // of Text: the document goes on in the next record

	Prompt, Completion string // of Pair

	Messages []chat.Message // of Chat
	From     int            // of Chat: messages before it are not learnt
	Tools    []jinja.Value
	Vars     *jinja.Dict // other variables of the template

	Path   string // of the file
	Unit   string // line, entry or row
	Number int64  // of the line, entry or row, from 1
}

// Kind is the sort of a record.
type Kind uint8

// The kinds of records.
const (
	Text Kind = iota
	Pair
	Chat
)

// key tells records apart by their content: 64 bits of the SHA-256 of a text, or of what comes before the first answer. So records with the same
// question are always on the same side of a split.
func (r *Record) key() (uint64, error) {
	var content string
	switch r.Kind {
	case Text:
		content = r.Text
	case Pair:
		content = r.Prompt
	case Chat:
		for i, m := range r.Messages {
			if i >= r.From && m.Role == assistant {
				break
			}
			b, err := m.MarshalJSON()
			if err != nil {
				return 0, fmt.Errorf("message %d: %w", i, err)
			}
			content += string(b) + "\n"
		}
	}
	sum := sha256.Sum256([]byte(content))
	return binary.LittleEndian.Uint64(sum[:]), nil
}

// at puts the place of a record before an error.
func (r *Record) at(err error) error {
	return fmt.Errorf("%s: %s %d: %w", r.Path, r.Unit, r.Number, err)
}

// reader reads the records of one file.
type reader interface {
	scan() iter.Seq2[Record, error]
	close() error
}

// indexed is a reader that can also give any record.
type indexed interface {
	reader
	index() error
	len() int
	read(i int) (Record, error)
}
