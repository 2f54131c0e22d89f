package data

import (
	"bytes"
	"slices"

	"github.com/pennyml/penny/chat/jinja"
	"github.com/pennyml/penny/tokenizer"
)

// learn makes tokens of a text, of which those that hold a byte of the spans (ascending) are learnt.
func (e *encoder) learn(text string, spans []jinja.Span, kind Kind) Sequence {
	opt := tokenizer.Options{Special: e.special[kind]}
	s := Sequence{IDs: e.Tokenizer.Encode(text, opt)}
	s.Labels = make([]int32, len(s.IDs))
	for t := range s.Labels {
		s.Labels[t] = Ignore
	}
	place := e.byBytes(s.IDs, text)
	if place == nil {
		place = e.byPrefix(s.IDs, text, opt)
	}
	for _, span := range spans {
		if span.Start >= span.End {
			continue
		}
		first, _ := place(span.Start)
		_, end := place(span.End)
		copy(s.Labels[first:end], s.IDs[first:end])
	}
	return s
}

// placer tells where in the tokens a byte of the text is: how many tokens end at or before it, and how many begin before it. They differ by one where
// a token reaches over it.
type placer func(at int) (whole, begun int)

// byBytes tells places by the bytes of the tokens, where they make up the text. Else it returns nil.
func (e *encoder) byBytes(ids []int32, text string) placer {
	ends := make([]int, len(ids))
	var all []byte
	for t, id := range ids {
		all = append(all, e.Tokenizer.TokenBytes(id)...)
		ends[t] = len(all)
	}
	shift := 0
	if len(all) == len(text)+1 && all[0] == ' ' { // SentencePiece puts a space in front
		shift, all = 1, all[1:]
	}
	if !bytes.Equal(all, []byte(text)) {
		return nil
	}
	return func(at int) (whole, begun int) {
		at += shift
		whole, _ = slices.BinarySearch(ends, at+1)
		if begun = whole; whole < len(ends) && (whole == 0 && at > 0 || whole > 0 && at > ends[whole-1]) {
			begun++
		}
		return whole, begun
	}
}

// byPrefix tells places by the tokens of the text before them, for vocabularies that change the text.
func (e *encoder) byPrefix(ids []int32, text string, opt tokenizer.Options) placer {
	return func(at int) (whole, begun int) {
		before := e.Tokenizer.Encode(text[:at], opt)
		for whole < min(len(before), len(ids)) && before[whole] == ids[whole] {
			whole++
		}
		if begun = whole; whole < len(before) && whole < len(ids) {
			begun++
		}
		return whole, begun
	}
}
