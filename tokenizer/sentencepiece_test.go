package tokenizer

import (
	"bufio"
	"encoding/json"
	"testing"
)

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

// TestSentencePieceModels holds small models, BPE and Unigram, with every setting of the normaliser, to what SentencePiece 0.2.3 makes of the
// same adversarial texts. See testdata/README.md.
func TestSentencePieceModels(t *testing.T) {
	s := bufio.NewScanner(openFixture(t, "sentencepiece.jsonl.gz"))
	s.Buffer(nil, 1<<24)
	var texts []string
	for n := 0; s.Scan(); n++ {
		var r struct {
			Texts []string
			Name  string
			Model []byte
			Rows  []componentRow
		}
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			texts = r.Texts
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			tok, err := ParseSentencePiece(r.Model)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range r.Rows {
				row.check(t, tok, texts[row.I])
			}
		})
	}
}
