package data

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/pennyml/penny/chat"
	"github.com/pennyml/penny/tokenizer"
)

const assistant = "assistant"

// Vocabulary is what text is made tokens with.
type Vocabulary struct {
	Tokenizer *tokenizer.Tokenizer
	ID        string         // says which tokenizer and template these are: a hash of their files
	Template  *chat.Template // nil: no conversations
}

// encoder makes sequences of records. It may be used by several goroutines.
type encoder struct {
	Vocabulary
	roles    tokenizer.Roles
	bos, eos bool
	special  map[Kind]tokenizer.Special
	turns    string
}

func newEncoder(v Vocabulary, c *Config, s *Source) (*encoder, error) {
	e := &encoder{Vocabulary: v, roles: v.Tokenizer.Roles(), turns: c.Turns}
	e.special = map[Kind]tokenizer.Special{Text: tokenizer.SpecialText, Pair: tokenizer.SpecialParse, Chat: tokenizer.SpecialParse}
	if s.Special != nil && *s.Special {
		e.special[Text] = tokenizer.SpecialParse
	} else if s.Special != nil {
		e.special[Pair] = tokenizer.SpecialText // a rendered conversation always has its tokens
	}
	asked := v.Tokenizer.Encode("", tokenizer.Options{AddSpecial: true})
	e.bos, e.eos = e.roles.BOS >= 0 && slices.Contains(asked, e.roles.BOS), e.roles.EOS >= 0
	for _, set := range []struct {
		name string
		want *bool
		id   int32
		add  *bool
	}{{"bos", c.BOS, e.roles.BOS, &e.bos}, {"eos", c.EOS, e.roles.EOS, &e.eos}} {
		if set.want == nil {
			continue
		}
		if *set.want && set.id < 0 {
			return nil, fmt.Errorf("data: %s: the tokenizer has no such token", set.name)
		}
		*set.add = *set.want
	}
	return e, nil
}

// encode makes the sequences of a record: one, or one for each answer. First says that a document begins with it.
func (e *encoder) encode(r *Record, first bool) ([]Sequence, error) {
	switch r.Kind {
	case Pair:
		return e.pair(r)
	case Chat:
		return e.conversation(r)
	}
	var ids []int32
	if first && e.bos {
		ids = append(ids, e.roles.BOS)
	}
	ids = e.Tokenizer.AppendEncode(ids, r.Text, tokenizer.Options{Special: e.special[Text]})
	if !r.More && e.eos {
		ids = append(ids, e.roles.EOS)
	}
	return []Sequence{{IDs: ids}}, nil
}

// Where a long text may be cut: cutTries places are tried, each with cutSight bytes to either side.
const (
	cutTries = 64
	cutSight = 256
)

// cut finds a place near the middle of a long text where it may be cut, so that both parts by themselves give the tokens of the whole: the
// start of a line or of a word, tried on its surroundings. It returns -1 where there is none.
func (e *encoder) cut(text []byte) int {
	tries := 0
	for i := len(text) / 2; i < len(text)-cutSight && tries < cutTries; i++ {
		line := text[i-1] == '\n' && !blank(text[i])
		word := text[i] == ' ' && !blank(text[i-1]) && !blank(text[i+1])
		if !line && !word {
			continue
		}
		tries++
		if e.parts(text, i) {
			return i
		}
	}
	return -1
}

func blank(b byte) bool { return b == ' ' || b == '\n' || b == '\r' || b == '\t' }

// parts says whether the text around i is encoded alike in parts and whole.
func (e *encoder) parts(text []byte, i int) bool {
	lo, hi := i-cutSight, i+cutSight
	for !utf8.RuneStart(text[lo]) && lo > i-cutSight-4 {
		lo--
	}
	for hi < len(text) && !utf8.RuneStart(text[hi]) {
		hi--
	}
	opt := tokenizer.Options{Special: e.special[Text]}
	left, right := string(text[lo:i]), string(text[i:hi])
	both := e.Tokenizer.AppendEncode(e.Tokenizer.Encode(left, opt), right, opt)
	return slices.Equal(both, e.Tokenizer.Encode(left+right, opt))
}

// encoded is a record as tokens.
type encoded struct {
	sequences []Sequence
	key       uint64
	more      bool
}

// group is records that are encoded at a time.
const (
	groupBytes   = 8 << 20
	groupRecords = 1 << 14
)

// encodeAll encodes the records of a file on several threads and hands them on in order.
func (e *encoder) encodeAll(r reader, workers int, take func(encoded) error) error {
	var records []Record
	size, first := 0, true
	flush := func() error {
		out, err := e.group(records, threads(workers), first)
		if err != nil {
			return err
		}
		for _, x := range out {
			if err := take(x); err != nil {
				return err
			}
		}
		first = len(records) == 0 || !records[len(records)-1].More
		records, size = records[:0], 0
		return nil
	}
	for rec, err := range r.scan() {
		if err != nil {
			return err
		}
		records = append(records, rec)
		if size += rec.size(); size >= groupBytes || len(records) >= groupRecords {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// group encodes records. First says that a document begins with the first.
func (e *encoder) group(records []Record, workers int, first bool) ([]encoded, error) {
	out := make([]encoded, len(records))
	errs := make([]error, len(records))
	var next atomic.Int64
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(records) {
				return
			}
			r := &records[i]
			begins := i == 0 && first || i > 0 && !records[i-1].More
			sequences, err := e.encode(r, begins)
			key, err2 := r.key()
			if err := errors.Join(err, err2); err != nil {
				errs[i] = r.at(err)
			}
			out[i] = encoded{sequences, key, r.More}
		}
	}
	var wg sync.WaitGroup
	for range min(workers, len(records)) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// size is about how many bytes a record holds.
func (r *Record) size() int {
	n := len(r.Text) + len(r.Prompt) + len(r.Completion)
	for _, m := range r.Messages {
		n += len(m.Content) + len(m.Reasoning) + 64
	}
	return n
}
