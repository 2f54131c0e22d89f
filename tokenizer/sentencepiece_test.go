package tokenizer

import "testing"

const storiesModel = "weights/stories260K/tok512.model"

func TestGoldenSentencePiece(t *testing.T) {
	tok, err := ParseSentencePiece(readData(t, storiesModel))
	if err != nil {
		t.Fatal(err)
	}
	checkRows(t, tok, goldenRows(t, "llama-spm-stories512"), func(r *goldenRow) []int32 { return r.IDsBytes })
}

// TestSentencePieceKeepSpaces holds the model without remove_extra_whitespaces, which is Llama's own rule.
func TestSentencePieceKeepSpaces(t *testing.T) {
	m, err := readSPM(readData(t, storiesModel))
	if err != nil {
		t.Fatal(err)
	}
	m.removeSpaces = false
	tok, err := m.build()
	if err != nil {
		t.Fatal(err)
	}
	checkRows(t, tok, goldenRows(t, "llama-spm-stories512-keepspaces"), func(r *goldenRow) []int32 { return r.IDsBytes })
}
