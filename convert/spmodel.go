package convert

import (
	"encoding/binary"
	"math"

	"github.com/pennyml/penny/tokenizer"
)

// protobuf is a message being written.
type protobuf []byte

// Wire types.
const (
	varint = 0
	text   = 2
	fixed4 = 5
)

func (p *protobuf) key(field, wire uint64) { *p = binary.AppendUvarint(*p, field<<3|wire) }

func (p *protobuf) int(field uint64, n int64) {
	p.key(field, varint)
	*p = binary.AppendUvarint(*p, uint64(n))
}

func (p *protobuf) bool(field uint64, b bool) {
	n := int64(0)
	if b {
		n = 1
	}
	p.int(field, n)
}

func (p *protobuf) bytes(field uint64, b []byte) {
	p.key(field, text)
	*p = append(binary.AppendUvarint(*p, uint64(len(b))), b...)
}

func (p *protobuf) float(field uint64, f float32) {
	p.key(field, fixed4)
	*p = binary.LittleEndian.AppendUint32(*p, math.Float32bits(f))
}

// sentencePieceModel is the vocabulary as a SentencePiece model (ModelProto), which keeps the scores that tokenizer.json has no room for. The
// fields are those of sentencepiece_model.proto.
func (w *hfWriter) sentencePieceModel(scores []float32, spacePrefix bool) []byte {
	var m, trainer, normalizer protobuf
	byteTokens := map[string]bool{}
	for id, s := range w.tokens {
		var piece protobuf
		piece.bytes(1, []byte(s))
		piece.float(2, scores[id])
		piece.int(3, int64(w.typeOf(id)))
		m.bytes(1, piece)
		if w.typeOf(id) == tokenizer.ByteToken {
			byteTokens[s] = true
		}
	}
	r := w.tokenizer.Roles()
	trainer.int(3, 2) // model_type BPE
	trainer.int(4, int64(len(w.tokens)))
	trainer.bool(35, len(byteTokens) == 256) // byte_fallback
	for i, id := range []int32{r.UNK, r.BOS, r.EOS, r.PAD} {
		trainer.int(40+uint64(i), int64(id))
	}
	normalizer.bytes(1, []byte("identity"))
	normalizer.bool(3, spacePrefix) // add_dummy_prefix
	normalizer.bool(4, false)       // remove_extra_whitespaces
	normalizer.bool(5, true)        // escape_whitespaces
	m.bytes(2, trainer)
	m.bytes(3, normalizer)
	return m
}
