package tokenizer

import (
	"slices"
	"testing"
)

func TestTrainChars(t *testing.T) {
	text := "zażółć gęślą jaźń\n\t 猫 a\u0301 😀"
	data, err := TrainChars([]string{"<|end|>"}, slices.Values([]string{text}))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := ParseJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	ids := tok.Encode(text, Options{Special: SpecialText})
	runes := []rune(text)
	sorted := slices.Compact(slices.Sorted(slices.Values(runes)))
	if len(ids) != len(runes) || tok.VocabSize() != len(sorted)+1 {
		t.Fatalf("%d ids for %d characters, vocabulary %d", len(ids), len(runes), tok.VocabSize())
	}
	for i, r := range runes {
		if want, _ := slices.BinarySearch(sorted, r); int(ids[i]) != want+1 {
			t.Errorf("%q is %d, want %d", r, ids[i], want+1)
		}
	}
	if got := tok.Decode(ids); got != text {
		t.Errorf("decoded %q", got)
	}
	if got := tok.Encode("aQa", Options{}); len(got) != 2 {
		t.Errorf("an unknown character gives %v", got)
	}
	if id, _ := tok.ID("<|end|>"); id != 0 || !tok.IsSpecial(0) {
		t.Error("the special token is not token 0")
	}
	for _, special := range [][]string{{"a"}, {""}, {"<s>", "<s>"}} {
		if _, err := TrainChars(special, slices.Values([]string{"a"})); err == nil {
			t.Errorf("%q: no error", special)
		}
	}
}

func TestTrainBytes(t *testing.T) {
	data, err := TrainBytes([]string{"<|end|>"})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := ParseJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	text := "Grüße, \x00\x7f world"
	if ids := tok.Encode(text, Options{}); len(ids) != len(text) || tok.Decode(ids) != text || tok.VocabSize() != 257 {
		t.Errorf("%d ids for %d bytes, %q", len(ids), len(text), tok.Decode(ids))
	}
}
